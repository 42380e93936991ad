"""Who a statement is about: tenants, pools, replicas, GPUs, nodes, and what changed on them."""

from dataclasses import dataclass, field
from enum import StrEnum


class EntityKind(StrEnum):
    """The levels of the topology, from who asks to what runs."""

    TENANT = "tenant"
    ROUTE = "route"
    POOL = "pool"
    REPLICA = "replica"
    GPU = "gpu"
    NODE = "node"
    TARGET = "target"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """One thing of one kind, by an id that never means another thing.

    Ids: replica `cluster/namespace/pod-uid/container` or `static/host:port`, GPU its uuid, pool
    `namespace/name`, tenant as resolved (pseudonym where configured), node and target their name.
    """

    kind: EntityKind
    id: str
    name: str = field(default="", compare=False)
    """What a person calls it; the id when empty."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    @property
    def label(self) -> str:
        """What to show a person."""
        return self.name or self.id


class ReplicaState(StrEnum):
    """What a replica is doing, from counters that must move while work is queued."""

    LOADING = "loading"
    IDLE = "idle"
    SERVING = "serving"
    SATURATED = "saturated"
    STALLED = "stalled"
    BLIND = "blind"
    """We do not know; never shown as zero or as green."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One engine process as the fleet knows it now."""

    entity: Entity
    pool: str
    model: str
    engine: str
    state: ReplicaState
    since: float
    """When this state began, Unix seconds."""
    reason: str
    """Why this state, in words; for `blind`, the verdict (`page hung`, `unauthorised`, …)."""
    version: str = ""
    node: str = ""
    gpus: tuple[str, ...] = ()
    first_seen: float = 0.0
    target: str = ""
    """URL its page is read from."""
    pod: str = ""
    """Name of its pod; empty outside Kubernetes."""


@dataclass(frozen=True, slots=True)
class GpuShare:
    """One owner's part of a GPU now; what is not known of it is None."""

    owner: str
    """`pod`, `unallocated`, `unattributed` or `idle`: see SHARE_LABELS in vocabulary/metrics.py."""
    namespace: str = ""
    pod: str = ""
    replica: str = ""
    mig: str = ""
    """UUID of the MIG instance it is a part of."""
    utilization: float | None = None
    memory: float | None = None
    """Bytes."""
    power: float | None = None
    """Watts."""
    time: float | None = None
    """Part of the GPU's time that is its own to pay for."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU or MIG device as the fleet knows it now."""

    entity: Entity
    node: str
    index: int
    model: str
    replicas: tuple[str, ...] = ()
    last_seen: float = 0.0
    shares: tuple[GpuShare, ...] = ()
    """By owner; empty where nobody says whose it is."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done: a rollout, a scaling act, a cordon, a price list."""

    at: float
    kind: str
    """Acts: `rollout`, `scale`, `config`, `node`, `driver`, `price`, `restart`, `model`. What was
    only seen to happen: `probe`, `pending`, `autoscaler`, `health`, `xid`."""
    entity: Entity
    what: str
    """One line a person understands: `image vllm 0.32.0 → 0.33.0`."""
    pool: str = ""
    id: str = field(default="", compare=False)
    """Names this one happening wherever and however often it is told; empty where nobody could."""
