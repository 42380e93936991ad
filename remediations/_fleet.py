"""What a plan must know of the fleet: whom an incident hits, and what is left without them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from remediations._shell import clean
from vocabulary.actions import Action, Autonomy, Call, Check
from vocabulary.entities import EntityKind, Replica, ReplicaState
from vocabulary.incidents import Incident, NearbyChange
from vocabulary.scene import Scene, Watch

MAX_TEXT = 20_000
"""Far above what bounded names can make of a command: one that is cut off would be another."""

_WORKS = frozenset({ReplicaState.IDLE, ReplicaState.SERVING, ReplicaState.SATURATED})


@dataclass(frozen=True, slots=True)
class Left:
    """What of a pool goes on without one replica."""

    working: int
    unknown: int
    total: int

    @property
    def text(self) -> str:
        """What was seen, for a precondition."""
        blind = f", {self.unknown} unseen" if self.unknown else ""
        return f"leaves {self.working} of {self.total} replicas{blind}"

    @property
    def met(self) -> bool | None:
        """Whether something is left to serve; None when only unseen ones are."""
        if self.working:
            return True
        return None if self.unknown else False


class _Same:
    """A scene as a key: two are one when they are the same object."""

    __slots__ = ("scene",)

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __hash__(self) -> int:
        return id(self.scene)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.scene is self.scene


class _Register:
    """The fleet of one scene by name, drawn up once for the cards of all incidents."""

    def __init__(self, scene: Scene) -> None:
        self.replicas = {one.entity.id: one for one in scene.replicas}
        self.gpus = {one.entity.id: one for one in scene.gpus}
        self.by_pool: dict[str, list[Replica]] = {}
        self.by_model: dict[str, list[Replica]] = {}
        self.by_node: dict[str, list[Replica]] = {}
        self.by_gpu: dict[str, list[str]] = {}
        for one in scene.replicas:
            self.by_pool.setdefault(one.pool, []).append(one)
            self.by_model.setdefault(one.model, []).append(one)
            self.by_node.setdefault(one.node, []).append(one)
            for uuid in one.gpus:
                self.by_gpu.setdefault(uuid, []).append(one.entity.id)
        self.nodes = frozenset({*self.by_node, *(gpu.node for gpu in scene.gpus)} - {""})
        self.free = [
            gpu for uuid, gpu in self.gpus.items() if not gpu.replicas and uuid not in self.by_gpu
        ]


@lru_cache(maxsize=2)
def _register(same: _Same) -> _Register:
    return _Register(same.scene)


def register(scene: Scene) -> _Register:
    """The fleet of *scene* by name."""
    return _register(_Same(scene))


def hit(incident: Incident, scene: Scene) -> Replica | None:
    """The replica to act on: the cause's own, else the first that the incident names."""
    known = register(scene)
    causes = (cause.entity for cause in incident.causes[:1])
    for entity in (*causes, incident.entity, *incident.entities):
        for name in _replicas_of(entity.kind, entity.id, known):
            if name in known.replicas:
                return known.replicas[name]
    return None


def _replicas_of(kind: EntityKind, name: str, known: _Register) -> Iterable[str]:
    if kind is EntityKind.REPLICA:
        return (name,)
    if kind is EntityKind.GPU:
        held = known.gpus[name].replicas if name in known.gpus else ()
        return held or known.by_gpu.get(name, ())
    return ()


def pool_of(incident: Incident, scene: Scene) -> list[Replica]:
    """Every replica of the incident's pool, or of its model where the pool is not known."""
    known = register(scene)
    if incident.pool:
        return known.by_pool.get(incident.pool, [])
    return known.by_model.get(incident.model, []) if incident.model else []


def left_without(replica: Replica, incident: Incident, scene: Scene) -> Left:
    """The pool of *replica* without it and without the others that are in this incident."""
    troubled = {entity.id for entity in incident.entities}
    pool = register(scene).by_pool.get(replica.pool, [])
    others = [one for one in pool if one.entity != replica.entity and one.entity.id not in troubled]
    return Left(
        sum(one.state in _WORKS for one in others),
        sum(one.state is ReplicaState.BLIND for one in others),
        len(pool),
    )


def node_of(incident: Incident, scene: Scene) -> str:
    """The node in trouble, or an empty string."""
    known = register(scene)
    for entity in (incident.entity, *incident.entities):
        if entity.kind is EntityKind.NODE:
            return entity.id
        if entity.kind is EntityKind.GPU and entity.id in known.gpus:
            return known.gpus[entity.id].node
    replica = hit(incident, scene)
    return replica.node if replica is not None else ""


def free_gpus(scene: Scene, without_node: str = "") -> int:
    """How many GPUs are seen that nothing holds, those of one node left out."""
    return sum(not without_node or gpu.node != without_node for gpu in register(scene).free)


def works(replica: Replica) -> bool:
    """Whether it could take a request now."""
    return replica.state in _WORKS


def working(replicas: Iterable[Replica]) -> list[Replica]:
    """Those of *replicas* that could take a request now."""
    return [one for one in replicas if works(one)]


def newest(scene: Scene, watch: Watch, label: str) -> dict[str, float]:
    """The newest known value of *watch* by *label*, added up where several rows share one."""
    found: dict[str, float] = {}
    for labels, row in scene.frame(watch).rows():
        known = row[~np.isnan(row)]
        if labels.get(label) and known.size:
            found[labels[label]] = found.get(labels[label], 0.0) + float(known[-1])
    return found


def blamed_change(incident: Incident, kinds: frozenset[str]) -> NearbyChange | None:
    """The nearest change of these kinds that was not clearly after the onset."""
    return next(
        (one for one in incident.changes if one.kind in kinds and one.offset_seconds <= 300.0), None
    )


def action(
    incident: Incident,
    card: str,
    title: str,
    autonomy: Autonomy,
    *,
    precondition: str,
    met: bool | None,
    command: str,
    dry_run: str,
    verify: str,
    undo: str,
    risk: str,
    call: Call | None = None,
    check: Check | None = None,
) -> Action:
    """A plan for *incident* under an id that is the same at every tick.

    Names in it come from telemetry: no text carries a character that a terminal would act on.
    """
    return Action(
        id=f"{incident.id}-{card}",
        card=card,
        title=clean(title, MAX_TEXT),
        autonomy=autonomy,
        precondition=clean(precondition, MAX_TEXT),
        command=clean(command, MAX_TEXT),
        dry_run=clean(dry_run, MAX_TEXT),
        verify=clean(verify, MAX_TEXT),
        undo=clean(undo, MAX_TEXT),
        risk=risk,
        met=met,
        call=call,
        check=check,
    )
