"""vLLM, from V0 to 0.33: on its own port, inside Triton, or through Ray's metrics agent.

Names were read in the sources of vLLM 0.10.0, 0.12.0, 0.20.0 and 0.33.0 and in recorded pages of
V0, Ray 2.32, 0.32.0 and 0.33.0. Ray's agent repeats the names as `ray_vllm:` or `ray_vllm_`, on its
own port and for its whole node: read it or the pod's page, not both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import PageLabels, Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric


def _spelled(*names: str) -> tuple[str, ...]:
    """Each name as vLLM writes it, and as Ray Serve repeats it."""
    return tuple(f"{prefix}{name}" for name in names for prefix in ("vllm:", "ray_vllm:"))


def _kv_capacity(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """Blocks times block size of every engine; both hide in the labels of an info series."""
    try:
        tokens = [float(one["num_gpu_blocks"]) * float(one["block_size"]) for one, _ in found]
    except (KeyError, ValueError):  # `None` until the engine has profiled its memory
        return None
    return sum(tokens)


def _adapters(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """Adapters running in the newest series: a value is when it was written, and old ones stay.

    vllm#13303, llm-d-router#2605.
    """
    newest, _ = max(found, key=lambda one: one[1])
    return float(len([name for name in newest.get("running_lora_adapters", "").split(",") if name]))


_WORDS = (
    Word(m.INPUT_TOKENS, _spelled("prompt_tokens_total")),
    Word(m.INPUT_TOKENS_CACHED, _spelled("prompt_tokens_cached_total")),
    Word(m.OUTPUT_TOKENS, _spelled("generation_tokens_total"), fixed=(("count_at", "step"),)),
    Word(
        m.REQUESTS_FINISHED,
        _spelled("request_success_total"),  # despite its name, aborts and errors are in it
        take=(("finish_reason", "finished_reason"),),
    ),
    # Three views of failure that overlap where a finished request with an error also was a 5xx;
    # a stream that breaks is only in the first, a dead engine only in the second.
    Word(
        m.REQUESTS_FAILED,
        _spelled("request_success_total"),
        where=(("finished_reason", "error"),),
        fixed=(("error_type", "engine"),),
    ),
    Word(
        m.REQUESTS_FAILED,
        ("http_requests_total",),
        where=(("status", "5xx"),),
        fixed=(("error_type", "http_5xx"),),
    ),
    Word(
        m.REQUESTS_FAILED,
        _spelled("admission_rejections_total"),
        take=(("error_type", "reason"),),
    ),
    Word(m.REQUESTS_RUNNING, _spelled("num_requests_running")),
    Word(m.REQUESTS_WAITING, _spelled("num_requests_waiting")),
    Word(m.KV_CACHE_UTILIZATION, _spelled("kv_cache_usage_perc", "gpu_cache_usage_perc"), how=max),
    Word(m.KV_CACHE_CAPACITY, _spelled("cache_config_info"), whole=_kv_capacity),
    Word(m.PREEMPTIONS, _spelled("num_preemptions_total")),
    Word(m.ENGINE_STEPS, _spelled("iteration_tokens_total"), part="count"),
    Word(
        m.ENGINE_AWAKE,
        _spelled("engine_sleep_state"),
        where=(("sleep_state", "awake"),),
        how=min,
    ),
    Word(m.ENGINE_START_TIME, ("process_start_time_seconds",), how=max),
    Word(m.TIME_TO_FIRST_TOKEN, _spelled("time_to_first_token_seconds")),
    Word(m.TIME_PER_OUTPUT_TOKEN, _spelled("request_time_per_output_token_seconds")),
    # until 0.12 the gap between tokens bore the name of the mean per token
    Word(
        m.INTER_TOKEN_LATENCY,
        _spelled("inter_token_latency_seconds", "time_per_output_token_seconds"),
    ),
    Word(m.REQUEST_DURATION, _spelled("e2e_request_latency_seconds")),
    Word(m.QUEUE_DURATION, _spelled("request_queue_time_seconds")),
    Word(
        m.PREFIX_CACHE_QUERIES,
        _spelled("prefix_cache_queries_total", "gpu_prefix_cache_queries_total"),
    ),
    Word(m.PREFIX_CACHE_HITS, _spelled("prefix_cache_hits_total", "gpu_prefix_cache_hits_total")),
    Word(m.SPEC_DECODE_DRAFT_TOKENS, _spelled("spec_decode_num_draft_tokens_total")),
    Word(m.SPEC_DECODE_ACCEPTED_TOKENS, _spelled("spec_decode_num_accepted_tokens_total")),
    Word(m.LORA_ACTIVE, _spelled("lora_requests_info"), whole=_adapters),
)


@dataclass(frozen=True, slots=True)
class Vllm(PageCollector):
    """vLLM's page, all engines (data-parallel ranks) of one server brought together."""

    engine: ClassVar[str] = "vllm"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("vllm:", "ray_vllm:")
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
