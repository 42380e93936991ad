"""NVIDIA Triton on `:8002/metrics`: its core, and the TensorRT-LLM backend.

Triton counts microseconds and no buckets, so that means are known and quantiles are not; of the
first response it can be asked for a histogram (`--metrics-config histogram_latencies=true`). The
TensorRT-LLM backend hides its signals in label values. An ensemble counts a request once itself and
once more in each model it is made of: look at the ensemble's `model` alone. Triton's vLLM backend
writes vLLM's own names, and its page is read as vLLM's, without the core's. Waiting is what the
backend says where there is one.

On a live 2.51.0 nothing counted what a full queue refuses (503 "Exceeds maximum queue size"), nor
the requests that run, and an error that a Python model returns counted as a success.

The core was read on a recorded page of 2.51.0; the TensorRT-LLM backend only on the example in its
README, whose block counts do not add up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import PageLabels, Word
from vocabulary import metrics as m
from vocabulary.metrics import Kind, Metric

_SUCCESS, _FAILURE = ("nv_inference_request_success",), ("nv_inference_request_failure",)
_MICROSECONDS = 1e-6
_REQUESTS = "nv_trt_llm_request_metrics"
_BLOCKS = "nv_trt_llm_kv_cache_block_metrics"


def _finished(reason: str, ours: str) -> Word:
    return Word(
        m.REQUESTS_FINISHED,
        _FAILURE,
        where=(("reason", reason),),
        fixed=(("finish_reason", ours),),
    )


def _failed(reason: str) -> Word:
    return Word(
        m.REQUESTS_FAILED,
        _FAILURE,
        where=(("reason", reason),),
        fixed=(("error_type", reason.lower()),),
    )


def _tokens_of_blocks(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """Blocks there are times the tokens of one."""
    said = {labels.get("kv_cache_block_type", ""): value for labels, value in found}
    if not {"max", "tokens_per"} <= said.keys():
        return None
    return said["max"] * said["tokens_per"]


_WORDS = (
    Word(m.REQUESTS_FINISHED, _SUCCESS, fixed=(("finish_reason", "unknown"),)),
    _finished("CANCELED", "abort"),
    *(_finished(reason, "error") for reason in ("OTHER", "BACKEND", "REJECTED")),
    *(_failed(reason) for reason in ("OTHER", "BACKEND", "REJECTED")),
    # durations are added up for the requests that succeeded, as the recorded summaries show
    Word(m.REQUEST_DURATION, ("nv_inference_request_duration_us",), part="sum",
         scale=_MICROSECONDS),
    Word(m.REQUEST_DURATION, _SUCCESS, part="count"),
    Word(m.QUEUE_DURATION, ("nv_inference_queue_duration_us",), part="sum", scale=_MICROSECONDS),
    Word(m.QUEUE_DURATION, _SUCCESS, part="count"),
    # off unless asked for, and only for decoupled models: milliseconds
    Word(m.TIME_TO_FIRST_TOKEN, ("nv_inference_first_response_histogram_ms",), scale=1e-3),
    Word(m.REQUESTS_WAITING, ("nv_inference_pending_request_count",), unless=_REQUESTS),
    Word(m.REQUESTS_WAITING, (_REQUESTS,), where=(("request_type", "waiting"),)),
    Word(m.REQUESTS_RUNNING, (_REQUESTS,), where=(("request_type", "scheduled"),)),
    Word(m.KV_CACHE_UTILIZATION, (_BLOCKS,), where=(("kv_cache_block_type", "fraction"),),
         how=max),
    Word(m.KV_CACHE_UTILIZATION_MEAN, (_BLOCKS,), where=(("kv_cache_block_type", "fraction"),),
         how=fmean),
    Word(m.KV_CACHE_CAPACITY, (_BLOCKS,), whole=_tokens_of_blocks),
    Word(
        m.ENGINE_STEPS,
        ("nv_trt_llm_general_metrics",),
        where=(("general_type", "iteration_counter"),),
        typed=Kind.GAUGE,  # every one of the backend's families is, whatever it holds
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Triton(PageCollector):
    """Triton's page: each of its models is one of ours."""

    engine: ClassVar[str] = "triton"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("nv_inference_", "nv_trt_llm_")
    model_labels: ClassVar[tuple[str, ...]] = ("model",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
