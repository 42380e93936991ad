"""Signals: small expressions over metrics, defined once and evaluated in two places.

A signal is rendered to PromQL for a Prometheus-compatible backend and evaluated as arrays by the
embedded store; both follow Prometheus 3 (ranges open on the left, five minutes of lookback).
"""

from dataclasses import dataclass

from vocabulary import metrics as m
from vocabulary.metrics import Metric

Match = tuple[tuple[str, str], ...]
"""Label equalities a selector demands."""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest value of a gauge (or of one part of a histogram), as an instant selector."""

    metric: Metric
    match: Match = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Increase per second of a counter over *window* seconds, resets allowed for.

    *part* names a histogram's `count` or `sum`; it is empty for counters.
    """

    metric: Metric
    window: float = 60.0
    match: Match = ()
    part: str = ""


@dataclass(frozen=True, slots=True)
class Increase:
    """Increase of a counter over *window* seconds, extrapolated as Prometheus does."""

    metric: Metric
    window: float = 60.0
    match: Match = ()
    part: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """An aggregate of a gauge over *window* seconds: `max`, `min`, `avg`, `count` or `last`."""

    how: str
    metric: Metric
    window: float = 60.0
    match: Match = ()


@dataclass(frozen=True, slots=True)
class Quantile:
    """Quantile *q* of a histogram's increase over *window*, by Prometheus' interpolation.

    Aggregated by *by* before it is interpolated; bucket bounds are what limits its precision.
    """

    q: float
    metric: Metric
    by: tuple[str, ...]
    window: float = 300.0
    match: Match = ()


@dataclass(frozen=True, slots=True)
class By:
    """`sum`, `max`, `min`, `avg` or `count` of an expression by labels."""

    how: str
    expr: "Expr"
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One expression divided by another on equal labels; no value where the divisor is zero."""

    top: "Expr"
    bottom: "Expr"
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scaled:
    """An expression times a constant."""

    expr: "Expr"
    factor: float


Expr = Last | Rate | Increase | Over | Quantile | By | Ratio | Scaled


@dataclass(frozen=True, slots=True)
class Signal:
    """A named expression with a unit and a meaning a person can read."""

    name: str
    unit: str
    """How a person reads it: `tokens/s`, `s`, `ratio`, `USD/h`."""
    meaning: str
    expr: Expr

    def __str__(self) -> str:
        return self.name


REPLICA = ("pool", "model", "replica", "vantage")
POOL = ("pool", "model")
TENANT = ("tenant", "model")
GPU = ("node", "gpu")

_ENGINE: Match = (("vantage", "engine"),)
_GATEWAY: Match = (("vantage", "gateway"),)


def _rate(metric: Metric, window: float = 60.0, part: str = "", match: Match = _ENGINE) -> Expr:
    return By("sum", Rate(metric, window, match, part), REPLICA)


def _mean(metric: Metric, window: float = 300.0) -> Expr:
    return Ratio(_rate(metric, window, "sum"), _rate(metric, window, "count"), REPLICA)


def _of_gpu(name: str, unit: str, meaning: str, metric: Metric) -> Signal:
    return Signal(name, unit, meaning, By("max", Last(metric), GPU))


RUNNING = Signal(
    "requests_running",
    "requests",
    "Requests in the batch, by replica.",
    By("sum", Last(m.REQUESTS_RUNNING, _ENGINE), REPLICA),
)
WAITING = Signal(
    "requests_waiting",
    "requests",
    "Requests in the queue, by replica.",
    By("sum", Last(m.REQUESTS_WAITING, _ENGINE), REPLICA),
)
KV_USAGE = Signal(
    "kv_cache_utilization",
    "ratio",
    "Fullest KV cache of a replica.",
    By("max", Last(m.KV_CACHE_UTILIZATION, _ENGINE), REPLICA),
)
STEP_RATE = Signal(
    "engine_steps_per_second",
    "steps/s",
    "Scheduler steps a second, by replica.",
    _rate(m.ENGINE_STEPS),
)
OUTPUT_TOKEN_RATE = Signal(
    "output_tokens_per_second",
    "tokens/s",
    "Tokens generated a second, by replica.",
    _rate(m.OUTPUT_TOKENS),
)
STEP_TOKEN_RATE = Signal(
    "step_tokens_per_second",
    "tokens/s",
    "Tokens a second from engines that count each step, by replica.",
    _rate(m.OUTPUT_TOKENS, match=(*_ENGINE, ("count_at", "step"))),
)
INPUT_TOKEN_RATE = Signal(
    "input_tokens_per_second",
    "tokens/s",
    "Prompt tokens taken a second, by replica.",
    _rate(m.INPUT_TOKENS),
)
FINISHED_RATE = Signal(
    "requests_finished_per_second",
    "requests/s",
    "Requests finished a second, by replica.",
    _rate(m.REQUESTS_FINISHED),
)
FAILED_RATE = Signal(
    "requests_failed_per_second",
    "requests/s",
    "Requests that failed a second, by replica.",
    _rate(m.REQUESTS_FAILED),
)
PREEMPTION_RATE = Signal(
    "preemptions_per_second",
    "events/s",
    "Requests preempted a second, by replica.",
    _rate(m.PREEMPTIONS, 120.0),
)
TTFT_MEAN = Signal(
    "time_to_first_token_mean",
    "s",
    "Mean time to first token over five minutes, by replica.",
    _mean(m.TIME_TO_FIRST_TOKEN),
)
TTFT_P95 = Signal(
    "time_to_first_token_p95",
    "s",
    "95th percentile of the time to first token, by pool.",
    Quantile(0.95, m.TIME_TO_FIRST_TOKEN, POOL, 300.0, _ENGINE),
)
ITL_MEAN = Signal(
    "inter_token_latency_mean",
    "s",
    "Mean time between tokens over two minutes, by replica.",
    Ratio(
        _rate(m.INTER_TOKEN_LATENCY, 120.0, "sum"),
        _rate(m.INTER_TOKEN_LATENCY, 120.0, "count"),
        REPLICA,
    ),
)
BATCH_PER_STEP = Signal(
    "tokens_per_step",
    "tokens/step",
    "Tokens generated by a scheduler step over two minutes, by replica: the batch that decoded.",
    Ratio(
        _rate(m.OUTPUT_TOKENS, 120.0, match=(*_ENGINE, ("count_at", "step"))),
        _rate(m.ENGINE_STEPS, 120.0),
        REPLICA,
    ),
)
PROMPT_PER_STEP = Signal(
    "prompt_tokens_per_step",
    "tokens/step",
    "Prompt tokens taken by a scheduler step over two minutes, by replica.",
    Ratio(_rate(m.INPUT_TOKENS, 120.0), _rate(m.ENGINE_STEPS, 120.0), REPLICA),
)
RUNNING_MEAN = Signal(
    "requests_running_mean",
    "requests",
    "Requests in the batch on average over two minutes, by replica.",
    By("sum", Over("avg", m.REQUESTS_RUNNING, 120.0, _ENGINE), REPLICA),
)
KV_USAGE_MEAN = Signal(
    "kv_cache_utilization_mean",
    "ratio",
    "KV cache in use on average over two minutes, by replica.",
    By("max", Over("avg", m.KV_CACHE_UTILIZATION, 120.0, _ENGINE), REPLICA),
)
QUEUE_MEAN = Signal(
    "queue_time_mean",
    "s",
    "Mean time in the queue over five minutes, by replica.",
    _mean(m.QUEUE_DURATION),
)
PREFIX_HIT_RATIO = Signal(
    "prefix_cache_hit_ratio",
    "ratio",
    "Share of looked-up tokens found cached, by replica.",
    Ratio(_rate(m.PREFIX_CACHE_HITS, 300.0), _rate(m.PREFIX_CACHE_QUERIES, 300.0), REPLICA),
)
ENGINE_AWAKE = Signal(
    "engine_awake",
    "ratio",
    "1 while the engine is awake, by replica.",
    By("min", Last(m.ENGINE_AWAKE, _ENGINE), REPLICA),
)
ENGINE_START = Signal(
    "engine_start_time",
    "s",
    "When the server started, by replica.",
    By("max", Last(m.ENGINE_START_TIME, _ENGINE), REPLICA),
)
TARGET_UP = Signal(
    "target_up",
    "ratio",
    "1 while a target's page is read; its verdict says why not.",
    By(
        "max",
        Last(m.TARGET_UP),
        (
            *("target", "verdict", "replica", "pool", "model", "engine", "vantage"),
            *("node", "pod", "version"),
        ),
    ),
)
SCRAPE_DURATION = Signal(
    "target_scrape_seconds",
    "s",
    "How long a target took to answer.",
    By("max", Last(m.TARGET_SCRAPE_DURATION), ("target", "replica", "pool", "model")),
)
GATEWAY_ATTEMPT_RATE = Signal(
    "gateway_attempts_per_second",
    "attempts/s",
    "Upstream calls a second, by model.",
    By("sum", Rate(m.GATEWAY_ATTEMPTS, 120.0, _GATEWAY), ("model",)),
)
GATEWAY_OPERATION_RATE = Signal(
    "gateway_operations_per_second",
    "operations/s",
    "User calls a second, by model.",
    By("sum", Rate(m.GATEWAY_OPERATIONS, 120.0, _GATEWAY), ("model",)),
)
GATEWAY_ERROR_RATE = Signal(
    "gateway_errors_per_second",
    "operations/s",
    "User calls that failed a second, by model.",
    By("sum", Rate(m.GATEWAY_OPERATIONS, 120.0, (*_GATEWAY, ("status", "error"))), ("model",)),
)
GATEWAY_ATTEMPT_ERROR_RATE = Signal(
    "gateway_attempt_errors_per_second",
    "attempts/s",
    "Upstream calls that failed a second.",
    By("sum", Rate(m.GATEWAY_ATTEMPTS, 120.0, (*_GATEWAY, ("outcome", "error"))), ("model",)),
)
GATEWAY_IN_FLIGHT = Signal(
    "gateway_operations_in_flight",
    "operations",
    "Calls a gateway has taken and not yet answered, by model.",
    By("sum", Last(m.GATEWAY_IN_FLIGHT, _GATEWAY), ("model",)),
)
POOL_DESIRED = Signal(
    "pool_replicas_desired",
    "replicas",
    "Replicas the pool's controller asks for.",
    By("max", Last(m.REPLICAS_DESIRED), ("pool",)),
)
TENANT_OPERATION_RATE = Signal(
    "tenant_operations_per_second",
    "operations/s",
    "User calls a second, by tenant and model.",
    By("sum", Rate(m.GATEWAY_OPERATIONS, 300.0, _GATEWAY), TENANT),
)
TENANT_CALL_RATE = Signal(
    "tenant_calls_per_second",
    "operations/s",
    "User calls a second over fifteen minutes, by tenant and model.",
    By("sum", Rate(m.GATEWAY_OPERATIONS, 900.0, _GATEWAY), TENANT),
)
TENANT_INPUT_RATE = Signal(
    "tenant_input_tokens_per_second",
    "tokens/s",
    "Prompt tokens a second, by tenant and model.",
    By("sum", Rate(m.INPUT_TOKENS, 900.0, _GATEWAY), TENANT),
)
TENANT_OUTPUT_RATE = Signal(
    "tenant_output_tokens_per_second",
    "tokens/s",
    "Generated tokens a second, by tenant and model.",
    By("sum", Rate(m.OUTPUT_TOKENS, 900.0, _GATEWAY), TENANT),
)
TENANT_SPEND = Signal(
    "tenant_usd_per_hour",
    "USD/h",
    "Priced tokens in dollars an hour, by tenant and model.",
    Scaled(By("sum", Rate(m.COST, 900.0, (("basis", "tokens"),)), TENANT), 3600.0),
)
POOL_SPEND = Signal(
    "pool_usd_per_hour",
    "USD/h",
    "Priced tokens in dollars an hour, by model.",
    Scaled(By("sum", Rate(m.COST, 900.0, (("basis", "tokens"),)), ("model",)), 3600.0),
)
CAPACITY_SPEND = Signal(
    "capacity_usd_per_hour",
    "USD/h",
    "GPU time paid for in dollars an hour, by pool.",
    Scaled(By("sum", Rate(m.COST, 900.0, (("basis", "gpu_time"),)), ("pool",)), 3600.0),
)
GPU_UTILIZATION = _of_gpu(
    "gpu_utilization", "ratio", "Share of time a kernel ran, by GPU.", m.GPU_UTILIZATION
)
GPU_MEMORY = _of_gpu(
    "gpu_memory_used", "bytes", "Device memory in use, by GPU.", m.GPU_MEMORY_USAGE
)
GPU_SM_CLOCK = _of_gpu("gpu_sm_clock", "Hz", "Clock of the SMs, by GPU.", m.GPU_SM_CLOCK)
GPU_TEMPERATURE = _of_gpu("gpu_temperature", "°C", "Core temperature, by GPU.", m.GPU_TEMPERATURE)
GPU_POWER = _of_gpu("gpu_power", "W", "Board power, by GPU.", m.GPU_POWER)
GPU_THROTTLED = Signal(
    "gpu_throttled",
    "ratio",
    "1 while a reason holds the clocks down, by GPU and reason.",
    By("max", Over("max", m.GPU_THROTTLED, 300.0), (*GPU, "reason")),
)
GPU_XID = Signal(
    "gpu_xid_events",
    "events",
    "Xid events over ten minutes, by GPU and code.",
    By("sum", Increase(m.GPU_XID_EVENTS, 600.0), (*GPU, "xid")),
)
GPU_INFO = Signal(
    "gpu_info", "", "What each GPU is.", By("max", Last(m.GPU_INFO), (*GPU, "index", "product"))
)
GPU_ALLOCATION = Signal(
    "gpu_allocation",
    "ratio",
    "Which replica holds which GPU.",
    By("max", Last(m.GPU_ALLOCATION), (*GPU, "replica", "pool", "model")),
)

ALL: tuple[Signal, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Signal)
)
BY_NAME: dict[str, Signal] = {signal.name: signal for signal in ALL}
