"""The fleet as a graph: who asks, what serves, on which hardware, and in which state."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vocabulary.entities import Entity, EntityKind, Gpu, Replica, ReplicaState
from vocabulary.incidents import Incident, entity_json, rfc3339

WORST_FIRST = (
    ReplicaState.STALLED,
    ReplicaState.BLIND,
    ReplicaState.SATURATED,
    ReplicaState.LOADING,
    ReplicaState.SERVING,
    ReplicaState.IDLE,
)
"""In which order the states of replicas speak for their pool."""


@dataclass(slots=True)
class _Graph:
    nodes: dict[Entity, dict[str, Any]] = field(default_factory=dict)
    edges: dict[tuple[Entity, Entity], None] = field(default_factory=dict)

    def node(self, entity: Entity, **more: Any) -> None:
        self.nodes.setdefault(entity, entity_json(entity)).update(more)

    def edge(self, upper: Entity, lower: Entity) -> None:
        self.edges[(upper, lower)] = None


def graph(
    replicas: Sequence[Replica],
    gpus: Sequence[Gpu],
    callers: Iterable[tuple[str, str, float]],
    incidents: Iterable[Incident],
) -> dict[str, Any]:
    """Nodes with state and counts, and edges from who asks down to what runs.

    *callers* are (tenant, model, operations per second). A pool counts its replicas by state; every
    node counts the incidents that are not over.
    """
    drawn = _Graph()
    pools: dict[str, Entity] = {}
    for replica in replicas:
        _add_replica(drawn, replica, pools)
    known = {one.entity.id: one.entity for one in replicas}
    for gpu in gpus:
        _add_gpu(drawn, gpu, known)
    for tenant, model, rate in callers:
        entity = Entity(EntityKind.TENANT, tenant)
        drawn.node(entity, operations_per_second=rate)
        for pool in {one.pool for one in replicas if one.model == model}:
            drawn.edge(entity, pools[pool])
    for name, pool_entity in pools.items():
        states = Counter(one.state for one in replicas if one.pool == name)
        worst = next(state for state in WORST_FIRST if states[state])
        drawn.node(pool_entity, state=worst.value, replicas={s.value: states[s] for s in states})
    troubled = Counter(
        one for incident in incidents for one in {incident.entity, *incident.entities}
    )
    for entity, node in drawn.nodes.items():
        node["incidents"] = troubled[entity]
    edges = [{"from": str(upper), "to": str(lower)} for upper, lower in drawn.edges]
    return {"nodes": list(drawn.nodes.values()), "edges": edges}


def _add_replica(drawn: _Graph, replica: Replica, pools: dict[str, Entity]) -> None:
    pool = pools.setdefault(replica.pool, Entity(EntityKind.POOL, replica.pool))
    drawn.node(pool, model=replica.model)
    drawn.node(replica.entity, state=replica.state.value, reason=replica.reason)
    drawn.edge(pool, replica.entity)
    if replica.node and not replica.gpus:
        node = Entity(EntityKind.NODE, replica.node)
        drawn.node(node)
        drawn.edge(replica.entity, node)


def _add_gpu(drawn: _Graph, gpu: Gpu, known: dict[str, Entity]) -> None:
    drawn.node(gpu.entity, model=gpu.model)
    for replica_id in gpu.replicas:
        if replica_id in known:
            drawn.edge(known[replica_id], gpu.entity)
    if gpu.node:
        node = Entity(EntityKind.NODE, gpu.node)
        drawn.node(node)
        drawn.edge(gpu.entity, node)


def replica_json(replica: Replica) -> dict[str, Any]:
    """A replica as it leaves the process."""
    return {
        "entity": entity_json(replica.entity),
        "pool": replica.pool,
        "model": replica.model,
        "engine": replica.engine,
        "version": replica.version,
        "state": replica.state.value,
        "since": rfc3339(replica.since),
        "reason": replica.reason,
        "node": replica.node,
        "gpus": list(replica.gpus),
        "first_seen": rfc3339(replica.first_seen) if replica.first_seen else None,
        "target": replica.target,
    }


def gpu_json(gpu: Gpu) -> dict[str, Any]:
    """A GPU as it leaves the process."""
    return {
        "entity": entity_json(gpu.entity),
        "node": gpu.node,
        "index": gpu.index,
        "model": gpu.model,
        "replicas": list(gpu.replicas),
        "last_seen": rfc3339(gpu.last_seen) if gpu.last_seen else None,
        "shares": [asdict(one) for one in gpu.shares],
    }
