"""LMDeploy's API server: `:23333/metrics`, names after vLLM's with a prefix of their own.

Unproven: names were read in the source of 0.16.0; no page of a running server was recorded. Its
`num_requests_failed` is a gauge of what no version explains, and left alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_WORDS = (
    Word(m.INPUT_TOKENS, ("lmdeploy:prompt_tokens_total",)),
    Word(m.INPUT_TOKENS_CACHED, ("lmdeploy:cached_tokens_total",)),
    Word(m.OUTPUT_TOKENS, ("lmdeploy:generation_tokens_total",), fixed=(("count_at", "step"),)),
    Word(
        m.REQUESTS_FINISHED,
        ("lmdeploy:request_success_total",),
        take=(("finish_reason", "finished_reason"),),
    ),
    Word(
        m.REQUESTS_FAILED,
        ("lmdeploy:request_success_total",),
        where=(("finished_reason", "error"),),
        fixed=(("error_type", "engine"),),
    ),
    Word(m.REQUESTS_RUNNING, ("lmdeploy:num_requests_running",)),
    Word(m.REQUESTS_WAITING, ("lmdeploy:num_requests_waiting",)),
    Word(m.KV_CACHE_UTILIZATION, ("lmdeploy:gpu_cache_usage_perc",), how=max),
    Word(m.TIME_TO_FIRST_TOKEN, ("lmdeploy:time_to_first_token_seconds",)),
    Word(m.TIME_PER_OUTPUT_TOKEN, ("lmdeploy:time_per_output_token_seconds",)),
    Word(m.INTER_TOKEN_LATENCY, ("lmdeploy:iter_token_latency",)),  # seconds, by its bounds
    Word(m.REQUEST_DURATION, ("lmdeploy:e2e_request_latency_seconds",)),
    Word(m.QUEUE_DURATION, ("lmdeploy:request_queue_time_seconds",)),
    Word(m.SPEC_DECODE_DRAFT_TOKENS, ("lmdeploy:spec_decode_num_draft_tokens_total",)),
    Word(m.SPEC_DECODE_ACCEPTED_TOKENS, ("lmdeploy:spec_decode_num_accepted_tokens_total",)),
)


@dataclass(frozen=True, slots=True)
class Lmdeploy(PageCollector):
    """LMDeploy's page, all engines of one server brought together."""

    engine: ClassVar[str] = "lmdeploy"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("lmdeploy:",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
