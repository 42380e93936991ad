"""The shape of a scenario file, version 1: what may be written, in which units and bounds.

The JSON Schema that is published, and the checks of every file that is read, both come from here.
What hangs together across a file (that a pool's GPUs exist) is checked in `scenario_file`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from simulator.adapters import AdapterUse
from simulator.agent_plans import AgentUse
from simulator.allowances import Allowance
from simulator.clusters import CLUSTERS
from simulator.drafting import Drafting
from simulator.engine_presets import PRESETS
from simulator.gpus import GPU_KINDS
from simulator.kv_link import Prefill
from simulator.pages.servers import SERVERS

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = r"\d+(\.\d+)?[smhd]"
_START = r"(monday|tuesday|wednesday|thursday|friday|saturday|sunday) ([01]\d|2[0-3]):[0-5]\d"
_MOST_SECONDS = 28 * 86_400.0
_DRAFTING, _ADAPTERS = Drafting(), AdapterUse()
_AGENT, _BUDGET = AgentUse("", "", "", 1.0), Allowance("", Decimal(0))
"""What holds where a file says nothing."""


def _seconds(value: Any) -> Any:
    """`10m` in seconds; anything else as it is."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(_DURATION, value):
        raise ValueError("a duration is written 90s, 10m, 1.5h or 2d, or as seconds")
    return float(value[:-1]) * _UNITS[value[-1]]


def _moment(value: Any) -> str:
    """A time with its zone as text; weekday and hour in small letters."""
    text = str(value).lower()
    if re.fullmatch(_START, text):
        return text
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        wanted = "write a weekday and an hour (UTC), `friday 18:00`, or 2025-11-21T18:00:00Z"
        raise ValueError(wanted) from error
    if moment.tzinfo is None:
        raise ValueError("say the zone too: 2025-11-21T18:00:00Z")
    if not 2000 <= moment.year <= 2100:
        raise ValueError("write a year from 2000 to 2100")
    return moment.isoformat()


_TEXT_OR_NUMBER = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{_DURATION}$"}]
}
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, le=_MOST_SECONDS, strict=True, allow_inf_nan=False),
    WithJsonSchema(_TEXT_OR_NUMBER),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
Text = Annotated[str, Field(max_length=2000)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Money = Annotated[Decimal, Field(ge=0, le=100_000, allow_inf_nan=False)]
Start = Annotated[
    str,
    BeforeValidator(_moment),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^{_START}$"},
                   {"type": "string", "format": "date-time"}]}
    ),
]  # fmt: skip


_APART = Prefill(replicas=1)
"""For what is usual."""


class Shape(BaseModel):
    """Part of a file: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_by_alias=True
    )


class NodeShape(Shape):
    """One machine with GPUs of one kind."""

    name: Name
    gpu: Literal[tuple(GPU_KINDS)]  # type: ignore[valid-type]
    """Kind of its GPUs."""
    count: Annotated[Count, Field(le=16)]
    """How many GPUs it has."""
    shared: bool = False
    """Whether each GPU is given out in two slots (time slicing), the other to a notebook that
    rests until a fault wakes it."""


class EngineShape(Shape):
    """How fast a replica is: a preset, single figures over it, or every figure."""

    preset: Literal[tuple(PRESETS)] | None = None  # type: ignore[valid-type]
    base: Seconds | None = None
    """Seconds of a scheduler step with an empty batch."""
    per_request: Seconds | None = None
    """Seconds a step takes longer for each request in it."""
    per_kv_token: Seconds | None = None
    """Seconds a step takes longer for each token of KV cache read."""
    per_prefill_token: Seconds | None = None
    """Seconds a prompt token costs."""
    kv_tokens: Count | None = None
    """Tokens the KV cache holds."""
    max_requests: Count | None = None
    """Most requests in the batch."""
    max_batched_tokens: Count | None = None
    """Tokens a step may take, decoding and prefill together."""
    max_context: Annotated[Count, Field(ge=512)] | None = None
    """Longest prompt with its answer, tokens."""
    load_seconds: Seconds | None = None
    """From the start of the process to the first answer."""
    token_bytes: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Bytes of KV cache a token takes; of those whose prompts are computed apart."""


class PriceShape(Shape):
    """USD for a million tokens."""

    input: Money
    output: Money
    cached: Money
    """Prompt tokens that the prefix cache held."""


class ScalingShape(Shape):
    """A horizontal autoscaler."""

    most: Annotated[Count, Field(le=64)]
    """Most replicas."""
    target: Positive
    """Requests running and waiting per replica that it aims at."""
    patience: Seconds = 280.0
    """How long a need must last before a replica is added."""
    cooldown: Seconds = 900.0
    """How long a surplus must last before one is taken away."""


class DraftingShape(Shape):
    """Speculative decoding."""

    tokens: Annotated[Count, Field(le=16)] = _DRAFTING.tokens
    """Tokens that are proposed for each request and step."""
    accepted: Share = _DRAFTING.accepted
    """Chance that a proposed token is taken, when all before it were."""
    cost: Annotated[float, Field(ge=0, le=2, strict=True)] = _DRAFTING.cost
    """Share by which one proposed token makes a step longer."""


class AdaptersShape(Shape):
    """LoRA adapters that callers name."""

    slots: Annotated[Count, Field(le=256)] = _ADAPTERS.slots
    """Adapters in one batch, and adapters that stay loaded."""
    asked: Annotated[Count, Field(le=10_000)] = _ADAPTERS.asked
    """Adapters that callers name, all alike."""
    share: Share = _ADAPTERS.share
    """Share of calls that name one."""
    load_seconds: Annotated[Seconds, Field(le=600)] = _ADAPTERS.load_seconds
    """What loading one takes, in which no step runs."""


class RouteShape(Shape):
    """How the gateway calls what stands behind one route, and what it books for it."""

    name: Name
    model: Name
    usd_per_million: PriceShape
    timeout: Annotated[Seconds, Field(ge=1)] = 120.0
    """How long the gateway waits for an answer."""
    retries: Annotated[int, Field(ge=0, le=10, strict=True)] = 2
    """How often the gateway tries again."""
    fallbacks: Annotated[tuple[Name, ...], Field(max_length=5)] = ()
    """Pools or providers asked, one after the other, for calls that failed here for good."""


class ProviderShape(RouteShape):
    """A model that somebody else serves: no replicas, no pages, only the gateway's word."""

    context: Annotated[Count, Field(ge=512)] = 131_072
    """Longest prompt with its answer, tokens."""


class PrefillShape(Shape):
    """Replicas apart that compute the prompts of a pool, and the way of the KV cache from there."""

    replicas: Annotated[Count, Field(le=64)]
    bandwidth: Annotated[float, Field(ge=1e6, le=1e13, allow_inf_nan=False)] = _APART.bandwidth
    """Bytes a second into one replica that decodes."""
    connections: Annotated[Count, Field(le=1024)] = _APART.connections
    """Transfers at one time into one replica; others wait."""
    hop: Annotated[Seconds, Field(le=60)] = _APART.hop
    """From the end of a prompt to the replica that decodes."""
    lease: Annotated[Seconds, Field(ge=1)] = _APART.lease
    """After which KV that nobody fetches is given up."""
    patience: Annotated[Seconds, Field(le=600)] = _APART.patience
    """Until a transfer that does not come is given up."""
    recompute: bool = _APART.recompute
    """Whether a prompt whose KV does not come is computed where it is decoded, or fails."""


class PoolShape(RouteShape):
    """The replicas of one model behind one route."""

    server: Literal[tuple(SERVERS)]  # type: ignore[valid-type]
    version: Annotated[str, Field(min_length=1, max_length=60)]
    """Of the server's image; in quotes where YAML would take it for a number."""
    gpu: Literal[tuple(GPU_KINDS)]  # type: ignore[valid-type]
    gpus_per_replica: Annotated[Count, Field(le=16)] = 1
    replicas: Annotated[Count, Field(le=64)]
    memory_share: Annotated[float, Field(gt=0, le=0.98, strict=True)] = 0.93
    """Share of its GPUs' memory that a replica takes."""
    engine: EngineShape
    scaling: ScalingShape | None = None
    drafting: DraftingShape | None = None
    adapters: AdaptersShape | None = None
    prefill: PrefillShape | None = None
    """Replicas apart for its prompts; `replicas` then decode. Of a vLLM pool."""


class NightlyShape(Shape):
    """A stretch of every day in which a tenant asks more."""

    hour: Annotated[float, Field(ge=0, lt=24, strict=True)]
    """When it begins, UTC."""
    lasts: Seconds
    factor: Positive
    """By how much the rate is multiplied."""


class TenantShape(Shape):
    """Who is charged, and how its day and week go."""

    name: Name
    peak_hour: Annotated[float, Field(ge=0, lt=24, strict=True)] = 14.0
    """Busiest hour of the day, UTC."""
    swing: Annotated[float, Field(ge=0, le=0.95, strict=True)] = 0.5
    """How far the day rises above and falls below its mean."""
    weekend: Annotated[float, Field(gt=0, le=5, strict=True)] = 0.7
    """Saturday and Sunday against a working day."""
    nightly: NightlyShape | None = None


class StreamShape(Shape):
    """The requests of one tenant to one pool."""

    tenant: Name
    pool: Name
    trace: Literal["conversation", "code", "long_context"]
    """Which recorded requests are replayed."""
    rate: Annotated[float, Field(gt=0, le=50, strict=True)]
    """Requests a second, mean over a week."""
    cached: Share = 0.2
    """Share of a prompt that the prefix cache holds."""
    voices: Annotated[Count, Field(le=64)] = 1
    """Independent replays of the trace that share the rate."""


class AgentShape(Shape):
    """An application of one tenant whose calls are runs of an agent: trees of calls."""

    name: Name
    tenant: Name
    pool: Name
    """A pool or a provider."""
    rate: Annotated[float, Field(gt=0, le=10, strict=True)]
    """Runs a second, mean over a week."""
    steps: Annotated[float, Field(ge=1, le=100)] = _AGENT.steps
    """Calls of one agent in a run, mean; agents that work for one have half as many."""
    most_steps: Annotated[Count, Field(le=100)] = _AGENT.most_steps
    """After which an agent answers."""
    delegates: Share = _AGENT.delegates
    """Chance that a step hands work to other agents instead of to tools."""
    fan_out: Annotated[Count, Field(le=10)] = _AGENT.fan_out
    """Most agents at work for one step, side by side."""
    depth: Annotated[Count, Field(le=4)] = _AGENT.depth
    """Agents below each other, the first counted."""
    tool_seconds: Annotated[Seconds, Field(le=600)] = _AGENT.tool_seconds
    """Median of what a tool takes."""
    tool_tokens: Annotated[Count, Field(le=6000)] = _AGENT.tool_tokens
    """Median of what a tool adds to the prompt."""
    system_tokens: Annotated[Count, Field(le=100_000)] = _AGENT.system_tokens
    """Instructions and tools, alike in every run and so in the prefix cache."""
    task_tokens: Annotated[Count, Field(le=100_000)] = _AGENT.task_tokens
    """Median of what an agent is told to do."""
    answer_tokens: Annotated[Count, Field(le=10_000)] = _AGENT.answer_tokens
    """Median answer of a step; the last is four times as long."""


class BudgetShape(Shape):
    """What one tenant may spend at the gateway in a period before its calls are refused."""

    tenant: Name
    usd: Money
    period: Annotated[Seconds, Field(ge=60)] = _BUDGET.period
    """After which it begins anew, counted from midnight UTC."""
    of: Literal["team", "key"] = "team"
    """Which of the two LiteLLM keeps it for."""
    status: Literal[422, 429] = 422
    """What a refusal is answered with; 429 in older versions of LiteLLM."""


class ClusterShape(Shape):
    """A cluster of your own."""

    name: Name
    nodes: Annotated[tuple[NodeShape, ...], Field(min_length=1, max_length=64)]
    pools: Annotated[tuple[PoolShape, ...], Field(min_length=1, max_length=32)]
    tenants: Annotated[tuple[TenantShape, ...], Field(min_length=1, max_length=200)]
    streams: Annotated[tuple[StreamShape, ...], Field(min_length=1, max_length=500)]
    providers: Annotated[tuple[ProviderShape, ...], Field(max_length=16)] = ()
    agents: Annotated[tuple[AgentShape, ...], Field(max_length=100)] = ()
    budgets: Annotated[tuple[BudgetShape, ...], Field(max_length=200)] = ()
    uptime: Annotated[Seconds, Field(ge=3600)] | None = None
    """How long every process has been up at the start; 16 days when not given."""


ClusterName: Any = Literal[tuple(CLUSTERS)]


def cluster_tag(value: Any) -> str:
    """Whether a cluster is written out or named."""
    return "inline" if isinstance(value, Mapping | ClusterShape) else "name"
