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

from simulator.clusters import CLUSTERS
from simulator.engine_presets import PRESETS
from simulator.gpus import GPU_KINDS
from simulator.pages.servers import SERVERS

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = r"\d+(\.\d+)?[smhd]"
_START = r"(monday|tuesday|wednesday|thursday|friday|saturday|sunday) ([01]\d|2[0-3]):[0-5]\d"
_MOST_SECONDS = 28 * 86_400.0


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


class PoolShape(Shape):
    """The replicas of one model behind one route."""

    name: Name
    server: Literal[tuple(SERVERS)]  # type: ignore[valid-type]
    model: Name
    version: Annotated[str, Field(min_length=1, max_length=60)]
    """Of the server's image; in quotes where YAML would take it for a number."""
    gpu: Literal[tuple(GPU_KINDS)]  # type: ignore[valid-type]
    gpus_per_replica: Annotated[Count, Field(le=16)] = 1
    replicas: Annotated[Count, Field(le=64)]
    engine: EngineShape
    usd_per_million: PriceShape
    scaling: ScalingShape | None = None
    timeout: Annotated[Seconds, Field(ge=1)] = 120.0
    """How long the gateway waits for an answer."""
    retries: Annotated[int, Field(ge=0, le=10, strict=True)] = 2
    """How often the gateway tries again."""


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


class ClusterShape(Shape):
    """A cluster of your own."""

    name: Name
    nodes: Annotated[tuple[NodeShape, ...], Field(min_length=1, max_length=64)]
    pools: Annotated[tuple[PoolShape, ...], Field(min_length=1, max_length=32)]
    tenants: Annotated[tuple[TenantShape, ...], Field(min_length=1, max_length=200)]
    streams: Annotated[tuple[StreamShape, ...], Field(min_length=1, max_length=500)]
    uptime: Annotated[Seconds, Field(ge=3600)] | None = None
    """How long every process has been up at the start; 16 days when not given."""


ClusterName: Any = Literal[tuple(CLUSTERS)]


def cluster_tag(value: Any) -> str:
    """Whether a cluster is written out or named."""
    return "inline" if isinstance(value, Mapping | ClusterShape) else "name"
