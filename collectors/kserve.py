"""KServe's own model server, where that is all a pod tells: `request_predict_seconds`.

LLM runtimes under KServe write their engine's names, and such a page is read as the engine's, with
KServe's names beside them or not. What is left for this file counts finished predictions and how
long they took, pre- and post-processing not included: neither tokens nor queue nor progress.

Until its first prediction a page declares these names and holds no sample of them. Names and labels
were read on a recorded page of SDK 0.15.2.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_PREDICT = ("request_predict_seconds",)
_WORDS = (
    # the timer also stops where a prediction raised an error
    Word(m.REQUESTS_FINISHED, _PREDICT, part="count", fixed=(("finish_reason", "unknown"),)),
    Word(m.REQUEST_DURATION, _PREDICT),
)


@dataclass(frozen=True, slots=True)
class Kserve(PageCollector):
    """The page of a predictor built with KServe's SDK."""

    engine: ClassVar[str] = "kserve"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = (
        "request_predict_seconds",
        "request_preprocess_seconds",
        "request_postprocess_seconds",
        "request_explain_seconds",
    )
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
