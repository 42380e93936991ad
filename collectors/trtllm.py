"""TensorRT-LLM's own server, `trtllm-serve`: `:8000/prometheus/metrics`.

Its `/metrics` is JSON, and reading it takes it away from the next reader: never name that path. The
page needs `return_perf_metrics: true`; running, waiting and cache need `enable_iter_perf_stats`.
Until 1.1 its names bore no prefix; those pages are not recognised.

Unproven: names and labels were read in the main branch's source (commit 050f80d, 2026); no page of
a running server was recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

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
        Word(
            m.REQUESTS_FAILED,
            ("trtllm_request_error_total",),
            where=(("http_code", code),),
            fixed=(("error_type", "http_5xx"),),
        )
        for code in ("500", "502", "503", "504")
    ),
    Word(m.REQUESTS_RUNNING, ("trtllm_num_requests_running",)),
    Word(m.REQUESTS_WAITING, ("trtllm_num_requests_waiting",)),
    Word(m.KV_CACHE_UTILIZATION, ("trtllm_kv_cache_utilization",), how=max),
    Word(m.TIME_TO_FIRST_TOKEN, ("trtllm_time_to_first_token_seconds",)),
    Word(m.TIME_PER_OUTPUT_TOKEN, ("trtllm_time_per_output_token_seconds",)),
    Word(m.REQUEST_DURATION, ("trtllm_e2e_request_latency_seconds",)),
    Word(m.QUEUE_DURATION, ("trtllm_request_queue_time_seconds",)),
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
