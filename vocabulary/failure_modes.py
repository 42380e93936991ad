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
COLLECTIVE_HANG = FailureMode(
    "collective_hang", "F04", "GPUs spin in a collective that never ends", "errors"
)
RETRY_STORM = FailureMode("retry_storm", "F11", "Retry storm", "errors")
CAPACITY_SHORTAGE = FailureMode("capacity_shortage", "F14", "Capacity shortage", "saturation")
KV_EXHAUSTION = FailureMode(
    "kv_exhaustion", "F15", "KV cache exhausted, requests preempted", "saturation"
)
STRAGGLER_GPU = FailureMode("straggler_gpu", "F24", "Straggler GPU slows its replica", "hardware")
THROUGHPUT_REGRESSION = FailureMode(
    "throughput_regression", "F27", "Throughput regression at equal load", "throughput"
)
RUNAWAY_AGENT = FailureMode("runaway_agent", "F30", "Runaway agent loop", "cost")
LEAKED_KEY = FailureMode("leaked_key", "F31", "Leaked key abused", "cost")
TENANT_HOG = FailureMode("tenant_hog", "F32", "One tenant takes the capacity", "saturation")
CONTEXT_BLOAT = FailureMode("context_bloat", "F33", "Prompts grow", "cost")
GPU_LOST = FailureMode("gpu_lost", "F41", "GPU lost", "hardware")
GPU_MEMORY_FAULT = FailureMode(
    "gpu_memory_fault", "F42", "Uncorrectable GPU memory error", "hardware"
)
GPU_LINK_FAULT = FailureMode("gpu_link_fault", "F43", "NVLink or NVSwitch fault", "hardware")
GPU_DRIVER_HANG = FailureMode("gpu_driver_hang", "F44", "GPU driver or firmware hangs", "hardware")
GPU_THROTTLING = FailureMode(
    "gpu_throttling", "F45", "GPUs of a node are braked by heat or power", "hardware"
)
TARGETS_GONE = FailureMode("targets_gone", "F52", "Targets gone", "telemetry")
METRIC_RENAMED = FailureMode("metric_renamed", "F53", "Metric or label renamed", "telemetry")
COST_SPIKE = FailureMode("cost_spike", "Y01", "Spend far above the same hour of the week", "cost")
ERROR_BURST = FailureMode("error_burst", "Y02", "Burst of errors", "errors")
TARGET_HUNG = FailureMode(
    "target_hung", "Y03", "Target accepts connections and does not answer", "telemetry"
)
LATENCY_BURN = FailureMode("latency_burn", "Y04", "Latency budget burns", "latency")
GPU_XID = FailureMode("gpu_xid", "Y21", "GPU reports an Xid of its hardware", "hardware")
GPU_RECOVERY_NEEDED = FailureMode(
    "gpu_recovery_needed", "Y22", "GPU driver asks for a recovery action", "hardware"
)
UNCLASSIFIED = FailureMode("unclassified", "Y99", "Alert of another system", "telemetry")

NIGHTLY_BATCH = FailureMode("nightly_batch", "B03", "Nightly batch", "traffic")
MODEL_SWAP = FailureMode("model_swap", "B05", "Model swap", "traffic")
SCRAPE_GAP = FailureMode("scrape_gap", "B09", "Scrape gap", "telemetry")
COUNTER_RESET = FailureMode("counter_reset", "B10", "Counter reset", "telemetry")

ALL: tuple[FailureMode, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, FailureMode)
)
BY_WORD: dict[str, FailureMode] = {mode.word: mode for mode in ALL}
BY_CODE: dict[str, FailureMode] = {mode.code: mode for mode in ALL}
