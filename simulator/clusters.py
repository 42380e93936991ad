"""Clusters that drills know by name."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from simulator.adapters import AdapterUse
from simulator.agent_plans import AgentUse
from simulator.allowances import Allowance
from simulator.cluster import DEMO, ClusterSpec, NodeSpec, PoolSpec, Scaling
from simulator.drafting import Drafting
from simulator.engine_presets import PRESETS
from simulator.gpus import A100, H100, H200, L4, L40S
from simulator.kv_link import Prefill
from simulator.outside import PROVIDER
from simulator.traffic import Stream, Tenant

HELD_OUT = ClusterSpec(
    name="held-out",
    nodes=(
        NodeSpec("gpu-h200-1", H200, 8),
        NodeSpec("gpu-h200-2", H200, 8),
        NodeSpec("gpu-a100-1", A100, 4),
        NodeSpec("gpu-l4-1", L4, 3),
    ),
    pools=(
        PoolSpec(
            "assist-123b", "vllm", "assist-123b", "0.31.1", H200, 4, 3, PRESETS["123b-fp8-4xh200"],
            Decimal("1.10"), Decimal("3.30"), Decimal("0.28"),
            scaling=Scaling(most=4, target=28.0),
        ),
        PoolSpec(
            "coder-14b", "vllm", "coder-14b", "0.31.1", A100, 1, 4, PRESETS["14b-bf16-a100"],
            Decimal("0.16"), Decimal("0.48"), Decimal("0.04"),
        ),
        PoolSpec(
            "kiosk-7b", "llamacpp", "kiosk-7b", "b6423", L4, 1, 3, PRESETS["7b-q4-l4"],
            Decimal("0.06"), Decimal("0.18"), Decimal("0.015"),
        ),
    ),
    tenants=(
        Tenant("portal", peak_hour=11.0, swing=0.4, weekend=0.9),
        Tenant("helpdesk", peak_hour=16.0, swing=0.5, weekend=0.5),
        Tenant("ide", peak_hour=15.0, swing=0.45, weekend=0.4),
        Tenant("research", peak_hour=18.0, swing=0.3, weekend=0.7),
        Tenant("evaluation", peak_hour=2.0, swing=0.25, weekend=1.0),
    ),
    streams=(
        Stream("portal", "assist-123b", "conversation", 1.1, cached=0.3),
        Stream("research", "assist-123b", "long_context", 0.2, cached=0.5),
        Stream("ide", "assist-123b", "conversation", 0.25, cached=0.25),
        Stream("ide", "coder-14b", "code", 2.2, cached=0.4, voices=5),
        Stream("helpdesk", "coder-14b", "conversation", 0.7, cached=0.2),
        Stream("evaluation", "coder-14b", "conversation", 0.3, cached=0.1),
        Stream("helpdesk", "kiosk-7b", "conversation", 0.7, cached=0.1),
        Stream("portal", "kiosk-7b", "conversation", 0.2, cached=0.15),
    ),
)  # fmt: skip
"""Other GPUs, models, sizes, prices and tenants than the demo's: 23 GPUs, 10 replicas, 5 tenants.
Nothing is ever tuned on it; the published drill runs it beside the demo's."""

HOSTED = replace(
    DEMO,
    name="hosted",
    pools=(
        *DEMO.pools,
        PoolSpec(
            "frontier", PROVIDER, "frontier", "", H200, 0, 0, PRESETS["moe-671b-fp8-8xh200"],
            Decimal("3.00"), Decimal("15.00"), Decimal("0.30"),
        ),
    ),
    streams=(
        *DEMO.streams,
        Stream("support-bot", "frontier", "conversation", 0.7, cached=0.6),
        Stream("search", "frontier", "long_context", 0.15, cached=0.7),
    ),
)  # fmt: skip
"""The demo's, and a model beside it that its gateway calls at a provider outside."""

SPARE = replace(DEMO, name="spare", nodes=(*DEMO.nodes, NodeSpec("gpu-l40s-2", L40S, 4)))
"""The demo's with room for all that runs on one of its nodes."""

DRAFTING = replace(
    DEMO,
    name="drafting",
    pools=(replace(DEMO.pools[0], drafting=Drafting()), *DEMO.pools[1:]),
)
"""The demo's, but that the engines of its chat pool speculate."""

ADAPTERS = replace(
    DEMO,
    name="adapters",
    pools=(replace(DEMO.pools[0], adapters=AdapterUse()), *DEMO.pools[1:]),
)
"""The demo's, but that callers of its chat pool name LoRA adapters, which all find a slot."""

AGENTS = replace(
    DEMO,
    name="agents",
    agents=(AgentUse("reviewer", "code-assist", "chat-70b", 0.03),),
)
"""The demo's, and an application of one tenant beside it whose calls are runs of agents."""

FALLBACKS = replace(
    HOSTED,
    name="fallbacks",
    pools=(
        HOSTED.pools[0],
        replace(HOSTED.pools[1], fallbacks=("chat-70b",)),
        HOSTED.pools[2],
        replace(HOSTED.pools[3], fallbacks=("chat-70b",)),
    ),
    budgets=(
        Allowance("code-assist", Decimal(400)),
        Allowance("batch-eval", Decimal(40), of="key"),
    ),
)
"""The hosted one's, whose gateway falls back to its chat pool, and keeps budgets of two tenants
that last with room to spare."""

APART = replace(
    DEMO,
    name="apart",
    nodes=(*DEMO.nodes, NodeSpec("gpu-h100-2", H100, 8)),
    pools=(replace(DEMO.pools[0], prefill=Prefill(replicas=2)), *DEMO.pools[1:]),
)
"""The demo's, but that the prompts of its chat pool are computed by two replicas apart, whose KV
the three others fetch."""

SHARED = replace(
    DEMO,
    name="shared",
    nodes=(DEMO.nodes[0], replace(DEMO.nodes[1], shared=True), DEMO.nodes[2]),
    pools=(
        DEMO.pools[0],
        replace(
            DEMO.pools[1],
            engine=replace(DEMO.pools[1].engine, kv_tokens=110_000),
            memory_share=0.7,
        ),
        DEMO.pools[2],
    ),
)
"""The demo's, but that every L40S is given out in two slots, one of them to a notebook that rests,
so that engines of its code pool leave a quarter of the memory."""

_ALL = (DEMO, HELD_OUT, HOSTED, SPARE, DRAFTING, ADAPTERS, AGENTS, FALLBACKS, APART, SHARED)
CLUSTERS: Mapping[str, ClusterSpec] = {one.name: one for one in _ALL}
"""By name."""


def prices(spec: ClusterSpec) -> dict[str, dict[str, str]]:
    """What the tokens of each model cost there, as the section `tokens` of a price file."""
    return {
        pool.model: {
            "input": str(pool.usd_per_million_input),
            "output": str(pool.usd_per_million_output),
            "cache_read": str(pool.usd_per_million_cached),
        }
        for pool in spec.pools
    }
