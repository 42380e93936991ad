"""NVIDIA NIM for LLMs 1.x, whose names bear no prefix: `:8000/v1/metrics`.

Names were read on a recorded page of a 1.x of October 2024. NIM 2 and later hand the
page of their backend (vLLM, SGLang) on unchanged, says their manual, and are read as that engine.
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
    Word(m.INPUT_TOKENS, ("prompt_tokens_total",)),
    Word(m.OUTPUT_TOKENS, ("generation_tokens_total",), fixed=(("count_at", "unknown"),)),
    Word(
        m.REQUESTS_FINISHED, ("request_finish_total",), take=(("finish_reason", "finished_reason"),)
    ),
    Word(m.REQUESTS_FAILED, ("request_failure_total",), fixed=(("error_type", "engine"),)),
    Word(m.REQUESTS_RUNNING, ("num_requests_running",)),
    Word(m.REQUESTS_WAITING, ("num_requests_waiting",)),
    Word(m.KV_CACHE_UTILIZATION, ("gpu_cache_usage_perc",), how=max),
    Word(m.KV_CACHE_UTILIZATION_MEAN, ("gpu_cache_usage_perc",), how=fmean),
    Word(m.ENGINE_START_TIME, ("process_start_time_seconds",), how=max),
    Word(m.PROCESS_MEMORY, ("process_resident_memory_bytes",)),
    Word(m.PROCESS_CPU, ("process_cpu_seconds_total",)),
    Word(m.TIME_TO_FIRST_TOKEN, ("time_to_first_token_seconds",)),
    # one observation a token and not one a request: the recorded page counts 169 of 174 tokens
    Word(m.INTER_TOKEN_LATENCY, ("time_per_output_token_seconds",)),
    Word(m.REQUEST_DURATION, ("e2e_request_latency_seconds",)),
)


@dataclass(frozen=True, slots=True)
class Nim(PageCollector):
    """A NIM's page. Its marks are the names that no other server writes without a prefix."""

    engine: ClassVar[str] = "nim"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = (
        "num_requests_running",
        "num_requests_waiting",
        "num_request_max",
        "gpu_cache_usage_perc",
        "request_finish_total",
    )
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
