"""How faults choose whom they hit."""

from typing import TYPE_CHECKING

from simulator.cluster import NAMESPACE
from simulator.pods import Stage
from vocabulary.entities import Entity, EntityKind

if TYPE_CHECKING:
    from simulator.world import World


def chosen_pod(world: "World", pool: str, ordinal: int) -> str:
    """Entity id of the pool's *ordinal*-th ready replica, oldest first; empty without one."""
    ready = [pod for pod in world.pods(pool) if pod.stage is Stage.READY]
    return ready[ordinal % len(ready)].replica_id(world.spec.name) if ready else ""


def pool_of(name: str) -> Entity:
    """A pool by its short name."""
    return Entity(EntityKind.POOL, f"{NAMESPACE}/{name}", name)
