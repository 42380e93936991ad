"""Which failure mode explains which: the table behind correlation and cause ranking.

Our judgement, after public bug reports of vLLM, SGLang, LiteLLM and NVIDIA's Xid guide. The table
has no circle: a cause of a cause is a cause, and nothing explains itself.
"""

from enum import StrEnum

from vocabulary import failure_modes as f
from vocabulary.failure_modes import FailureMode


class Reach(StrEnum):
    """How far from the cause its symptom may show."""

    REPLICA = "replica"
    """On the same replica or GPU."""
    NODE = "node"
    """On the same node too."""
    SERVICE = "service"
    """Anywhere behind the same model or pool, when cause or symptom is about the whole of it."""
    TENANT = "tenant"
    """On the same tenant."""


_OUTAGE = (f.ERROR_BURST, f.LATENCY_BURN, f.RETRY_STORM, f.CAPACITY_SHORTAGE)

TABLE: dict[FailureMode, dict[Reach, tuple[FailureMode, ...]]] = {
    f.GPU_MEMORY_FAULT: {
        Reach.REPLICA: (
            f.GPU_LOST,
            f.ENGINE_DEAD,
            f.ENGINE_STALLED,
            f.COLLECTIVE_HANG,
            f.GPU_XID,
            f.GPU_RECOVERY_NEEDED,
        ),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_LOST: {
        Reach.REPLICA: (
            f.ENGINE_DEAD,
            f.ENGINE_STALLED,
            f.TARGET_HUNG,
            f.STRAGGLER_GPU,
            f.THROUGHPUT_REGRESSION,
            f.COLLECTIVE_HANG,
            f.GPU_DRIVER_HANG,
            f.GPU_LINK_FAULT,
            f.GPU_XID,
            f.GPU_RECOVERY_NEEDED,
        ),
        Reach.NODE: (f.TARGETS_GONE,),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_LINK_FAULT: {
        Reach.REPLICA: (
            f.ENGINE_DEAD,
            f.ENGINE_STALLED,
            f.COLLECTIVE_HANG,
            f.THROUGHPUT_REGRESSION,
            f.GPU_XID,
            f.GPU_RECOVERY_NEEDED,
        ),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_DRIVER_HANG: {
        Reach.REPLICA: (
            f.ENGINE_DEAD,
            f.ENGINE_STALLED,
            f.COLLECTIVE_HANG,
            f.TARGET_HUNG,
            f.GPU_XID,
            f.GPU_RECOVERY_NEEDED,
        ),
        Reach.NODE: (f.TARGETS_GONE,),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_XID: {
        Reach.REPLICA: (
            f.ENGINE_DEAD,
            f.ENGINE_STALLED,
            f.COLLECTIVE_HANG,
            f.GPU_RECOVERY_NEEDED,
        ),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_RECOVERY_NEEDED: {
        Reach.REPLICA: (f.ENGINE_DEAD, f.ENGINE_STALLED, f.COLLECTIVE_HANG),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_THROTTLING: {
        Reach.REPLICA: (f.THROUGHPUT_REGRESSION, f.KV_EXHAUSTION),
        Reach.NODE: (f.STRAGGLER_GPU,),
        Reach.SERVICE: (f.LATENCY_BURN, f.CAPACITY_SHORTAGE),
    },
    f.COLLECTIVE_HANG: {
        Reach.REPLICA: (
            f.ENGINE_STALLED,
            f.ENGINE_DEAD,
            f.TARGET_HUNG,
            f.TARGETS_GONE,
            f.THROUGHPUT_REGRESSION,
            f.KV_EXHAUSTION,
        ),
        Reach.SERVICE: (*_OUTAGE, f.COST_SPIKE),
    },
    f.ENGINE_DEAD: {
        Reach.REPLICA: (f.TARGETS_GONE, f.TARGET_HUNG),
        Reach.SERVICE: _OUTAGE,
    },
    f.ENGINE_STALLED: {
        Reach.REPLICA: (
            f.TARGET_HUNG,
            f.TARGETS_GONE,
            f.THROUGHPUT_REGRESSION,
            f.KV_EXHAUSTION,
        ),
        Reach.SERVICE: (*_OUTAGE, f.COST_SPIKE),
    },
    f.RETRY_STORM: {
        Reach.SERVICE: (
            f.ERROR_BURST,
            f.LATENCY_BURN,
            f.CAPACITY_SHORTAGE,
            f.KV_EXHAUSTION,
            f.COST_SPIKE,
        ),
    },
    f.LEAKED_KEY: {Reach.TENANT: (f.COST_SPIKE, f.TENANT_HOG)},
    f.RUNAWAY_AGENT: {
        Reach.TENANT: (f.COST_SPIKE, f.TENANT_HOG, f.CONTEXT_BLOAT),
        Reach.SERVICE: (f.CAPACITY_SHORTAGE, f.KV_EXHAUSTION),
    },
    f.TENANT_HOG: {
        Reach.TENANT: (f.COST_SPIKE,),
        Reach.SERVICE: (f.CAPACITY_SHORTAGE, f.KV_EXHAUSTION, f.LATENCY_BURN),
    },
    f.CONTEXT_BLOAT: {
        Reach.TENANT: (f.COST_SPIKE,),
        Reach.SERVICE: (f.KV_EXHAUSTION, f.LATENCY_BURN),
    },
    f.STRAGGLER_GPU: {
        Reach.REPLICA: (f.THROUGHPUT_REGRESSION, f.KV_EXHAUSTION),
        Reach.SERVICE: (f.LATENCY_BURN,),
    },
    f.THROUGHPUT_REGRESSION: {
        Reach.REPLICA: (f.KV_EXHAUSTION,),
        Reach.SERVICE: (f.CAPACITY_SHORTAGE, f.LATENCY_BURN),
    },
    f.CAPACITY_SHORTAGE: {Reach.SERVICE: (f.KV_EXHAUSTION, f.LATENCY_BURN, f.ERROR_BURST)},
    f.KV_EXHAUSTION: {Reach.SERVICE: (f.LATENCY_BURN, f.ERROR_BURST)},
    f.ERROR_BURST: {Reach.SERVICE: (f.LATENCY_BURN,)},
    f.TARGET_HUNG: {Reach.REPLICA: (f.TARGETS_GONE,)},
    f.METRIC_RENAMED: {Reach.SERVICE: (f.TARGETS_GONE,)},
}

_REACH = {
    (cause.word, symptom.word): reach
    for cause, reaches in TABLE.items()
    for reach, symptoms in reaches.items()
    for symptom in symptoms
}

CAUSES_OF = {
    symptom: tuple(cause for cause, named in _REACH if named == symptom)
    for symptom in {named for _, named in _REACH}
}
"""By a symptom's word: the words of what explains it."""

SYMPTOMS = frozenset({f.COST_SPIKE, f.ERROR_BURST, f.TARGET_HUNG, f.LATENCY_BURN, f.UNCLASSIFIED})
"""Modes that say what hurts, and nothing of why."""

_NEAR = frozenset({"replica", "gpu"})
_KINDS = {
    Reach.REPLICA: _NEAR,
    Reach.NODE: _NEAR | {"node"},
    Reach.SERVICE: _NEAR | {"pool", "model"},
    Reach.TENANT: frozenset({"tenant"}),
}
"""Kinds of places at which cause and symptom may meet."""

NEARNESS = {"replica": 1.0, "gpu": 1.0, "tenant": 1.0, "node": 0.9, "pool": 0.7, "model": 0.7}
"""How much meeting at a place says, by its kind; our judgement."""


def meeting(
    cause: str, symptom: str, acts_on: frozenset[str], seen_at: frozenset[str], *, both_narrow: bool
) -> float:
    """How near *cause* and *symptom* (words) meet, 0 when the one does not explain the other.

    *both_narrow*: each is about one replica, GPU or node, so that two faults of one pool which
    touch different replicas stay two.
    """
    reach = _REACH.get((cause, symptom))
    if reach is None:
        return 0.0
    kinds = _NEAR if both_narrow and reach is Reach.SERVICE else _KINDS[reach]
    best = 0.0
    for place in acts_on & seen_at:
        kind = place.partition("/")[0]
        if kind in kinds and NEARNESS[kind] > best:
            best = NEARNESS[kind]
    return best
