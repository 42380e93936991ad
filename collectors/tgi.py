"""Hugging Face's Text Generation Inference 3: `/metrics`, on the router's port.

Its counters lack `_total` and its latencies their unit, which is seconds. Tokens are counted when a
request finishes; its steps are the calls to the model that succeeded, prefill and decode. It tells
neither the time to the first token nor the fill of the cache, nor which model it serves: the target
has to.

Names were read in the source (commit db931fc) and the manual; no page of a running server was
recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric


def _failure(kind: str) -> Word:
    return Word(
        m.REQUESTS_FAILED,
        ("tgi_request_failure",),
        where=(("err", kind),),
        fixed=(("error_type", kind),),
    )


_WORDS = (
    Word(m.INPUT_TOKENS, ("tgi_request_input_length",), part="sum"),
    Word(
        m.OUTPUT_TOKENS,
        ("tgi_request_generated_tokens",),
        part="sum",
        fixed=(("count_at", "finish"),),
    ),
    Word(m.REQUESTS_FINISHED, ("tgi_request_success",), fixed=(("finish_reason", "unknown"),)),
    Word(m.REQUESTS_FINISHED, ("tgi_request_failure",), fixed=(("finish_reason", "error"),)),
    # `validation` and `template` are a caller's mistake, `dropped` a caller who hung up
    *(_failure(kind) for kind in ("overloaded", "incomplete", "generation")),
    Word(m.REQUESTS_RUNNING, ("tgi_batch_current_size",)),
    Word(m.REQUESTS_WAITING, ("tgi_queue_size",)),
    Word(m.ENGINE_STEPS, ("tgi_batch_inference_success",)),
    Word(m.TIME_PER_OUTPUT_TOKEN, ("tgi_request_mean_time_per_token_duration",)),
    Word(m.REQUEST_DURATION, ("tgi_request_duration",)),
    Word(m.QUEUE_DURATION, ("tgi_request_queue_duration",)),
)


@dataclass(frozen=True, slots=True)
class Tgi(PageCollector):
    """TGI's page."""

    engine: ClassVar[str] = "tgi"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("tgi_",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
