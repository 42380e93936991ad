"""llm-d's endpoint picker (EPP), the Gateway API inference extension's router: `:9090/metrics`.

The same numbers stand there under the new names and under up to two older ones; only the newest
that a page holds is read. Averages over the pool are left alone: the engines say the same, each for
itself. `fairness_id` is what a caller's header says and does not become a tenant.

The `llm_d_epp_` names were read in the project's own test data, family by family; the older ones in
its sources. No page of a running router was recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric


def _spelled(new: str, old: str) -> tuple[str, ...]:
    return (f"llm_d_epp_{new}", f"inference_objective_{old}", f"inference_model_{old}")


_DURATION = _spelled("request_duration_seconds", "request_duration_seconds")
_WORDS = (
    Word(m.INPUT_TOKENS, _spelled("request_input_tokens", "input_tokens"), part="sum"),
    Word(m.INPUT_TOKENS_CACHED, ("llm_d_epp_request_cached_tokens",), part="sum"),
    Word(
        m.OUTPUT_TOKENS,
        _spelled("request_output_tokens", "output_tokens"),
        part="sum",
        fixed=(("count_at", "finish"),),
    ),
    # the counter of requests counts those that came; each that ended has a duration
    Word(m.REQUESTS_FINISHED, _DURATION, part="count", fixed=(("finish_reason", "unknown"),)),
    Word(
        m.REQUESTS_FAILED,
        _spelled("request_error_total", "request_error_total"),
        take=(("error_type", "error_code"),),
    ),
    Word(m.REQUESTS_RUNNING, _spelled("request_running", "running_requests")),
    Word(m.TIME_TO_FIRST_TOKEN, _spelled("request_ttft_seconds", "request_ttft_seconds")),
    Word(m.TIME_PER_OUTPUT_TOKEN, ("llm_d_epp_request_streaming_tpot_seconds",)),
    Word(m.INTER_TOKEN_LATENCY, ("llm_d_epp_request_streaming_itl_seconds",)),
    Word(m.REQUEST_DURATION, _DURATION),
)


@dataclass(frozen=True, slots=True)
class LlmDEpp(PageCollector):
    """The endpoint picker's page."""

    engine: ClassVar[str] = "llm_d_epp"
    vantage: ClassVar[str] = "router"
    marks: ClassVar[tuple[str, ...]] = ("llm_d_epp_", "inference_objective_", "inference_model_")
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
