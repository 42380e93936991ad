"""LMDeploy's API server: `:23333/metrics`, names after vLLM's with a prefix of their own.

Its outcomes are the names of its own enumeration (`ResponseType.FINISH`), which does not tell a
stop from a length. `iteration_tokens_total` is a histogram of what each request gained by a step,
so that its count is no count of steps: generated tokens are the heartbeat.

Names were read in the sources of 2025 (commit 7c8d16f) and of 0.16.0; no page of a running server
was recorded. Its `num_requests_failed` is a gauge of what no version explains, and left alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import PageLabels, Word, clean
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_ENUM = "ResponseType."
_OUTCOMES = {
    "SUCCESS": "unknown",
    "FINISH": "unknown",
    "CANCEL": "abort",
    "ENGINE_STOP_ERROR": "error",
    "INTERNAL_ENGINE_ERROR": "error",
    "NO_QUEUE": "error",
    "INPUT_LENGTH_ERROR": "error",
    "SESSION_REPEAT": "error",
    "SESSION_NOT_EXIST": "error",
    "HANDLER_NOT_EXIST": "error",
}
_FAILURES = ("ENGINE_STOP_ERROR", "INTERNAL_ENGINE_ERROR", "NO_QUEUE")
"""Outcomes that are the server's fault: a prompt that is too long and a session that does not exist
are the caller's."""
_FINISHED = ("lmdeploy:request_success_total",)


def _outcome(page: PageLabels) -> Mapping[str, str]:
    said = page.get("finished_reason", "").removeprefix(_ENUM)
    return {"finish_reason": _OUTCOMES.get(said, clean(said)) or "unknown"}


_WORDS = (
    Word(m.INPUT_TOKENS, ("lmdeploy:prompt_tokens_total",)),
    Word(m.INPUT_TOKENS_CACHED, ("lmdeploy:cached_tokens_total",)),
    Word(m.OUTPUT_TOKENS, ("lmdeploy:generation_tokens_total",), fixed=(("count_at", "step"),)),
    Word(
        m.REQUESTS_FINISHED,
        _FINISHED,
        label=_outcome,
        raw=(Word(m.REQUESTS_FINISHED, _FINISHED, take=(("finish_reason", "finished_reason"),)),),
    ),
    *(
        Word(
            m.REQUESTS_FAILED,
            _FINISHED,
            where=(("finished_reason", _ENUM + name),),
            fixed=(("error_type", name.lower()),),
        )
        for name in _FAILURES
    ),
    Word(m.REQUESTS_RUNNING, ("lmdeploy:num_requests_running",)),
    Word(m.REQUESTS_WAITING, ("lmdeploy:num_requests_waiting",)),
    Word(m.KV_CACHE_UTILIZATION, ("lmdeploy:gpu_cache_usage_perc",), how=max),
    Word(m.KV_CACHE_UTILIZATION_MEAN, ("lmdeploy:gpu_cache_usage_perc",), how=fmean),
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
