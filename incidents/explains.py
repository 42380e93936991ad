"""Which failure mode explains which: the table behind correlation and cause ranking.

Our judgement, after public bug reports of vLLM, SGLang, LiteLLM and NVIDIA's Xid guide. Some go
both ways: a shortage makes callers retry, and a retry storm makes a pool short. Between two such
findings the older one is the cause, by one order of all findings (`EARLIER`), so that no two of
them ever explain each other. But for those pairs the table has no circle.
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
_SQUEEZED = (*_OUTAGE, f.KV_EXHAUSTION)
"""What a pool shows that must do more than it can, or can do less than it must."""
_STOPPED = (f.ENGINE_DEAD, f.ENGINE_STALLED, f.COLLECTIVE_HANG)
_REPORTED = (f.GPU_XID, f.GPU_RECOVERY_NEEDED)
_SLOWER = (f.THROUGHPUT_REGRESSION, f.KV_EXHAUSTION)

TABLE: dict[FailureMode, dict[Reach, tuple[FailureMode, ...]]] = {
    # -- hardware
    f.GPU_MEMORY_FAULT: {
        Reach.REPLICA: (f.GPU_LOST, *_STOPPED, *_REPORTED),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_LOST: {
        Reach.REPLICA: (
            *_STOPPED,
            *_REPORTED,
            f.TARGET_HUNG,
            f.STRAGGLER_GPU,
            f.THROUGHPUT_REGRESSION,
            f.GPU_DRIVER_HANG,
            f.GPU_LINK_FAULT,
        ),
        Reach.NODE: (f.TARGETS_GONE,),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_LINK_FAULT: {
        Reach.REPLICA: (*_STOPPED, *_REPORTED, f.THROUGHPUT_REGRESSION),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_DRIVER_HANG: {
        Reach.REPLICA: (*_STOPPED, *_REPORTED, f.TARGET_HUNG),
        Reach.NODE: (f.TARGETS_GONE,),
        Reach.SERVICE: _OUTAGE,
    },
    f.GPU_XID: {Reach.REPLICA: (*_STOPPED, f.GPU_RECOVERY_NEEDED), Reach.SERVICE: _OUTAGE},
    f.GPU_RECOVERY_NEEDED: {Reach.REPLICA: _STOPPED, Reach.SERVICE: _OUTAGE},
    f.GPU_THROTTLING: {
        Reach.REPLICA: _SLOWER,
        Reach.NODE: (f.STRAGGLER_GPU,),
        Reach.SERVICE: (f.LATENCY_BURN, f.CAPACITY_SHORTAGE, f.RETRY_STORM),
    },
    f.UNALLOCATED_GPU_PROCESS: {
        Reach.REPLICA: (
            *_SLOWER,
            f.NOISY_NEIGHBOUR,
            f.STRAGGLER_GPU,
            f.SHRUNK_KV_CACHE,
            f.CUDA_OOM,
        ),
        Reach.SERVICE: (f.LATENCY_BURN,),
    },
    f.ORPHANED_GPU_MEMORY: {
        Reach.REPLICA: (f.SHRUNK_KV_CACHE, f.KV_EXHAUSTION, f.CUDA_OOM, f.ENGINE_DEAD),
    },
    f.STRAGGLER_GPU: {
        Reach.REPLICA: (*_SLOWER, f.LOAD_SKEW),
        Reach.SERVICE: (f.LATENCY_BURN,),
    },
    f.NOISY_NEIGHBOUR: {
        Reach.REPLICA: (*_SLOWER, f.PREFILL_INTERFERENCE),  # prompts, too, take twice as long
        Reach.SERVICE: (f.LATENCY_BURN,),
    },
    f.SLOW_INTERCONNECT: {
        Reach.REPLICA: (*_SLOWER, f.STRAGGLER_GPU),
        Reach.SERVICE: (f.LATENCY_BURN, f.CAPACITY_SHORTAGE),
    },
    # -- Kubernetes
    f.MASS_NODE_LOSS: {
        Reach.NODE: (
            *_STOPPED,
            f.GPU_LOST,
            f.TARGETS_GONE,
            f.TARGET_HUNG,
            f.POD_PENDING,
        ),
        Reach.SERVICE: (*_OUTAGE, f.POD_PENDING),
    },
    f.DEVICE_PLUGIN_BROKEN: {
        Reach.NODE: (f.POD_PENDING, f.CONTAINER_LOST_GPU, f.ENGINE_DEAD),
        Reach.SERVICE: (f.CAPACITY_SHORTAGE,),
    },
    f.CONTAINER_LOST_GPU: {
        Reach.REPLICA: (*_STOPPED, f.TARGET_HUNG, f.TARGETS_GONE),
        Reach.SERVICE: (*_OUTAGE, f.ROUTER_DOWN),
    },
    f.DISK_FULL: {Reach.NODE: (f.PULL_FAILURE, f.ENGINE_DEAD), Reach.SERVICE: _OUTAGE},
    f.PULL_FAILURE: {
        Reach.REPLICA: (f.ENGINE_DEAD,),
        Reach.SERVICE: (*_OUTAGE, f.SLOW_COLD_START, f.POD_PENDING),
    },
    f.POD_PENDING: {Reach.SERVICE: (*_OUTAGE, f.SLOW_COLD_START)},
    f.AUTOSCALER_STUCK: {Reach.SERVICE: _SQUEEZED},
    f.SLOW_COLD_START: {Reach.SERVICE: _OUTAGE},
    f.PROBE_KILL: {
        Reach.REPLICA: (f.ENGINE_DEAD, f.TARGETS_GONE),
        Reach.SERVICE: (*_OUTAGE, f.ROUTER_DOWN),  # a route without one ready pod
    },
    # -- engines
    f.COLLECTIVE_HANG: {
        Reach.REPLICA: (
            f.ENGINE_STALLED,
            f.ENGINE_DEAD,
            f.TARGET_HUNG,
            f.TARGETS_GONE,
            *_SLOWER,
        ),
        Reach.SERVICE: (*_OUTAGE, f.COST_SPIKE),
    },
    f.CUDA_OOM: {Reach.REPLICA: (f.ENGINE_DEAD,), Reach.SERVICE: _OUTAGE},
    f.HOST_MEMORY_LEAK: {Reach.REPLICA: (f.ENGINE_DEAD,), Reach.SERVICE: _OUTAGE},
    f.ENGINE_DEAD: {
        Reach.REPLICA: (f.TARGETS_GONE, f.TARGET_HUNG),
        Reach.SERVICE: (*_OUTAGE, f.LOAD_SKEW),
    },
    f.ENGINE_STALLED: {
        Reach.REPLICA: (f.TARGET_HUNG, f.TARGETS_GONE, *_SLOWER),
        Reach.SERVICE: (*_OUTAGE, f.COST_SPIKE, f.LOAD_SKEW),
    },
    f.GARBAGE_OUTPUT: {
        Reach.REPLICA: (f.ENGINE_DEAD, *_SLOWER),
        Reach.SERVICE: (*_SQUEEZED, f.RUNAWAY_OUTPUT, f.COST_SPIKE),
    },
    f.ZOMBIE_REQUESTS: {
        Reach.REPLICA: (*_SLOWER, f.PREFILL_INTERFERENCE),
        Reach.SERVICE: _SQUEEZED,
    },
    f.STREAMS_CUT: {Reach.SERVICE: (f.ERROR_BURST, f.RETRY_STORM)},
    f.KV_TRANSFER_BROKEN: {
        Reach.REPLICA: (*_SLOWER, f.PREFILL_INTERFERENCE),  # prompts computed where they decode
        Reach.SERVICE: _SQUEEZED,
    },
    f.FRONT_END_BOUND: {Reach.REPLICA: _SLOWER, Reach.SERVICE: (*_OUTAGE, f.ROUTER_DOWN)},
    f.PREFILL_INTERFERENCE: {  # few steps pass beside long prompts, which nobody sent before
        Reach.REPLICA: _SLOWER,
        Reach.SERVICE: (f.LATENCY_BURN, f.GRAMMAR_STALL, f.PREFIX_CACHE_COLLAPSE),
    },
    f.GRAMMAR_STALL: {Reach.REPLICA: _SLOWER, Reach.SERVICE: _OUTAGE},
    f.LORA_THRASH: {Reach.REPLICA: _SLOWER, Reach.SERVICE: (f.LATENCY_BURN, f.CAPACITY_SHORTAGE)},
    f.SPECULATION_DECAY: {Reach.REPLICA: _SLOWER, Reach.SERVICE: (*_SLOWER, *_OUTAGE)},
    f.SHRUNK_KV_CACHE: {Reach.REPLICA: (f.KV_EXHAUSTION,), Reach.SERVICE: (f.LATENCY_BURN,)},
    # -- callers and routes
    f.ROUTER_DOWN: {Reach.SERVICE: (f.ERROR_BURST, f.LATENCY_BURN, f.RETRY_STORM)},
    f.PROVIDER_ERRORS: {
        Reach.SERVICE: (f.ERROR_BURST, f.LATENCY_BURN, f.RETRY_STORM, f.DEAR_MODEL_MIX),
    },
    f.LEAKED_KEY: {
        Reach.TENANT: (f.COST_SPIKE, f.TENANT_HOG, f.DEAR_MODEL_MIX),
        Reach.SERVICE: (*_SQUEEZED, f.PREFIX_CACHE_COLLAPSE),
    },
    f.RUNAWAY_AGENT: {
        Reach.TENANT: (f.COST_SPIKE, f.TENANT_HOG, f.CONTEXT_BLOAT, f.DEAR_MODEL_MIX),
        Reach.SERVICE: (*_SQUEEZED, f.PREFIX_CACHE_COLLAPSE, f.PREFILL_INTERFERENCE),
    },
    f.RUNAWAY_OUTPUT: {
        Reach.TENANT: (f.COST_SPIKE, f.TENANT_HOG),
        Reach.SERVICE: (*_SQUEEZED, f.COST_SPIKE),
    },
    f.CONTEXT_BLOAT: {
        Reach.TENANT: (f.COST_SPIKE, f.TENANT_HOG),
        Reach.SERVICE: _SQUEEZED,
    },
    f.DEAR_MODEL_MIX: {Reach.TENANT: (f.COST_SPIKE,), Reach.SERVICE: _SQUEEZED},
    f.PROMPT_CACHE_MISS: {Reach.TENANT: (f.COST_SPIKE,), Reach.SERVICE: (f.COST_SPIKE,)},
    f.OVER_REPLICATION: {Reach.SERVICE: (f.COST_SPIKE,)},
    f.TENANT_HOG: {
        Reach.TENANT: (f.COST_SPIKE,),
        Reach.SERVICE: (*_SQUEEZED, f.PREFIX_CACHE_COLLAPSE, f.COST_SPIKE, f.LOAD_SKEW),
    },
    f.PREFIX_CACHE_COLLAPSE: {Reach.SERVICE: (*_SLOWER, *_OUTAGE)},
    f.LOAD_SKEW: {Reach.REPLICA: (f.KV_EXHAUSTION,), Reach.SERVICE: _OUTAGE},
    f.RETRY_STORM: {
        Reach.SERVICE: (
            f.ERROR_BURST,
            f.LATENCY_BURN,
            f.CAPACITY_SHORTAGE,
            f.KV_EXHAUSTION,
            f.COST_SPIKE,
            f.TENANT_HOG,
        ),
        Reach.TENANT: (f.COST_SPIKE,),
    },
    # -- what many of them lead to
    f.THROUGHPUT_REGRESSION: {
        Reach.REPLICA: (f.KV_EXHAUSTION,),
        Reach.SERVICE: (*_OUTAGE, f.PREFILL_INTERFERENCE),
    },
    f.CAPACITY_SHORTAGE: {
        Reach.SERVICE: (  # callers give up on a route that takes too long, as on one that is down
            f.KV_EXHAUSTION,
            f.LATENCY_BURN,
            f.ERROR_BURST,
            f.RETRY_STORM,
            f.ROUTER_DOWN,
        ),
    },
    f.KV_EXHAUSTION: {Reach.SERVICE: (f.LATENCY_BURN, f.ERROR_BURST, f.RETRY_STORM)},
    f.LATENCY_BURN: {Reach.SERVICE: (f.RETRY_STORM, f.ERROR_BURST)},
    f.ERROR_BURST: {Reach.SERVICE: (f.LATENCY_BURN, f.RETRY_STORM)},
    f.TARGET_HUNG: {Reach.REPLICA: (f.TARGETS_GONE,)},
    f.METRIC_RENAMED: {Reach.SERVICE: (f.TARGETS_GONE,)},
    f.PIPELINE_DROPS: {Reach.SERVICE: (f.METRIC_RENAMED, f.TARGETS_GONE, f.TARGET_HUNG)},
}

_REACH: dict[tuple[str, str], tuple[Reach, ...]] = {}
for _cause, _reaches in TABLE.items():
    for _reach, _symptoms in _reaches.items():
        for _symptom in _symptoms:
            _pair = (_cause.word, _symptom.word)
            _REACH[_pair] = (*_REACH.get(_pair, ()), _reach)

CAUSES_OF = {
    symptom: tuple(cause for cause, named in _REACH if named == symptom)
    for symptom in {named for _, named in _REACH}
}
"""By a symptom's word: the words of what explains it."""

BOTH_WAYS = frozenset(pair for pair in _REACH if pair[::-1] in _REACH)
"""Pairs of words of which either may be the cause."""

SYMPTOMS = frozenset({f.COST_SPIKE, f.ERROR_BURST, f.TARGET_HUNG, f.LATENCY_BURN, f.UNCLASSIFIED})
"""Modes that say what hurts, and nothing of why."""

EARLIER = {
    f.RETRY_STORM.word: 120.0,
    f.PREFILL_INTERFERENCE.word: 300.0,
    **{one.word: -300.0 for one in SYMPTOMS},
}
"""Seconds by which a mode is taken to be older than its findings say, where either could be the
cause: a storm is dated when its ratio has doubled, a queue at its first request; what only says
that it hurts is a consequence unless it came well before; long prompts slow an engine down, and
only one that was slow well before lets them hold up the others. Our judgement, after drills."""

DATING = {
    f.TENANT_HOG.word: 900.0,
    f.PREFIX_CACHE_COLLAPSE.word: 900.0,
    f.RUNAWAY_OUTPUT.word: 600.0,
    f.DEAR_MODEL_MIX.word: 1200.0,
    f.COST_SPIKE.word: 900.0,
}
"""Seconds by which a symptom may be dated too early, above what every detector may be: these
compare long stretches of a ratio or of spend, whose rates look back a quarter of an hour."""

ECHOES = {f.LATENCY_BURN.word: 420.0}
"""Seconds for which a symptom goes on being found when its cause is over: late shares look back
five minutes, and who queued meanwhile is served late too. Our judgement."""

ALONE = frozenset(
    one.word
    for one in (
        *_STOPPED, f.GPU_MEMORY_FAULT, f.GPU_LOST, f.GPU_LINK_FAULT, f.GPU_DRIVER_HANG,
        f.CUDA_OOM, f.HOST_MEMORY_LEAK,
    )
)  # fmt: skip
"""What takes one replica away and leaves the others as they are."""

NEEDS_LOST = {f.RETRY_STORM.word: 0.5}
"""Share of a pool that must be gone before its loss alone brings such a symptom about: calls are
tried twice on average only where every other try fails, and a route deals tries out to all. What
the loss does to the others, a shortage, explains it still."""

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
    reaches = _REACH.get((cause, symptom))
    if reaches is None:
        return 0.0
    shared = {place.partition("/")[0] for place in acts_on & seen_at}
    best = 0.0
    for reach in reaches:
        kinds = _NEAR if both_narrow and reach is Reach.SERVICE else _KINDS[reach]
        for kind in shared & kinds:
            best = max(best, NEARNESS[kind])
    return best
