"""What a plan must know of the fleet: whom an incident hits, and what is left without them."""

from collections.abc import Iterable
from dataclasses import dataclass

from remediations._shell import clean
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import EntityKind, Gpu, Replica, ReplicaState
from vocabulary.incidents import Incident, NearbyChange
from vocabulary.scene import Scene

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


def hit(incident: Incident, scene: Scene) -> Replica | None:
    """The replica to act on: the cause's own, else the first that the incident names."""
    causes = (cause.entity for cause in incident.causes[:1])
    for entity in (*causes, incident.entity, *incident.entities):
        for name in _replicas_of(entity.kind, entity.id, scene):
            found = scene.replica(name)
            if found is not None:
                return found
    return None


def _replicas_of(kind: EntityKind, name: str, scene: Scene) -> Iterable[str]:
    if kind is EntityKind.REPLICA:
        return (name,)
    if kind is EntityKind.GPU:
        held = next((gpu.replicas for gpu in scene.gpus if gpu.entity.id == name), ())
        return held or [one.entity.id for one in scene.replicas if name in one.gpus]
    return ()


def pool_of(incident: Incident, scene: Scene) -> list[Replica]:
    """Every replica of the incident's pool, or of its model where the pool is not known."""
    return [
        one
        for one in scene.replicas
        if (one.pool == incident.pool if incident.pool else one.model == incident.model != "")
    ]


def left_without(replica: Replica, incident: Incident, scene: Scene) -> Left:
    """The pool of *replica* without it and without the others that are in this incident."""
    troubled = {entity.id for entity in incident.entities}
    pool = [one for one in scene.replicas if one.pool == replica.pool]
    others = [one for one in pool if one.entity != replica.entity and one.entity.id not in troubled]
    return Left(
        sum(one.state in _WORKS for one in others),
        sum(one.state is ReplicaState.BLIND for one in others),
        len(pool),
    )


def node_of(incident: Incident, scene: Scene) -> str:
    """The node in trouble, or an empty string."""
    for entity in (incident.entity, *incident.entities):
        if entity.kind is EntityKind.NODE:
            return entity.id
        if entity.kind is EntityKind.GPU:
            found = next((gpu.node for gpu in scene.gpus if gpu.entity.id == entity.id), "")
            if found:
                return found
    replica = hit(incident, scene)
    return replica.node if replica is not None else ""


def free_gpus(scene: Scene, without_node: str = "") -> list[Gpu]:
    """GPUs that are seen and that nothing holds."""
    held = {uuid for one in scene.replicas for uuid in one.gpus}
    return [
        gpu
        for gpu in scene.gpus
        if not gpu.replicas and gpu.entity.id not in held and gpu.node != without_node
    ]


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
    )
