"""What can go wrong, and what only looks so: one word and one code each.

Codes F01-F57 name faults, Y01- symptoms whose cause is not known, B01-B16 benign look-alikes.
The word is what code, alert, page and runbook all say.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """critical pages a person, warning makes a ticket, info is context."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return {"info": 0, "warning": 1, "critical": 2}[self.value]


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way to fail, with the words it is known by."""

    word: str
    code: str
    title: str
    """As a person would say it, without a subject."""
    family: str
    """Which kind of evidence speaks of it: errors, latency, saturation, throughput, cost,
    hardware, kubernetes, telemetry. Corroboration counts families, not metrics."""

    def __str__(self) -> str:
        return self.word


ENGINE_STALLED = FailureMode(
    "engine_stalled", "F01", "Engine stalled while its health is green", "errors"
)
ENGINE_DEAD = FailureMode("engine_dead", "F02", "Engine dead or in a crash loop", "errors")
PROBE_KILL = FailureMode("probe_kill", "F03", "Busy pod killed by its own probe", "saturation")
COLLECTIVE_HANG = FailureMode(
    "collective_hang", "F04", "GPUs spin in a collective that never ends", "errors"
)
CUDA_OOM = FailureMode("cuda_oom", "F05", "GPU out of memory on a long input", "errors")
HOST_MEMORY_LEAK = FailureMode(
    "host_memory_leak", "F06", "Host memory leaks until the pod is killed", "saturation"
)
ZOMBIE_REQUESTS = FailureMode(
    "zombie_requests", "F07", "Requests decode on after their callers left", "saturation"
)
GARBAGE_OUTPUT = FailureMode(
    "garbage_output", "F08", "Answers are garbage while all is green", "errors"
)
ROUTER_DOWN = FailureMode("router_down", "F09", "Router or endpoint picker down", "errors")
PROVIDER_ERRORS = FailureMode(
    "provider_errors", "F10", "Upstream provider refuses or fails", "errors"
)
RETRY_STORM = FailureMode("retry_storm", "F11", "Retry storm", "errors")
STREAMS_CUT = FailureMode("streams_cut", "F12", "Streams cut by a rollout or scale-in", "errors")
KV_TRANSFER_BROKEN = FailureMode(
    "kv_transfer_broken", "F13", "KV transfer from prefill to decode broken", "errors"
)
CAPACITY_SHORTAGE = FailureMode("capacity_shortage", "F14", "Capacity shortage", "saturation")
KV_EXHAUSTION = FailureMode(
    "kv_exhaustion", "F15", "KV cache exhausted, requests preempted", "saturation"
)
PREFILL_INTERFERENCE = FailureMode(
    "prefill_interference", "F16", "Long prompts hold up decoding", "latency"
)
FRONT_END_BOUND = FailureMode(
    "front_end_bound", "F17", "Front end bound by one CPU core", "latency"
)
GRAMMAR_STALL = FailureMode(
    "grammar_stall", "F18", "Structured output freezes the engine", "latency"
)
LORA_THRASH = FailureMode("lora_thrash", "F19", "LoRA adapters thrash", "latency")
LOAD_SKEW = FailureMode("load_skew", "F20", "Load skewed onto few replicas", "saturation")
PREFIX_CACHE_COLLAPSE = FailureMode(
    "prefix_cache_collapse", "F21", "Prefix cache hits collapse", "throughput"
)
SLOW_COLD_START = FailureMode("slow_cold_start", "F22", "New replicas start too slowly", "latency")
AUTOSCALER_STUCK = FailureMode(
    "autoscaler_stuck", "F23", "Autoscaler blind or at its limit", "saturation"
)
STRAGGLER_GPU = FailureMode("straggler_gpu", "F24", "Straggler GPU slows its replica", "hardware")
NOISY_NEIGHBOUR = FailureMode("noisy_neighbour", "F25", "Neighbour on a shared GPU", "latency")
SLOW_INTERCONNECT = FailureMode(
    "slow_interconnect", "F26", "PCIe or network link degraded", "throughput"
)
THROUGHPUT_REGRESSION = FailureMode(
    "throughput_regression", "F27", "Throughput regression at equal load", "throughput"
)
SPECULATION_DECAY = FailureMode(
    "speculation_decay", "F28", "Speculative decoding accepts less", "throughput"
)
SHRUNK_KV_CACHE = FailureMode(
    "shrunk_kv_cache", "F29", "KV cache smaller than its siblings' after a start", "saturation"
)
RUNAWAY_AGENT = FailureMode("runaway_agent", "F30", "Runaway agent loop", "cost")
LEAKED_KEY = FailureMode("leaked_key", "F31", "Leaked key abused", "cost")
TENANT_HOG = FailureMode("tenant_hog", "F32", "One tenant takes the capacity", "saturation")
CONTEXT_BLOAT = FailureMode("context_bloat", "F33", "Prompts grow", "cost")
RUNAWAY_OUTPUT = FailureMode("runaway_output", "F34", "Answers run to their limit", "cost")
PROMPT_CACHE_MISS = FailureMode(
    "prompt_cache_miss", "F35", "Provider no longer caches prompts", "cost"
)
DEAR_MODEL_MIX = FailureMode("dear_model_mix", "F36", "Calls moved to a dearer model", "cost")
SPEND_DATA_WRONG = FailureMode(
    "spend_data_wrong", "F37", "Booked spend does not fit the tokens", "telemetry"
)
OVER_REPLICATION = FailureMode(
    "over_replication", "F38", "More replicas than anybody needs", "cost"
)
IDLE_GPU = FailureMode("idle_gpu", "F39", "GPU held and not used", "cost")
ORPHANED_GPU_MEMORY = FailureMode(
    "orphaned_gpu_memory", "F40", "GPU memory held by nobody", "hardware"
)
GPU_LOST = FailureMode("gpu_lost", "F41", "GPU lost", "hardware")
GPU_MEMORY_FAULT = FailureMode(
    "gpu_memory_fault", "F42", "Uncorrectable GPU memory error", "hardware"
)
GPU_LINK_FAULT = FailureMode("gpu_link_fault", "F43", "NVLink or NVSwitch fault", "hardware")
GPU_DRIVER_HANG = FailureMode("gpu_driver_hang", "F44", "GPU driver or firmware hangs", "hardware")
GPU_THROTTLING = FailureMode(
    "gpu_throttling", "F45", "GPUs of a node are braked by heat or power", "hardware"
)
POD_PENDING = FailureMode("pod_pending", "F46", "Pod finds no GPU", "kubernetes")
DEVICE_PLUGIN_BROKEN = FailureMode(
    "device_plugin_broken", "F47", "Device plugin or driver broken", "kubernetes"
)
CONTAINER_LOST_GPU = FailureMode(
    "container_lost_gpu", "F48", "Running container lost its GPU", "kubernetes"
)
PULL_FAILURE = FailureMode("pull_failure", "F49", "Image or model cannot be pulled", "kubernetes")
DISK_FULL = FailureMode("disk_full", "F50", "Disk fills up", "kubernetes")
MASS_NODE_LOSS = FailureMode("mass_node_loss", "F51", "Many nodes lost at once", "kubernetes")
TARGETS_GONE = FailureMode("targets_gone", "F52", "Targets gone", "telemetry")
METRIC_RENAMED = FailureMode("metric_renamed", "F53", "Metric or label renamed", "telemetry")
STICKY_GPU_TELEMETRY = FailureMode(
    "sticky_gpu_telemetry", "F54", "GPU telemetry sticks or lies", "telemetry"
)
FAILURES_UNDERCOUNTED = FailureMode(
    "failures_undercounted", "F55", "Engine counts fewer failures than callers see", "telemetry"
)
PIPELINE_DROPS = FailureMode(
    "pipeline_drops", "F56", "Telemetry pipeline drops or delays data", "telemetry"
)
DOUBLE_COUNTING = FailureMode("double_counting", "F57", "Series doubled or exploding", "telemetry")

COST_SPIKE = FailureMode("cost_spike", "Y01", "Spend far above the same hour of the week", "cost")
ERROR_BURST = FailureMode("error_burst", "Y02", "Burst of errors", "errors")
TARGET_HUNG = FailureMode(
    "target_hung", "Y03", "Target accepts connections and does not answer", "telemetry"
)
LATENCY_BURN = FailureMode("latency_burn", "Y04", "Latency budget burns", "latency")
UNALLOCATED_GPU_PROCESS = FailureMode(
    "unallocated_gpu_process", "Y05", "Process on a GPU that it was not given", "hardware"
)
GPU_XID = FailureMode("gpu_xid", "Y21", "GPU reports an Xid of its hardware", "hardware")
GPU_RECOVERY_NEEDED = FailureMode(
    "gpu_recovery_needed", "Y22", "GPU driver asks for a recovery action", "hardware"
)
UNCLASSIFIED = FailureMode("unclassified", "Y99", "Alert of another system", "telemetry")

DEPLOY_WARM_UP = FailureMode("deploy_warm_up", "B01", "Deploy warm-up", "traffic")
TRAFFIC_SHIFT = FailureMode("traffic_shift", "B02", "Traffic moves between pools", "traffic")
NIGHTLY_BATCH = FailureMode("nightly_batch", "B03", "Nightly batch", "traffic")
SCALE_UP = FailureMode("scale_up", "B04", "Autoscale-up", "traffic")
MODEL_SWAP = FailureMode("model_swap", "B05", "Model swap", "traffic")
CLOCK_CHANGE = FailureMode("clock_change", "B06", "Daylight saving", "traffic")
MONDAY_RAMP = FailureMode("monday_ramp", "B07", "Monday ramp or holiday", "traffic")
CANARY = FailureMode("canary", "B08", "Canary", "traffic")
SCRAPE_GAP = FailureMode("scrape_gap", "B09", "Scrape gap", "telemetry")
COUNTER_RESET = FailureMode("counter_reset", "B10", "Counter reset", "telemetry")
PLANNED_DRAIN = FailureMode("planned_drain", "B11", "Planned node drain", "kubernetes")
LOAD_TEST = FailureMode("load_test", "B12", "Load test", "traffic")
POWER_CAP = FailureMode("power_cap", "B13", "Idle flags and power cap", "hardware")
APPLICATION_XID = FailureMode("application_xid", "B14", "Xid of an application", "hardware")
REPLICA_FLIP = FailureMode("replica_flip", "B15", "Scraper changes its replica", "telemetry")
PRICE_UPDATE = FailureMode("price_update", "B16", "Price list update", "cost")

ALL: tuple[FailureMode, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, FailureMode)
)
BY_WORD: dict[str, FailureMode] = {mode.word: mode for mode in ALL}
BY_CODE: dict[str, FailureMode] = {mode.code: mode for mode in ALL}
