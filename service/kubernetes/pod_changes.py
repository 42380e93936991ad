"""What was done to a pod, told from two looks at it."""

from collections.abc import Iterator

from fleet import identity
from vocabulary.entities import Change
from vocabulary.pods import Container, Pod

KILLED = {137: "SIGKILL", 143: "SIGTERM"}
"""Exit codes of a container that a signal ended (128 + signal): the kubelet sends these after a
failed liveness probe, and does not say so in the pod's status."""
TAKEN_AWAY = {"Evicted", "Preempting", "NodeShutdown", "Terminated", "NodeAffinity", "NodeLost"}
"""Reasons of a failed pod whose node, not whose program, ended it (kubelet sources)."""


def changes_between(before: Pod | None, after: Pod, cluster: str, now: float) -> Iterator[Change]:
    """Restarts, images changed in place, evictions; nothing of a pod seen for the first time."""
    if before is None:
        return
    if after.reason in TAKEN_AWAY and before.reason != after.reason:
        why = f": {after.message}" if after.message else ""
        what = f"{after.name} was taken from its node ({after.reason}{why})"
        yield Change(now, "node", identity.pool(after.pool), what, after.pool)
    known = {one.name: one for one in before.containers}
    for container in after.containers:
        earlier = known.get(container.name)
        if earlier is None:
            continue
        who = identity.pod_replica_id(cluster, after.namespace, after.uid, container.name)
        entity = identity.replica(who, after.name)
        if earlier.image and container.image and earlier.image != container.image:
            what = f"image {earlier.image} → {container.image}"
            yield Change(now, "rollout", entity, what, after.pool)
        if container.restarts > earlier.restarts:
            at = container.ended_at if container.ended_at is not None else now
            what = f"{after.name} restarted: {_why(container)}"
            yield Change(at, "restart", entity, what, after.pool)


def _why(container: Container) -> str:
    """How the last run of a container ended, in words."""
    code = container.exit_code
    if container.ended_because == "OOMKilled":
        return f"{container.name} ran out of memory (OOMKilled)"
    if code in KILLED:
        signal = KILLED[code]
        return f"{container.name} was killed ({signal}), as after a failed liveness probe"
    if code is None:
        return f"{container.name} ended"
    return f"{container.name} ended with exit code {code}"
