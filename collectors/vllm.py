"""vLLM, from V0 to 0.33: on its own port, inside Triton, inside NIM 2 and later.

Triton's vLLM backend (`REPORT_CUSTOM_METRICS`) labels by `model` and `version` and stops at the
names of early 2025. NIM 2 hands its backend's page on unchanged at `/v1/metrics`, says its manual
(docs.nvidia.com/nim, "Logging and Observability"); no page of one was recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._vllm_words import vllm_words
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_WORDS = (
    *vllm_words("vllm:"),
    # Views of failure overlap where a finished request with an error also was a 5xx: a stream that
    # breaks is only among the engine's, a dead engine only here.
    Word(
        m.REQUESTS_FAILED,
        ("http_requests_total",),
        where=(("status", "5xx"),),
        fixed=(("error_type", "http_5xx"),),
    ),
    Word(m.ENGINE_START_TIME, ("process_start_time_seconds",), how=max),
    # of the API server alone: the engine's core is a process of its own without a page
    Word(m.PROCESS_MEMORY, ("process_resident_memory_bytes",)),
    Word(m.PROCESS_CPU, ("process_cpu_seconds_total",)),
)


@dataclass(frozen=True, slots=True)
class Vllm(PageCollector):
    """vLLM's page, all engines (data-parallel ranks) of one server brought together."""

    engine: ClassVar[str] = "vllm"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("vllm:",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
