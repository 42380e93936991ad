"""What is done to the whole cluster, followed once: by the server, never by every node's agent.

One informer for each kind of object. A kind that this cluster lacks (KEDA, LeaderWorkerSet), or
that our service account may not read, costs only itself and is asked for again now and then.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog

from fleet import identity
from service.kubernetes import autoscalers, nodes, probe_kills, workload_changes
from service.kubernetes.api_server import ApiServer, NotServed, Resource
from service.kubernetes.autoscalers import Autoscaler
from service.kubernetes.config_maps import ConfigMaps
from service.kubernetes.engine_commands import engine_of
from service.kubernetes.informer import Informer
from service.kubernetes.nodes import Node
from service.kubernetes.pod_objects import pod_of
from service.kubernetes.probe_kills import ProbeKill
from service.kubernetes.workload_objects import Workload, workload_of
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.errors import SourceError
from vocabulary.pods import Pod

log = structlog.get_logger(__name__)
Seen = TypeVar("Seen")
MEMORY_VERSION = 1
MOST_CHANGES = 5000
"""Changes that wait to be taken."""
CONFIG_MAP_SECONDS = 60.0
"""How often config maps are asked for; our judgement."""
CLOSE_SECONDS = 0.1
"""How long the end of one thread is waited for: there are nine, and a program ends in five."""
WORKLOADS = {
    "Deployment": Resource(("/apis/apps/v1/deployments",)),
    "StatefulSet": Resource(("/apis/apps/v1/statefulsets",)),
    "LeaderWorkerSet": Resource(("/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets",)),
}
NODES = Resource(("/api/v1/nodes",))
HPAS = Resource(
    (
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/autoscaling/v1/horizontalpodautoscalers",
    )
)
SCALED_OBJECTS = Resource(("/apis/keda.sh/v1alpha1/scaledobjects",))
UNSCHEDULED = Resource(("/api/v1/pods",), "spec.nodeName=")
READ = (*WORKLOADS.values(), NODES, HPAS, SCALED_OBJECTS, UNSCHEDULED, probe_kills.RESOURCE)
"""Every kind that is followed."""


@dataclass(slots=True)
class ClusterWatch:
    """Workloads, autoscalers, nodes, pods without a node, and kills by probes."""

    api: ApiServer
    cluster: str
    now: Callable[[], float]
    pod_labels: tuple[str, ...] = ()
    """`key=value` labels of pods that serve models without a GPU or a known command."""
    remembered: Mapping[str, Any] = field(default_factory=dict)
    """What `memory` gave in an earlier life: what happened since is told after the first lists."""
    pause_seconds: float = 1.0
    config_map_seconds: float = CONFIG_MAP_SECONDS
    _workloads: dict[str, Informer[Workload]] = field(init=False)
    _autoscalers: dict[str, Informer[Autoscaler]] = field(init=False)
    _nodes: Informer[Node] = field(init=False)
    _unscheduled: Informer[Pod] = field(init=False)
    _kills: Informer[ProbeKill] = field(init=False)
    _config_maps: ConfigMaps = field(init=False)
    _changes: deque[Change] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._workloads = {
            kind: self._informer(
                resource,
                partial(workload_of, kind=kind, labels=self.pod_labels),
                lambda before, after: workload_changes.changes_between(before, after, self.now()),
                self._known(kind, Workload),
            )
            for kind, resource in WORKLOADS.items()
        }
        self._autoscalers = {
            kind: self._informer(resource, read, self._autoscaled, self._known(kind, Autoscaler))
            for kind, resource, read in (
                ("HPA", HPAS, autoscalers.hpa_of),
                ("ScaledObject", SCALED_OBJECTS, autoscalers.scaled_object_of),
            )
        }
        self._nodes = self._informer(
            NODES,
            nodes.node_of,
            lambda before, after: nodes.changes_between(before, after, self.now()),
            self._known("Node", Node),
        )
        # Not remembered, since the feed knows which pod it was told of: who waits is told again.
        waiting: dict[str, Pod] | None = {} if self._section("Node") is not None else None
        self._unscheduled = self._informer(UNSCHEDULED, pod_of, self._pending, waiting)
        self._kills = self._informer(
            probe_kills.RESOURCE,
            probe_kills.probe_kill_of,
            lambda old, new: probe_kills.changes_between(old, new, self.cluster, self.now()),
            self._known("ProbeKill", ProbeKill),
        )
        maps = self._section("ConfigMap") or {}
        known = {str(key): dict(one) for key, one in maps.items() if isinstance(one, dict)}
        self._config_maps = ConfigMaps(replace(self.api), known)

    def start(self) -> None:
        """Begin to follow, a thread for each kind."""
        for one in self._informers():
            one.start()
        self._thread = threading.Thread(
            target=self._follow_config_maps, name="follow config maps", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; returns at once."""
        self._stop.set()
        for one in self._informers():
            one.stop()
        self._config_maps.api.close()

    def close(self) -> None:
        """Stop, and wait a moment for the end of all; requests under way are left behind."""
        self.stop()
        for one in self._informers():
            one.close(CLOSE_SECONDS)
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def take_changes(self) -> list[Change]:
        """Changes seen since the last time."""
        taken = []
        while self._changes:
            taken.append(self._changes.popleft())
        return taken

    def memory(self) -> dict[str, Any]:
        """What must survive a restart, as plain data without any value that may be a secret. Take
        it before `take_changes`: then every change it has in it was taken.
        """  # noqa: D205 - one sentence does not hold it
        followed: dict[str, Informer[Any]] = {
            **self._workloads,
            **self._autoscalers,
            "Node": self._nodes,
            "ProbeKill": self._kills,
        }
        sections = {
            kind: {uid: asdict(one) for uid, one in informer.known.items()}
            for kind, informer in followed.items()
            if informer.listed or informer.remembers
        }
        return {"version": MEMORY_VERSION, **sections, "ConfigMap": dict(self._config_maps.known)}

    @property
    def revision(self) -> int:
        """Grows whenever `memory` may have changed."""
        return sum(one.revision for one in self._informers()) + self._config_maps.revision

    def troubles(self) -> dict[str, str]:
        """Kind → why it may be out of date, of those that are, kinds unknown here left out."""
        found = {
            one.resource.name: one.trouble
            for one in self._informers()
            if one.trouble and "has no" not in one.trouble
        }
        if self._config_maps.trouble:
            found["configmaps"] = self._config_maps.trouble
        return found

    def look_at_config_maps(self) -> None:
        """Compare the config maps that workloads name now with what they were."""
        workloads = [
            one for informer in self._workloads.values() for one in informer.known.values()
        ]
        self._changes.extend(self._config_maps.look(workloads, self.now()))

    def _informers(self) -> Iterator[Informer[Any]]:
        yield from self._workloads.values()
        yield from self._autoscalers.values()
        yield from (self._nodes, self._unscheduled, self._kills)

    def _informer(
        self,
        resource: Resource,
        read: Callable[[Mapping[str, Any]], Seen],
        told: Callable[[Seen | None, Seen | None], Iterator[Change]],
        known: Mapping[str, Seen] | None,
    ) -> Informer[Seen]:
        def changed(before: Seen | None, after: Seen | None) -> None:
            self._changes.extend(told(before, after))

        api = replace(self.api)  # a connection of its own, which it may close
        made = Informer(api, resource, read, changed, known or {}, self.pause_seconds)
        made.remembers = known is not None
        return made

    def _known(self, kind: str, shape: type[Seen]) -> dict[str, Seen] | None:
        """What an earlier life knew of *kind*, be it nothing; None where it had not listed it.

        What another version wrote otherwise is let go.
        """
        section = self._section(kind)
        found = {}
        for uid, one in (section or {}).items():
            try:
                found[str(uid)] = shape(**one)
            except TypeError:
                continue
        return None if section is None or (section and not found) else found

    def _section(self, kind: str) -> dict[str, Any] | None:
        if self.remembered.get("version") != MEMORY_VERSION:
            return None
        section = self.remembered.get(kind)
        return section if isinstance(section, dict) else None

    def _autoscaled(self, before: Autoscaler | None, after: Autoscaler | None) -> Iterator[Change]:
        """Only of those that scale a workload which serves models."""
        one = after or before
        serving = {
            workload.pool
            for informer in self._workloads.values()
            for workload in informer.known.values()
            if workload.serves
        }
        if one is not None and one.pool in serving:
            yield from autoscalers.changes_between(before, after, self.now())

    def _pending(self, before: Pod | None, after: Pod | None) -> Iterator[Change]:
        """A pod that serves models and finds no node; it leaves this list once it has one, and when
        it is deleted.
        """  # noqa: D205 - one sentence does not hold it
        if before is not None and before.unschedulable:
            over = after is None or not after.unschedulable
            if over and self._serves(before):
                what, told = f"{before.name} {statements.NODE_FOUND}", f"{before.uid}/waited"
                pool = identity.pool(before.pool)
                yield Change(self.now(), "pending", pool, what, before.pool, told)
        elif after is not None and after.unschedulable and self._serves(after):
            what = f"{after.name} {statements.NO_NODE}: {after.unschedulable}"
            told = f"{after.uid}/unschedulable"
            pool = identity.pool(after.pool)
            yield Change(self.now(), "pending", pool, what, after.pool, told)

    def _serves(self, pod: Pod) -> bool:
        return (
            pod.asks_for_gpu
            or any(map(engine_of, pod.containers))
            or any(one.partition("=")[::2] in pod.labels.items() for one in self.pod_labels)
        )

    def _follow_config_maps(self) -> None:
        """Not before the workloads that name them are known."""
        wait = self.pause_seconds
        while not self._stop.wait(wait):
            deployments = self._workloads["Deployment"]
            wait = self.config_map_seconds if deployments.listed else self.pause_seconds
            if not deployments.listed:
                continue
            try:
                self.look_at_config_maps()
            except Exception:  # the next look may well succeed
                log.exception("looking at config maps failed")


def unreadable(api: ApiServer) -> dict[str, str]:
    """Kinds that cannot be read here, and why; kinds that this cluster lacks are none of them."""
    found = {}
    for resource in READ:
        for path in resource.paths:
            try:
                api.list(resource, "0", path)
            except NotServed:
                continue
            except SourceError as error:
                found[resource.name] = str(error)
            break
    return found
