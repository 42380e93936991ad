"""Signals: named expressions with a unit and a meaning, each defined here once."""

from vocabulary import metrics as m
from vocabulary.expressions import (
    By,
    Expr,
    Increase,
    Last,
    Late,
    Match,
    Over,
    Quantile,
    Rate,
    Ratio,
    Scaled,
    Signal,
)
from vocabulary.metrics import Metric

REPLICA = ("pool", "model", "replica", "vantage")
POOL = ("pool", "model")
TENANT = ("tenant", "model")
GPU = ("node", "gpu")

LATE_SECONDS = 5.0
"""A first token after this is late: the bound that the histograms of OpenTelemetry, vLLM and
LiteLLM have in common, and about where people give up (our judgement)."""

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
KV_CAPACITY = Signal(
    "kv_cache_capacity",
    "tokens",
    "Tokens the KV cache of a replica can hold.",
    By("max", Last(m.KV_CACHE_CAPACITY, _ENGINE), REPLICA),
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
ENGINE_TOKEN_RATE = Signal(
    "engine_tokens_per_second",
    "tokens/s",
    "Tokens worked through a second, prompt and output, by replica.",
    _rate(m.ENGINE_TOKENS),
)
INPUT_TOKEN_RATE = Signal(
    "input_tokens_per_second",
    "tokens/s",
    "Prompt tokens taken a second, by replica.",
    _rate(m.INPUT_TOKENS),
)
HOURLY_INPUT = Signal(
    "input_tokens_per_hour",
    "tokens",
    "Prompt tokens taken over an hour, by replica.",
    By("sum", Increase(m.INPUT_TOKENS, 3600.0, _ENGINE), REPLICA),
)
FINISHED_RATE = Signal(
    "requests_finished_per_second",
    "requests/s",
    "Requests finished a second, by replica.",
    _rate(m.REQUESTS_FINISHED),
)
DURATION_COUNTS = Signal(
    "request_duration_counts",
    "requests",
    "Requests that took at most `le` seconds, over an hour, by replica.",
    By("sum", Increase(m.REQUEST_DURATION, 3600.0, _ENGINE, "bucket"), (*REPLICA, "le")),
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
FIRST_TOKENS_LATE = Signal(
    "first_tokens_late",
    "ratio",
    "Share of first tokens over five minutes that came later than five seconds, by pool.",
    Late(m.TIME_TO_FIRST_TOKEN, LATE_SECONDS, POOL, 300.0, _ENGINE),
)
FIRST_TOKEN_RATE = Signal(
    "first_tokens_per_second",
    "requests/s",
    "First tokens a second over five minutes, by pool.",
    By("sum", Rate(m.TIME_TO_FIRST_TOKEN, 300.0, _ENGINE, "count"), POOL),
)
POOL_FINISHED_RATE = Signal(
    "pool_requests_finished_per_second",
    "requests/s",
    "Requests that ended a second over five minutes, whatever the outcome, by pool.",
    By("sum", Rate(m.REQUESTS_FINISHED, 300.0, _ENGINE), POOL),
)
GATEWAY_FIRST_TOKENS_LATE = Signal(
    "gateway_first_tokens_late",
    "ratio",
    "Share of first tokens over five minutes that the gateway saw after five seconds, by model.",
    Late(m.TIME_TO_FIRST_TOKEN, LATE_SECONDS, ("model",), 300.0, _GATEWAY),
)
GATEWAY_FIRST_TOKEN_RATE = Signal(
    "gateway_first_tokens_per_second",
    "requests/s",
    "First tokens a second over five minutes as the gateway saw them, by model.",
    By("sum", Rate(m.TIME_TO_FIRST_TOKEN, 300.0, _GATEWAY, "count"), ("model",)),
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
STEPS_LATELY = Signal(
    "engine_steps_lately",
    "steps/s",
    "Scheduler steps a second over half a minute, by replica: short freezes show.",
    _rate(m.ENGINE_STEPS, 30.0),
)
LONG_GAPS = Signal(
    "long_token_gaps",
    "ratio",
    "Share of gaps between tokens over five minutes longer than half a second, by replica.",
    Late(m.INTER_TOKEN_LATENCY, 0.5, REPLICA, 300.0, _ENGINE),
)
ITL_MEDIAN = Signal(
    "inter_token_latency_p50",
    "s",
    "Median of the time between tokens over five minutes, by replica.",
    Quantile(0.5, m.INTER_TOKEN_LATENCY, REPLICA, 300.0, _ENGINE),
)
PROMPT_LENGTH = Signal(
    "input_tokens_per_request",
    "tokens",
    "Prompt tokens for each finished request over five minutes, by replica.",
    Ratio(_rate(m.INPUT_TOKENS, 300.0), _rate(m.REQUESTS_FINISHED, 300.0), REPLICA),
)
ANSWER_LENGTH = Signal(
    "output_tokens_per_request",
    "tokens",
    "Generated tokens for each finished request over five minutes, by replica.",
    Ratio(_rate(m.OUTPUT_TOKENS, 300.0), _rate(m.REQUESTS_FINISHED, 300.0), REPLICA),
)
CUT_SHARE = Signal(
    "answers_cut_share",
    "ratio",
    "Share of answers over five minutes that ran into their length limit, by replica.",
    Ratio(
        _rate(m.REQUESTS_FINISHED, 300.0, match=(*_ENGINE, ("finish_reason", "length"))),
        _rate(m.REQUESTS_FINISHED, 300.0),
        REPLICA,
    ),
)
DRAFT_ACCEPTANCE = Signal(
    "draft_acceptance",
    "ratio",
    "Share of drafted tokens that the model accepted over five minutes, by replica.",
    Ratio(
        _rate(m.SPEC_DECODE_ACCEPTED_TOKENS, 300.0),
        _rate(m.SPEC_DECODE_DRAFT_TOKENS, 300.0),
        REPLICA,
    ),
)
KV_TRANSFER_SECONDS_PER_GB = Signal(
    "kv_transfer_seconds_per_gb",
    "s",
    "Seconds a GB of KV cache takes from engine to engine, over five minutes, by replica.",
    Scaled(
        Ratio(
            _rate(m.KV_TRANSFER_DURATION, 300.0, "sum"),
            _rate(m.KV_TRANSFER_BYTES, 300.0),
            REPLICA,
        ),
        1e9,
    ),
)
KV_TRANSFER_RATE = Signal(
    "kv_transfers_per_second",
    "transfers/s",
    "Transfers of KV cache from another engine that came, over five minutes, by replica.",
    _rate(m.KV_TRANSFER_DURATION, 300.0, "count"),
)
KV_TRANSFER_FAILURE_RATE = Signal(
    "kv_transfers_failed_per_second",
    "transfers/s",
    "Transfers of KV cache that did not come, over five minutes, by replica.",
    _rate(m.KV_TRANSFERS_FAILED, 300.0),
)
KV_EXPIRY_RATE = Signal(
    "kv_prompts_expired_per_second",
    "requests/s",
    "Prompts kept for another engine until their lease was over, over five minutes, by replica.",
    _rate(m.KV_TRANSFERS_EXPIRED, 300.0),
)
LORA_WAITING = Signal(
    "lora_adapters_waiting",
    "adapters",
    "Adapters whose requests wait for a slot, by replica.",
    By("sum", Last(m.LORA_WAITING, _ENGINE), REPLICA),
)
HOST_MEMORY = Signal(
    "host_memory",
    "bytes",
    "Host memory that the server's front process holds, by replica.",
    By("max", Last(m.PROCESS_MEMORY, _ENGINE), REPLICA),
)
HOST_CPU = Signal(
    "host_cpu_cores",
    "cores",
    "Processor cores that the server's front process uses, by replica.",
    _rate(m.PROCESS_CPU, 120.0),
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
READS_LATELY = Signal(
    "target_reads_lately",
    "samples",
    "Readings of a target that arrived over five minutes.",
    By("sum", Over("count", m.TARGET_UP, 300.0), ("target",)),
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
GATEWAY_FALLBACK_RATE = Signal(
    "gateway_fallbacks_per_second",
    "operations/s",
    "User calls a second that another model answered, by the model that was asked.",
    By("sum", Rate(m.GATEWAY_FALLBACKS, 120.0, _GATEWAY), ("model",)),
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
TENANT_ANSWER_LENGTH = Signal(
    "tenant_output_tokens_per_call",
    "tokens/operation",
    "Generated tokens a user call over five minutes, by tenant and model.",
    Ratio(
        By("sum", Rate(m.OUTPUT_TOKENS, 300.0, _GATEWAY), TENANT),
        By("sum", Rate(m.GATEWAY_OPERATIONS, 300.0, _GATEWAY), TENANT),
        TENANT,
    ),
)
TENANT_PROMPT_LENGTH = Signal(
    "tenant_input_tokens_per_call",
    "tokens/operation",
    "Prompt tokens a user call over five minutes, by tenant and model.",
    Ratio(
        By("sum", Rate(m.INPUT_TOKENS, 300.0, _GATEWAY), TENANT),
        By("sum", Rate(m.GATEWAY_OPERATIONS, 300.0, _GATEWAY), TENANT),
        TENANT,
    ),
)
TENANT_CACHED_SHARE = Signal(
    "tenant_cached_input_share",
    "ratio",
    "Share of prompt tokens that were read from a cache over fifteen minutes, by tenant and model.",
    Ratio(
        By("sum", Rate(m.INPUT_TOKENS_CACHED, 900.0, _GATEWAY), TENANT),
        By("sum", Rate(m.INPUT_TOKENS, 900.0, _GATEWAY), TENANT),
        TENANT,
    ),
)
TENANT_DAILY_PROMPT = Signal(
    "tenant_input_tokens_per_call_daily",
    "tokens/operation",
    "Prompt tokens a user call over a day, by tenant and model.",
    Ratio(
        By("sum", Increase(m.INPUT_TOKENS, 86_400.0, _GATEWAY), TENANT),
        By("sum", Increase(m.GATEWAY_OPERATIONS, 86_400.0, _GATEWAY), TENANT),
        TENANT,
    ),
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
BOOKED_SPEND = Signal(
    "booked_usd_per_hour",
    "USD/h",
    "Dollars an hour that a gateway books, by model.",
    Scaled(By("sum", Rate(m.GATEWAY_SPEND, 900.0, _GATEWAY), ("model",)), 3600.0),
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
GPU_MEMORY_SHARE = Signal(
    "gpu_memory_share",
    "ratio",
    "Device memory in use over what there is, by GPU.",
    Ratio(By("max", Last(m.GPU_MEMORY_USAGE), GPU), By("max", Last(m.GPU_MEMORY_LIMIT), GPU), GPU),
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
    "Xid events over ten minutes, by GPU and code; what several sources saw counts once.",
    By("max", By("sum", Increase(m.GPU_XID_EVENTS, 600.0), (*GPU, "xid", "source")), (*GPU, "xid")),
)
NVSWITCH_SXID = Signal(
    "nvswitch_sxid_events",
    "events",
    "SXid events of NVLink switches over ten minutes, by node, code and severity.",
    By("sum", Increase(m.NVSWITCH_SXID_EVENTS, 600.0), ("node", "sxid", "severity")),
)
GPU_RECOVERY = Signal(
    "gpu_recovery_action",
    "ratio",
    "1 for what the driver says a GPU needs, by GPU and action.",
    By("max", Last(m.GPU_RECOVERY_ACTION), (*GPU, "action")),
)
GPU_MEMORY_ERRORS = Signal(
    "gpu_memory_errors",
    "errors",
    "Memory errors over ten minutes, by GPU and kind.",
    By("max", Increase(m.GPU_ERRORS, 600.0), (*GPU, "error_type")),
)
GPU_REMAPPED = Signal(
    "gpu_remapped_rows",
    "rows",
    "Memory rows remapped, and 1 while a remap is pending or has failed, by GPU.",
    By("max", Last(m.GPU_REMAPPED_ROWS), (*GPU, "error_type")),
)
GPU_RETIRED = Signal(
    "gpu_retired_pages",
    "pages",
    "Memory pages retired, and 1 while some wait for a reset, by GPU.",
    By("max", Last(m.GPU_RETIRED_PAGES), (*GPU, "cause")),
)
GPU_SRAM_THRESHOLD = _of_gpu(
    "gpu_sram_threshold_exceeded",
    "ratio",
    "1 once errors in on-chip memory are more than the maker allows, by GPU.",
    m.GPU_SRAM_THRESHOLD,
)
GPU_NVLINK_ERRORS = Signal(
    "gpu_nvlink_errors",
    "errors",
    "NVLink errors over ten minutes, by GPU and kind.",
    By("max", Increase(m.GPU_NVLINK_ERRORS, 600.0), (*GPU, "error_type")),
)
GPU_NVLINKS = Signal(
    "gpu_nvlinks",
    "links",
    "NVLinks that are up and down, by GPU.",
    By("max", Last(m.GPU_NVLINKS), (*GPU, "state")),
)
GPU_FABRIC_FAULT = Signal(
    "gpu_fabric_fault",
    "ratio",
    "1 while the NVLink fabric has a fault, by GPU and fault.",
    By("max", Last(m.GPU_FABRIC_FAULT), (*GPU, "fault")),
)
GPU_PCIE_REPLAYS = Signal(
    "gpu_pcie_replays_per_second",
    "errors/s",
    "PCIe packets sent again a second over five minutes, by GPU.",
    By("max", Rate(m.GPU_PCIE_ERRORS, 300.0, (("error_type", "replay"),)), GPU),
)
GPU_POWER_LIMIT = _of_gpu(
    "gpu_power_limit", "W", "Enforced board power limit, by GPU.", m.GPU_POWER_LIMIT
)
GPU_TENSOR_ACTIVE = _of_gpu(
    "gpu_tensor_active", "ratio", "Share of cycles with a tensor pipe busy.", m.GPU_TENSOR_ACTIVE
)
GPU_DRAM_ACTIVE = _of_gpu(
    "gpu_dram_active", "ratio", "Share of cycles that moved device memory.", m.GPU_DRAM_ACTIVE
)
MEMORY_ROOFLINE = Signal(
    "memory_roofline_share",
    "ratio",
    "Scheduler steps a second over the most that memory bandwidth allows, by replica.",
    Ratio(
        By("sum", Rate(m.ENGINE_STEPS, 120.0, _ENGINE), ("replica",)),
        By("max", Last(m.DECODE_STEP_CEILING), ("replica",)),
        ("replica",),
    ),
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
SHARE = ("node", "gpu", "mig", "owner", "namespace", "pod", "pool", "replica")
GPU_SHARE_UTILIZATION = Signal(
    "gpu_share_utilization",
    "ratio",
    "Part of a GPU's utilisation that each owner made.",
    By("sum", Last(m.GPU_SHARE_UTILIZATION), SHARE),
)
GPU_SHARE_MEMORY = Signal(
    "gpu_share_memory",
    "bytes",
    "Part of a GPU's memory in use that each owner holds.",
    By("sum", Last(m.GPU_SHARE_MEMORY), SHARE),
)
GPU_SHARE_POWER = Signal(
    "gpu_share_power",
    "W",
    "Part of a board's power that each owner draws.",
    By("sum", Last(m.GPU_SHARE_POWER), SHARE),
)
GPU_SHARE_TIME = Signal(
    "gpu_share_time",
    "ratio",
    "Part of a GPU's time that is each owner's to pay for.",
    By("sum", Last(m.GPU_SHARE_TIME), SHARE),
)
GPU_UNALLOCATED_MEMORY = Signal(
    "gpu_unallocated_memory",
    "bytes",
    "Device memory held by processes that were not given the GPU, by their command and pod.",
    By(
        "sum",
        Last(m.GPU_PROCESS_MEMORY, (("owner", "unallocated"),)),
        (*GPU, "namespace", "pod", "command"),
    ),
)
GPU_STRANGER_MEMORY = Signal(
    "gpu_stranger_memory",
    "bytes",
    "Part of a GPU's memory held by whom it was not given to, pods with another GPU included.",
    By(
        "sum",
        Last(m.GPU_SHARE_MEMORY, (("owner", "unallocated"),)),
        (*GPU, "mig", "namespace", "pod", "command"),
    ),
)

ALL: tuple[Signal, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Signal)
)
BY_NAME: dict[str, Signal] = {signal.name: signal for signal in ALL}
