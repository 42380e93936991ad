"""TensorRT-LLM's own server, `trtllm-serve`: `:8000/prometheus/metrics`.

Its `/metrics` is JSON, and reading it takes it away from the next reader: never name that path. The
page needs `return_perf_metrics: true`; running, waiting and cache need `enable_iter_perf_stats`.
The cache is counted in blocks and told here in tokens; a block that was found in part counts whole.
No counter moves at each step. `num_paused_requests` is a gauge of now and no count of preemptions.
Until 1.1 its names bore no prefix; those pages are not recognised.

Names, types, labels and bounds were read in `tensorrt_llm/metrics/collector.py` of the main branch
(commit 050f80d, 2026); no page of a running server was recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_TOKENS_A_BLOCK = "trtllm_kv_cache_tokens_per_block"
_REUSED = ("trtllm_kv_cache_reused_blocks_total",)
_MISSED = ("trtllm_kv_cache_missed_blocks_total",)
_SERVER_ERRORS = ("500", "502", "503", "504")
_WORDS = (
    Word(m.INPUT_TOKENS, ("trtllm_prompt_tokens_total",)),
    Word(m.INPUT_TOKENS_CACHED, ("trtllm_prompt_cached_tokens_total",)),
    Word(m.OUTPUT_TOKENS, ("trtllm_generation_tokens_total",), fixed=(("count_at", "finish"),)),
    Word(
        m.REQUESTS_FINISHED,
        ("trtllm_request_success_total",),
        take=(("finish_reason", "finished_reason"),),
    ),
    *(
        Word(metric, ("trtllm_request_error_total",), where=(("http_code", code),), fixed=(said,))
        for metric, said in (
            (m.REQUESTS_FINISHED, ("finish_reason", "error")),  # not among the successes
            (m.REQUESTS_FAILED, ("error_type", "http_5xx")),
        )
        for code in _SERVER_ERRORS
    ),
    Word(m.REQUESTS_RUNNING, ("trtllm_num_requests_running",)),
    Word(m.REQUESTS_WAITING, ("trtllm_num_requests_waiting",)),
    Word(m.KV_CACHE_UTILIZATION, ("trtllm_kv_cache_utilization",), how=max),
    Word(m.KV_CACHE_UTILIZATION_MEAN, ("trtllm_kv_cache_utilization",), how=fmean),
    Word(m.KV_CACHE_CAPACITY, ("trtllm_kv_cache_max_blocks",), times=_TOKENS_A_BLOCK),
    Word(m.PREFIX_CACHE_QUERIES, _REUSED, times=_TOKENS_A_BLOCK),
    Word(m.PREFIX_CACHE_QUERIES, _MISSED, times=_TOKENS_A_BLOCK),
    Word(m.PREFIX_CACHE_HITS, _REUSED, times=_TOKENS_A_BLOCK),
    Word(m.TIME_TO_FIRST_TOKEN, ("trtllm_time_to_first_token_seconds",)),
    Word(m.TIME_PER_OUTPUT_TOKEN, ("trtllm_time_per_output_token_seconds",)),
    Word(m.REQUEST_DURATION, ("trtllm_e2e_request_latency_seconds",)),
    Word(m.QUEUE_DURATION, ("trtllm_request_queue_time_seconds",)),
    # where Dynamo runs it with prefill apart (`dynamo/trtllm/metrics.py` of 1.6.1)
    Word(m.KV_TRANSFER_DURATION, ("trtllm_kv_transfer_latency_seconds",)),
    Word(m.KV_TRANSFER_BYTES, ("trtllm_kv_transfer_bytes",), part="sum"),
    Word(m.SPEC_DECODE_DRAFT_TOKENS, ("trtllm_spec_decode_num_draft_tokens_total",)),
    Word(m.SPEC_DECODE_ACCEPTED_TOKENS, ("trtllm_spec_decode_num_accepted_tokens_total",)),
)


@dataclass(frozen=True, slots=True)
class Trtllm(PageCollector):
    """The Prometheus page of trtllm-serve."""

    engine: ClassVar[str] = "trtllm"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("trtllm_",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
