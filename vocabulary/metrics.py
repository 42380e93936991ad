"""Every metric Tidegauge knows, once: name, kind, unit, labels, meaning, OpenTelemetry name.

Names are in Prometheus form; `otel` is the name the same instrument bears over OTLP. Where
OpenTelemetry's GenAI, `hw.*` or `k8s.*` conventions have a word, it is theirs; everything else
lives under `tidegauge.`. Upstream spellings never appear here: they are known to the one
collector that reads them.
"""

from dataclasses import dataclass
from enum import StrEnum

TARGET_LABELS = (
    "cluster",
    "node",
    "namespace",
    "pod",
    "pool",
    "replica",
    "model",
    "engine",
    "vantage",
    "version",
    "tenant",
    "gpu",
)
"""Labels any series may carry: who it is about. Set by us after the source's own labels, so that
a target cannot claim another's name. `replica` and `gpu` are entity ids; `engine` is the kind of
server (`vllm`), `version` its release or revision, `vantage` one of engine, router, gateway."""


class Kind(StrEnum):
    """How a metric's values behave over time."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One word for something that can be measured."""

    name: str
    kind: Kind
    unit: str
    """UCUM unit, `{token}` style for things that are counted."""
    help: str
    otel: str
    labels: tuple[str, ...] = ()
    """Labels of its own, beyond TARGET_LABELS."""

    def __str__(self) -> str:
        """Its name, so that queries and pages can be f-strings."""
        return self.name

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names its samples bear in a Prometheus page."""
        if self.kind is Kind.HISTOGRAM:
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def _counter(otel: str, unit: str, help_text: str, *labels: str, prom: str | None = None) -> Metric:
    stem = prom or otel.replace(".", "_")
    return Metric(f"{stem}_total", Kind.COUNTER, unit, help_text, otel, labels)


def _gauge(otel: str, unit: str, help_text: str, *labels: str, suffix: str = "") -> Metric:
    return Metric(otel.replace(".", "_") + suffix, Kind.GAUGE, unit, help_text, otel, labels)


def _histogram(otel: str, help_text: str, *labels: str) -> Metric:
    name = otel.replace(".", "_") + "_seconds"
    return Metric(name, Kind.HISTOGRAM, "s", help_text, otel, labels)


# -- what an engine, router or gateway did (S1-S19 of the telemetry dictionary) -------------------

INPUT_TOKENS = _counter(
    "tidegauge.llm.input_tokens", "{token}", "Prompt tokens of admitted requests, cached included."
)
INPUT_TOKENS_CACHED = _counter(
    "tidegauge.llm.input_tokens.cached",
    "{token}",
    "The part of the input tokens that was read from a cache instead of computed.",
)
OUTPUT_TOKENS = _counter(
    "tidegauge.llm.output_tokens",
    "{token}",
    "Generated tokens; count_at says whether each step or only the finished request counts.",
    "count_at",
)
REQUESTS_FINISHED = _counter(
    "tidegauge.llm.requests.finished",
    "{request}",
    "Requests that ended, whatever the outcome.",
    "finish_reason",
)
REQUESTS_FAILED = _counter(
    "tidegauge.llm.requests.failed",
    "{request}",
    "Requests that failed in the engine or over HTTP; never a client's own abort.",
    "error_type",
)
REQUESTS_RUNNING = _gauge(
    "tidegauge.llm.requests.running", "{request}", "Requests in the batch, over all ranks."
)
REQUESTS_WAITING = _gauge(
    "tidegauge.llm.requests.waiting", "{request}", "Requests in the queue, over all ranks."
)
KV_CACHE_UTILIZATION = _gauge(
    "tidegauge.llm.kv_cache.utilization", "1", "Share of KV cache blocks in use.", suffix="_ratio"
)
KV_CACHE_UTILIZATION_MEAN = _gauge(
    "tidegauge.llm.kv_cache.utilization.mean",
    "1",
    "Share of KV cache blocks in use, on average over the engines of one replica.",
    suffix="_ratio",
)
KV_CACHE_CAPACITY = _gauge(
    "tidegauge.llm.kv_cache.capacity", "{token}", "Tokens the KV cache can hold.", suffix="_tokens"
)
PREEMPTIONS = _counter(
    "tidegauge.llm.preemptions", "{event}", "Requests put back to the queue for want of KV blocks."
)
ENGINE_STEPS = _counter(
    "tidegauge.llm.engine.steps",
    "{step}",
    "Scheduler steps that ran: the heartbeat that must move while work is queued.",
)
ENGINE_TOKENS = _counter(
    "tidegauge.llm.engine.tokens",
    "{token}",
    "Tokens worked through, prompt and output, counted as it happens: the heartbeat of an engine "
    "that does not count its steps.",
)
ENGINE_AWAKE = _gauge("tidegauge.llm.engine.awake", "1", "1 unless the engine was put to sleep.")
ENGINE_START_TIME = _gauge(
    "tidegauge.llm.engine.start_time", "s", "Unix time the server started.", suffix="_seconds"
)
TIME_TO_FIRST_TOKEN = _histogram(
    "gen_ai.server.time_to_first_token", "Arrival to first token, queue and prefill included."
)
TIME_PER_OUTPUT_TOKEN = _histogram(
    "gen_ai.server.time_per_output_token", "Mean time per output token after the first, by request."
)
INTER_TOKEN_LATENCY = _histogram(
    "tidegauge.llm.inter_token_latency", "Time between engine outputs of one request, by step."
)
REQUEST_DURATION = _histogram("gen_ai.server.request.duration", "Arrival to last token.")
QUEUE_DURATION = _histogram("tidegauge.llm.queue.duration", "Time a request waited in the queue.")
PREFIX_CACHE_QUERIES = _counter(
    "tidegauge.llm.prefix_cache.queries", "{token}", "Tokens looked up in the prefix cache."
)
PREFIX_CACHE_HITS = _counter(
    "tidegauge.llm.prefix_cache.hits", "{token}", "Tokens found in the prefix cache."
)
SPEC_DECODE_DRAFT_TOKENS = _counter(
    "tidegauge.llm.spec_decode.draft_tokens", "{token}", "Tokens proposed by the draft model."
)
SPEC_DECODE_ACCEPTED_TOKENS = _counter(
    "tidegauge.llm.spec_decode.accepted_tokens", "{token}", "Draft tokens the model accepted."
)
KV_TRANSFER_DURATION = _histogram(
    "tidegauge.llm.kv_transfer.duration",
    "From when the KV cache of a prompt was sent for until all of it had come.",
)
KV_TRANSFER_BYTES = _counter(
    "tidegauge.llm.kv_transfer.bytes", "By", "KV cache moved from one engine to another."
)
KV_TRANSFERS_FAILED = _counter(
    "tidegauge.llm.kv_transfer.failed", "{transfer}", "Transfers of KV cache that did not come."
)
KV_TRANSFERS_EXPIRED = _counter(
    "tidegauge.llm.kv_transfer.expired",
    "{request}",
    "Prompts whose KV cache was kept for another engine until its lease was over.",
)
LORA_ACTIVE = _gauge("tidegauge.llm.lora.active", "{adapter}", "Adapters with requests in flight.")
LORA_WAITING = _gauge(
    "tidegauge.llm.lora.waiting", "{adapter}", "Adapters whose requests wait for a slot."
)
PROCESS_MEMORY = _gauge(
    "tidegauge.process.memory",
    "By",
    "Host memory that the server's front process holds resident.",
    suffix="_bytes",
)
PROCESS_CPU = _counter(
    "tidegauge.process.cpu",
    "s",
    "Processor time that the server's front process has used.",
    prom="tidegauge_process_cpu_seconds",
)
MODELS_LOADED = _gauge(
    "tidegauge.llm.models.loaded", "{model}", "Models in memory, of a server that swaps them."
)
MODEL_MEMORY = _gauge(
    "tidegauge.llm.model.memory",
    "By",
    "Memory that a loaded model takes, context included: on the `device`, or of the `host`.",
    "place",
    suffix="_bytes",
)

# -- what only a gateway sees ---------------------------------------------------------------------

GATEWAY_OPERATIONS = _counter(
    "tidegauge.gateway.operations", "{operation}", "Calls users made, each counted once.", "status"
)
GATEWAY_ATTEMPTS = _counter(
    "tidegauge.gateway.attempts", "{attempt}", "Calls made upstream, retries included.", "outcome"
)
GATEWAY_FALLBACKS = _counter(
    "tidegauge.gateway.fallbacks",
    "{operation}",
    "Calls that another model answered than the one they asked for, by the one that was asked.",
)
GATEWAY_IN_FLIGHT = _gauge(
    "tidegauge.gateway.in_flight", "{operation}", "Calls a gateway has taken and not yet answered."
)
GATEWAY_SPEND = _counter(
    "tidegauge.gateway.spend",
    "[USD]",
    "What the gateway itself booked.",
    prom="tidegauge_gateway_spend_usd",
)
CLIENT_TOKEN_USAGE = Metric(
    "gen_ai_client_token_usage",
    Kind.HISTOGRAM,
    "{token}",
    "Tokens per call as an instrumented client saw them; subsets overlap, never sum over types.",
    "gen_ai.client.token.usage",
    ("token_type", "operation"),
)
CLIENT_OPERATION_DURATION = _histogram(
    "gen_ai.client.operation.duration",
    "Duration of a call as an instrumented client saw it.",
    "operation",
    "error_type",
)

# -- GPUs -----------------------------------------------------------------------------------------

GPU_INFO = _gauge(
    "tidegauge.gpu.info", "1", "1 for what a GPU is, and where.", "index", "product", "driver"
)
GPU_UTILIZATION = _gauge(
    "hw.gpu.utilization", "1", "Share of the sample period in which a kernel ran.", suffix="_ratio"
)
GPU_MEMORY_USAGE = _gauge("hw.gpu.memory.usage", "By", "Device memory in use.", suffix="_bytes")
GPU_MEMORY_LIMIT = _gauge("hw.gpu.memory.limit", "By", "Device memory there is.", suffix="_bytes")
GPU_MEMORY_RESERVED = _gauge(
    "tidegauge.gpu.memory_reserved",
    "By",
    "Device memory that driver and firmware keep for themselves, not part of what is used.",
    suffix="_bytes",
)
GPU_MEMORY_BUSY = _gauge(
    "tidegauge.gpu.memory_busy",
    "1",
    "Share of the sample period in which device memory was read or written.",
    suffix="_ratio",
)
GPU_BAR1 = _gauge(
    "tidegauge.gpu.bar1",
    "By",
    "Window through which the host and peers reach device memory: `used`, and the `limit`.",
    "part",
    suffix="_bytes",
)
GPU_POWER = _gauge("hw.power", "W", "Board power draw.", suffix="_watts")
GPU_POWER_READING = _gauge(
    "tidegauge.gpu.power_reading",
    "W",
    "Board power, told apart: `average` of a second, or the `instant`.",
    "window",
    suffix="_watts",
)
GPU_POWER_LIMIT = _gauge(
    "tidegauge.gpu.power_limit", "W", "Enforced board power limit.", suffix="_watts"
)
GPU_ENERGY = _counter(
    "hw.energy", "J", "Energy since the driver was loaded.", prom="hw_energy_joules"
)
GPU_TEMPERATURE = _gauge("hw.temperature", "Cel", "Temperature of the GPU core.", suffix="_celsius")
GPU_TEMPERATURE_LIMIT = _gauge(
    "tidegauge.gpu.temperature_limit",
    "Cel",
    "Temperature at which the named thing happens: slowdown, shutdown, gpu_max, memory_max.",
    "threshold",
    suffix="_celsius",
)
GPU_TEMPERATURE_MARGIN = _gauge(
    "tidegauge.gpu.temperature_margin",
    "Cel",
    "Degrees left until the nearest limit brakes the GPU.",
    suffix="_celsius",
)
GPU_ERRORS = _counter("hw.errors", "{error}", "Memory errors by kind.", "error_type")
GPU_ERRORS_LIFETIME = _counter(
    "tidegauge.gpu.errors_lifetime",
    "{error}",
    "Memory errors by kind over the board's life; a reload of the driver does not reset it.",
    "error_type",
)
GPU_SRAM_ERRORS = _counter(
    "tidegauge.gpu.sram_errors",
    "{error}",
    "Errors in on-chip memory over the board's life, by kind.",
    "error_type",
)
GPU_SRAM_THRESHOLD = _gauge(
    "tidegauge.gpu.sram_threshold_exceeded",
    "1",
    "1 once uncorrectable errors in on-chip memory are more than the maker allows.",
)
GPU_SM_CLOCK = _gauge("tidegauge.gpu.sm_clock", "Hz", "Clock of the SMs now.", suffix="_hertz")
GPU_SM_CLOCK_MAX = _gauge(
    "tidegauge.gpu.sm_clock_max", "Hz", "Highest clock the SMs may reach.", suffix="_hertz"
)
GPU_MEMORY_CLOCK = _gauge(
    "tidegauge.gpu.memory_clock", "Hz", "Clock of device memory now.", suffix="_hertz"
)
GPU_MEMORY_CLOCK_MAX = _gauge(
    "tidegauge.gpu.memory_clock_max", "Hz", "Highest clock of device memory.", suffix="_hertz"
)
GPU_THROTTLED = _gauge(
    "tidegauge.gpu.throttled", "1", "1 while the named reason holds the clocks down.", "reason"
)
GPU_XID_EVENTS = _counter(
    "tidegauge.gpu.xid_events",
    "{event}",
    "Xid events seen, by code and by who saw them: one event may have several sources, so take the "
    "largest, never the sum.",
    "xid",
    "source",
)
NVSWITCH_SXID_EVENTS = _counter(
    "tidegauge.nvswitch.sxid_events",
    "{event}",
    "SXid events of NVLink switches, by code and severity.",
    "sxid",
    "severity",
    "switch",
)
GPU_REMAPPED_ROWS = _gauge(
    "tidegauge.gpu.remapped_rows", "{row}", "Memory rows the driver has remapped.", "error_type"
)
GPU_REMAPPER_BANKS = _gauge(
    "tidegauge.gpu.remapper_banks",
    "{bank}",
    "Memory banks by how many spare rows they have left: max, high, partial, low, none.",
    "spare",
)
GPU_RETIRED_PAGES = _gauge(
    "tidegauge.gpu.retired_pages",
    "{page}",
    "Memory pages retired before Ampere, by cause; `pending` is 1 while some wait for a reset.",
    "cause",
)
GPU_TENSOR_ACTIVE = _gauge(
    "tidegauge.gpu.tensor_active", "1", "Share of cycles with a tensor pipe busy.", suffix="_ratio"
)
GPU_DRAM_ACTIVE = _gauge(
    "tidegauge.gpu.dram_active",
    "1",
    "Share of cycles that moved data to or from device memory.",
    suffix="_ratio",
)
GPU_SM_ACTIVE = _gauge(
    "tidegauge.gpu.sm_active", "1", "Share of the SMs that were busy.", suffix="_ratio"
)
GPU_SM_OCCUPANCY = _gauge(
    "tidegauge.gpu.sm_occupancy", "1", "Warps resident, of those SMs could hold.", suffix="_ratio"
)
GPU_CODEC_UTILIZATION = _gauge(
    "tidegauge.gpu.codec_utilization",
    "1",
    "Share of the sample period in which the video encoder or decoder worked.",
    "task",
    suffix="_ratio",
)
GPU_MEMORY_TEMPERATURE = _gauge(
    "tidegauge.gpu.memory_temperature", "Cel", "Temperature of device memory.", suffix="_celsius"
)
GPU_THROTTLED_TIME = _counter(
    "tidegauge.gpu.throttled_time",
    "s",
    "Time the named reason held the clocks down, also between two readings.",
    "reason",
    prom="tidegauge_gpu_throttled_seconds",
)
GPU_IO = _counter(
    "hw.gpu.io", "By", "Moved over PCIe; may wrap.", "direction", prom="hw_gpu_io_bytes"
)
GPU_PCIE_ERRORS = _counter("tidegauge.gpu.pcie_errors", "{error}", "PCIe errors.", "error_type")
GPU_NVLINK_IO = _counter(
    "tidegauge.gpu.nvlink_io",
    "By",
    "Data moved over all NVLinks.",
    "direction",
    prom="tidegauge_gpu_nvlink_io_bytes",
)
GPU_NVLINK_ERRORS = _counter(
    "tidegauge.gpu.nvlink_errors", "{error}", "NVLink errors over all links.", "error_type"
)
GPU_NVLINKS = _gauge(
    "tidegauge.gpu.nvlinks", "{link}", "NVLinks of a GPU that are `up` and `down`.", "state"
)
GPU_FABRIC_STATE = _gauge(
    "tidegauge.gpu.fabric_state",
    "1",
    "1 for how far the GPU has joined its fabric.",
    "state",
)
GPU_FABRIC_FAULT = _gauge(
    "tidegauge.gpu.fabric_fault", "1", "1 while the NVLink fabric has the named fault.", "fault"
)
GPU_MIG_MODE = _gauge(
    "tidegauge.gpu.mig_mode",
    "1",
    "1 while the GPU is cut into MIG instances; `pending` is what its next reset brings.",
    "when",
)
GPU_MIG_INSTANCE = _gauge(
    "tidegauge.gpu.mig_instance",
    "1",
    "1 for each MIG instance (`gpu`) of a GPU (`parent`, whose memory counts it too).",
    "parent",
    "product",
    "gpu_instance",
    "compute_instance",
)
GPU_PROCESS_UTILIZATION = _gauge(
    "tidegauge.gpu.process_utilization",
    "1",
    "SM time of one process since the last reading.",
    "pid",
    "owner",
    "command",
    suffix="_ratio",
)
GPU_PROCESS_MEMORY = _gauge(
    "tidegauge.gpu.process_memory",
    "By",
    "Device memory held by one process.",
    "pid",
    "owner",
    "command",
    suffix="_bytes",
)
GPU_ALLOCATION = _gauge(
    "tidegauge.gpu.allocation",
    "1",
    "1 for each replica that has been given this GPU; `sharing` says that it was given a slot.",
    "sharing",
    "claim",
)
GPU_PROCESSES = _gauge("tidegauge.gpu.processes", "{process}", "Processes that use the GPU.")
SHARE_LABELS = ("mig", "owner", "command", "basis")
"""Of every share. The `gpu` is always the whole device, so that shares of one metric sum to it by
`gpu`; `mig` is the uuid of the MIG instance a share is of. `owner`: `pod`, `unallocated` (a process
on a GPU that it was not given), and what is left: `unattributed`, or `idle` for time. `basis`:
`whole` (the device's one owner), `instance`, `processes` (measured), `even`, `estimate`, `rest`."""
GPU_SHARE_UTILIZATION = _gauge(
    "tidegauge.gpu.share.utilization",
    "1",
    "Part of the GPU's utilisation that one owner made; summed by gpu it is the GPU's.",
    *SHARE_LABELS,
    suffix="_ratio",
)
GPU_SHARE_MEMORY = _gauge(
    "tidegauge.gpu.share.memory",
    "By",
    "Part of the device memory in use that one owner holds; summed by gpu it is the GPU's.",
    *SHARE_LABELS,
    suffix="_bytes",
)
GPU_SHARE_POWER = _gauge(
    "tidegauge.gpu.share.power",
    "W",
    "Part of the board's power that one owner draws; summed by gpu it is the GPU's.",
    *SHARE_LABELS,
    suffix="_watts",
)
GPU_SHARE_ENERGY = _counter(
    "tidegauge.gpu.share.energy",
    "J",
    "Part of the board's energy that one owner used; its growth summed by gpu is the GPU's.",
    *SHARE_LABELS[:-1],
    prom="tidegauge_gpu_share_energy_joules",
)
GPU_SHARE_TIME = _gauge(
    "tidegauge.gpu.share.time",
    "1",
    "Part of the GPU's time that is one owner's to pay for; summed by gpu it is 1.",
    *SHARE_LABELS,
    suffix="_ratio",
)
GPU_RECOVERY_ACTION = _gauge(
    "tidegauge.gpu.recovery_action", "1", "1 for what the driver says the GPU needs.", "action"
)

DECODE_STEP_CEILING = _gauge(
    "tidegauge.llm.decode_step_ceiling",
    "{step}/s",
    "Scheduler steps a second that the memory bandwidth of a replica's GPUs allows at most, when "
    "each step reads the weights and the KV cache in use once.",
)

# -- targets, replicas, money, and ourselves ------------------------------------------------------

TARGET_UP = _gauge(
    "tidegauge.target.up",
    "1",
    "1 when the page was read; 0 with the verdict that says why not.",
    "target",
    "verdict",
)
TARGET_SCRAPE_DURATION = _gauge(
    "tidegauge.target.scrape_duration", "s", "Time the last read took.", "target", suffix="_seconds"
)
TARGET_SAMPLES = _gauge(
    "tidegauge.target.samples", "{sample}", "Samples the last read gave.", "target"
)
TARGET_REFUSALS = _counter(
    "tidegauge.target.refusals",
    "{page}",
    "Pages of which nothing was kept because one of our limits was met: time, bytes, lines, …",
    "target",
    "limit",
)
REPLICA_STATE = _gauge("tidegauge.replica.state", "1", "1 for the state a replica is in.", "state")
REPLICAS_DESIRED = _gauge(
    "tidegauge.pool.replicas_desired", "{replica}", "Replicas the pool's controller asks for."
)
COST = _counter(
    "tidegauge.cost",
    "[USD]",
    "Priced usage; basis says whether tokens at list price or GPU time paid for it.",
    "basis",
    prom="tidegauge_cost_usd",
)
UNPRICED_TOKENS = _counter(
    "tidegauge.cost.unpriced_tokens", "{token}", "Tokens used whose price is not known."
)
COLLECTOR_DURATION = _gauge(
    "tidegauge.collector.duration", "s", "Time one collector took.", "collector", suffix="_seconds"
)
COLLECTOR_FAILURES = _counter(
    "tidegauge.collector.failures", "{failure}", "Collections that failed.", "collector", "reason"
)
DETECTOR_DURATION = _gauge(
    "tidegauge.detector.duration", "s", "Time one detector took.", "detector", suffix="_seconds"
)
DETECTOR_FAILURES = _counter(
    "tidegauge.detector.failures", "{failure}", "Detections that failed.", "detector"
)
SAMPLES_STORED = _counter("tidegauge.store.samples", "{sample}", "Samples written to the store.")
WATERMARK_AGE = _gauge(
    "tidegauge.pipeline.watermark_age",
    "s",
    "Age of the newest moment the pipeline has judged.",
    suffix="_seconds",
)
INCIDENTS_OPEN = _gauge("tidegauge.incidents.open", "{incident}", "Incidents open now.", "severity")
BEHAVIOUR_SERIES = _gauge(
    "tidegauge.behaviour.series", "{series}", "Series that the live engine follows."
)
BEHAVIOUR_STATEMENTS = _counter(
    "tidegauge.behaviour.statements", "{statement}", "Entities said to behave unusually."
)
BEHAVIOUR_ALLOWED = _gauge(
    "tidegauge.behaviour.allowed_per_week",
    "{statement}",
    "False statements of unusual behaviour that the whole fleet may cost in a week.",
)
BEHAVIOUR_BAR = _gauge(
    "tidegauge.behaviour.bar", "1", "Evidence from which an entity behaves unusually now."
)
BEHAVIOUR_BUDGET_RATIO = _gauge(
    "tidegauge.behaviour.realised_to_allowed",
    "1",
    "Statements made over statements allowed, of the last weeks; unknown while hardly any are.",
    suffix="_ratio",
)
NOTIFICATIONS = _counter(
    "tidegauge.notifications", "{notification}", "Notifications by outcome.", "receiver", "outcome"
)
OTLP_REFUSED = _counter(
    "tidegauge.otlp.refused", "{request}", "OTLP requests refused, by reason.", "reason"
)
OTLP_FORWARDED = _counter(
    "tidegauge.otlp.forwarded", "{request}", "OTLP requests sent on, by what became of them.",
    "outcome",
)  # fmt: skip
SAMPLES_DROPPED = _counter(
    "tidegauge.limits.samples_dropped", "{sample}", "Samples dropped by a limit.", "limit"
)

ALL: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""Every metric, in the order of this file."""

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in ALL}
BY_SERIES_NAME: dict[str, Metric] = {name: metric for metric in ALL for name in metric.series_names}
BY_OTEL: dict[str, Metric] = {metric.otel: metric for metric in ALL}
