"""llama.cpp's `llama-server --metrics`.

Averages since start (`predicted_tokens_seconds`, `n_busy_slots_per_decode`, …) are left alone:
counters tell the same, about now. There are no histograms and no outcomes here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_WORDS = (
    # the first excludes what was read from the cache; our word includes it
    Word(m.INPUT_TOKENS, ("llamacpp:prompt_tokens_total",)),
    Word(m.INPUT_TOKENS, ("llamacpp:prompt_tokens_cached_total",)),
    Word(m.INPUT_TOKENS_CACHED, ("llamacpp:prompt_tokens_cached_total",)),
    Word(m.OUTPUT_TOKENS, ("llamacpp:tokens_predicted_total",), fixed=(("count_at", "finish"),)),
    Word(m.REQUESTS_RUNNING, ("llamacpp:requests_processing",)),
    Word(m.REQUESTS_WAITING, ("llamacpp:requests_deferred",)),
    Word(m.KV_CACHE_UTILIZATION, ("llamacpp:kv_cache_usage_ratio",), how=max),  # until 2025
    Word(m.KV_CACHE_UTILIZATION_MEAN, ("llamacpp:kv_cache_usage_ratio",), how=fmean),
    Word(m.ENGINE_STEPS, ("llamacpp:n_decode_total",)),
    Word(m.SPEC_DECODE_DRAFT_TOKENS, ("llamacpp:spec_decode_num_draft_tokens_total",)),
    Word(m.SPEC_DECODE_ACCEPTED_TOKENS, ("llamacpp:spec_decode_num_accepted_tokens_total",)),
)


@dataclass(frozen=True, slots=True)
class Llamacpp(PageCollector):
    """llama-server's page. It does not say which model it serves: the target has to."""

    engine: ClassVar[str] = "llamacpp"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("llamacpp:",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
