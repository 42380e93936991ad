"""Where a finding is: the places it can do harm at, and those whose harm shows in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from vocabulary.entities import Entity, EntityKind, Gpu, Replica, ReplicaState
from vocabulary.failure_modes import GPU_THROTTLING, TENANT_HOG
from vocabulary.findings import Finding
from vocabulary.scene import Scene

EVERYWHERE = "fleet/all"
"""Where every word about telemetry is: one broken collector loses sight of many pools at once."""

ONE_HALL = "hall/all"
"""Where GPUs are that run hot: air and power are shared by more nodes than anybody tells us of."""

NARROW = frozenset({EntityKind.REPLICA, EntityKind.GPU, EntityKind.NODE})


@dataclass(slots=True)
class Map:
    """The fleet of one tick, looked up by name."""

    replicas: dict[str, Replica] = field(default_factory=dict)
    gpus: dict[str, Gpu] = field(default_factory=dict)
    instances: dict[str, Gpu] = field(default_factory=dict)
    """GPUs by the uuids of their MIG instances."""
    by_node: dict[str, list[Replica]] = field(default_factory=dict)
    by_pool: dict[str, list[Replica]] = field(default_factory=dict)
    by_model: dict[str, list[Replica]] = field(default_factory=dict)
    by_gpu: dict[str, list[Replica]] = field(default_factory=dict)

    def device(self, uuid: str) -> Gpu | None:
        """The GPU with this uuid, or the one that a MIG instance of this uuid is a part of."""
        found = self.gpus.get(uuid)
        if found is None:
            return self.instances.get(uuid)
        return found

    def around(self, entity: Entity) -> list[Replica]:
        """The replicas that *entity* is, holds or carries."""
        if entity.kind is EntityKind.REPLICA:
            found = self.replicas.get(entity.id)
            return [found] if found else []
        where = {
            EntityKind.GPU: self.by_gpu,
            EntityKind.NODE: self.by_node,
            EntityKind.POOL: self.by_pool,
            EntityKind.ROUTE: self.by_model,
        }.get(entity.kind)
        return where.get(entity.id, []) if where is not None else []


_WORKS = frozenset({ReplicaState.IDLE, ReplicaState.SERVING, ReplicaState.SATURATED})


def lost_share(pool: str, drawn: Map) -> float:
    """Share of a pool's replicas that do not work; 1 where none is known."""
    there = drawn.by_pool.get(pool, ())
    return sum(one.state not in _WORKS for one in there) / len(there) if there else 1.0


def draw(scene: Scene) -> Map:
    """The map of a scene."""
    drawn = Map()
    for replica in scene.replicas:
        drawn.replicas[replica.entity.id] = replica
        drawn.by_node.setdefault(replica.node, []).append(replica)
        drawn.by_pool.setdefault(replica.pool, []).append(replica)
        drawn.by_model.setdefault(replica.model, []).append(replica)
        for uuid in replica.gpus:
            drawn.by_gpu.setdefault(uuid, []).append(replica)
    for gpu in scene.gpus:
        drawn.gpus[gpu.entity.id] = gpu
        drawn.instances.update((share.mig, gpu) for share in gpu.shares if share.mig)
        for holder in gpu.replicas:
            held = drawn.replicas.get(holder)
            if held and held not in drawn.by_gpu.setdefault(gpu.entity.id, []):
                drawn.by_gpu[gpu.entity.id].append(held)
    return drawn


def places(finding: Finding, drawn: Map) -> tuple[frozenset[str], frozenset[str]]:
    """Where *finding* acts, and what can show in it, as `kind/id`.

    A tenant's trouble reaches the models it calls, and a model's trouble is not a tenant's own.
    """
    service = _service(finding, drawn)
    if finding.entity.kind is EntityKind.TENANT:
        own = frozenset({f"tenant/{finding.entity.id}"})
        # Who takes a pool is judged by what goes on in it, and a storm there distorts that.
        return own | service, own | service if finding.failure_mode is TENANT_HOG else own
    found = set(service)
    if finding.failure_mode.family == "telemetry":
        found.add(EVERYWHERE)
    if finding.failure_mode is GPU_THROTTLING:
        found.add(ONE_HALL)
    for entity in (finding.entity, *finding.related):
        found.update(_of_entity(entity, drawn))
    if finding.tenant:
        found.add(f"tenant/{finding.tenant}")
    known = frozenset(place for place in found if not place.endswith("/"))
    return known, known


def _service(finding: Finding, drawn: Map) -> frozenset[str]:
    """Pool and model of a finding; some gateways call a model by the name of its pool."""
    named = {f"pool/{finding.pool}"} if finding.pool else set()
    if finding.model:
        named.add(f"model/{finding.model}")
        if finding.model in drawn.by_pool:
            named.add(f"pool/{finding.model}")
    return frozenset(named)


def _of_entity(entity: Entity, drawn: Map) -> Iterable[str]:
    if entity.kind is EntityKind.ROUTE:
        yield f"model/{entity.id}"
        return
    if entity.kind in (EntityKind.TARGET, EntityKind.CLUSTER, EntityKind.POOL):
        yield str(entity)
        yield from (f"model/{one.model}" for one in drawn.around(entity)[:1])
        return
    yield str(entity)
    if entity.kind is EntityKind.GPU and entity.id in drawn.gpus:
        yield f"node/{drawn.gpus[entity.id].node}"
    for replica in drawn.around(entity):
        yield str(replica.entity)
        yield f"node/{replica.node}"
        yield f"pool/{replica.pool}"
        yield f"model/{replica.model}"
        yield from (f"gpu/{gpu}" for gpu in replica.gpus)
