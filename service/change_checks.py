"""What `doctor` says of the changes that can be seen here: which kinds, and what is missing."""

from collections.abc import Iterator
from dataclasses import replace

from service.checks import Check, Verdict
from service.kubernetes.api_server import ApiServer
from service.kubernetes.cluster_watch import READ, unreadable

NAME = "cluster changes"


def cluster_changes(api: ApiServer | None) -> Iterator[Check]:
    """Which kinds of object this account may read. An agent's may read none but pods: the server
    follows them, once for the whole cluster.
    """  # noqa: D205 - one sentence does not hold it
    if api is None:
        return
    own = replace(api)
    try:
        missing = unreadable(own)
    finally:
        own.close()
    kinds = {one.name for one in READ}
    if missing.keys() >= kinds - {"pods"}:
        what = "not followed here: the server does it, once for the whole cluster"
        yield Check(NAME, Verdict.ABSENT, what, "on the server, set server.readCluster")
        return
    if not missing:
        yield Check(NAME, Verdict.OK, f"{len(kinds)} kinds of object can be followed")
    for kind, why in sorted(missing.items()):
        what, _, mend = why.partition(": ")
        cost = f"{what}: what is done to {kind} is named by no incident"
        yield Check(f"changes of {kind}", Verdict.BLIND, cost, mend)
