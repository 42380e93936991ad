"""Keeps the pods of one node at hand, and tells what was done to them.

While the API does not answer, the pods known last stay known: an agent goes on reading its node
through an outage of the control plane.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from service.kubernetes.api_server import ApiServer, pods_of
from service.kubernetes.informer import Informer
from service.kubernetes.pod_changes import changes_between, unstuck
from service.kubernetes.pod_objects import pod_of
from vocabulary.entities import Change
from vocabulary.pods import Container, Pod

MOST_CHANGES = 5000
"""Changes that wait to be taken; a crash loop on a whole node makes some hundred an hour."""


@dataclass(slots=True)
class PodWatch:
    """Pods of one node, kept current by a thread of its own."""

    api: ApiServer
    node: str
    cluster: str
    now: Callable[[], float]
    """Unix seconds: when a change happened that bears no time of its own."""
    pause_seconds: float = 1.0
    """First pause after a failure; it doubles up to `longest_pause_seconds`."""
    longest_pause_seconds: float = 30.0
    remembered: Mapping[str, Any] = field(default_factory=dict)
    """What `memory` gave in an earlier life: what happened since is told after the first list."""
    _informer: Informer[Pod] = field(init=False)
    _changes: deque[Change] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))

    def __post_init__(self) -> None:
        self._informer = Informer(
            self.api,
            pods_of(self.node),
            pod_of,
            self._note,
            _pods_from(self.remembered),
            self.pause_seconds,
            self.longest_pause_seconds,
        )

    @property
    def trouble(self) -> str:
        """Why the pods may be out of date; empty while they are not."""
        return self._informer.trouble

    def pods(self) -> tuple[Pod, ...]:
        """Every pod of the node that may run, as known now; none before the first list."""
        if not self._informer.listed:
            return ()
        return tuple(one for one in self._informer.known.values() if not one.ended)

    def take_changes(self) -> list[Change]:
        """Changes seen since the last time."""
        taken = []
        while self._changes:
            taken.append(self._changes.popleft())
        return taken

    def memory(self) -> dict[str, Any]:
        """What must survive a restart, as plain data; no label, annotation or command line is in
        it. Take it before `take_changes`: then every change it has in it was taken.
        """  # noqa: D205 - one sentence does not hold it
        return {uid: asdict(_bare(pod)) for uid, pod in self._informer.known.items()}

    @property
    def revision(self) -> int:
        """Grows whenever `memory` may have changed."""
        return self._informer.revision

    def start(self) -> None:
        """Begin to follow."""
        self._informer.start()

    def close(self) -> None:
        """Stop; a request under way is left behind."""
        self._informer.close()

    def _note(self, before: Pod | None, after: Pod | None) -> None:
        self._changes.extend(unstuck(before, after, self.now()))
        if after is not None:
            self._changes.extend(changes_between(before, after, self.cluster, self.now()))


def _bare(pod: Pod) -> Pod:
    containers = tuple(replace(one, command=()) for one in pod.containers)
    return replace(pod, labels={}, annotations={}, containers=containers)


def _pods_from(memory: Mapping[str, Any]) -> dict[str, Pod]:
    """The pods that *memory* holds; those that another version wrote otherwise are left out."""
    found = {}
    for uid, body in memory.items():
        try:
            containers = tuple(
                Container(
                    **{
                        **one,
                        "ports": tuple((str(n), int(p)) for n, p in one.get("ports", ())),
                        "command": (),
                    }
                )
                for one in body.get("containers", ())
            )
            hosts = tuple(body.get("host_ips", ()))
            found[uid] = Pod(**{**body, "containers": containers, "host_ips": hosts})
        except (TypeError, ValueError, AttributeError):
            continue
    return found
