"""NVIDIA Dynamo's frontend: what the router saw, in front of the engines.

Workers pass their engine's own series through (`DYN_SYSTEM_PORT`), and those pages are read as the
engine's. `active_requests` and `inflight_requests` are one number: the first is read. A page whose
names were changed with `DYN_METRICS_PREFIX` is not recognised. Names were read on a recorded page
of 1.6.1, after seven calls that succeeded and one for a model nobody has. Before its first call it
shows none of them, and until then we know no more than that it is a router. Of a text completion
streamed without any text (tokens that its tokenizer lacks) a live 1.6.1 counted no token.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import PageLabels, Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_CALLERS_FAULT = frozenset({"not_found", "validation", "cancelled"})
"""`error_type` of calls that failed for what was asked. `not_found` is recorded; the other two are
the words that we expect and have not seen."""
_REQUESTS = ("dynamo_frontend_requests_total",)


def _status(page: PageLabels) -> Mapping[str, str]:
    if page.get("status") == "success":
        return {"status": "ok"}
    return {"status": "refused" if page.get("error_type") in _CALLERS_FAULT else "error"}


_PLAIN = (
    Word(m.GATEWAY_OPERATIONS, _REQUESTS, where=(("status", "success"),),
         fixed=(("status", "ok"),)),
    *(
        Word(m.GATEWAY_OPERATIONS, _REQUESTS, where=(("error_type", fault),),
             fixed=(("status", "refused"),))
        for fault in sorted(_CALLERS_FAULT)
    ),
)  # fmt: skip
_WORDS = (
    Word(m.GATEWAY_OPERATIONS, _REQUESTS, label=_status, raw=_PLAIN),
    Word(
        m.GATEWAY_IN_FLIGHT,
        ("dynamo_frontend_active_requests", "dynamo_frontend_inflight_requests"),
    ),
    Word(m.REQUESTS_WAITING, ("dynamo_frontend_queued_requests",)),
    Word(m.INPUT_TOKENS, ("dynamo_frontend_input_sequence_tokens",), part="sum"),
    Word(m.INPUT_TOKENS_CACHED, ("dynamo_frontend_cached_tokens",), part="sum"),
    Word(m.OUTPUT_TOKENS, ("dynamo_frontend_output_tokens_total",), fixed=(("count_at", "step"),)),
    Word(m.TIME_TO_FIRST_TOKEN, ("dynamo_frontend_time_to_first_token_seconds",)),
    Word(m.INTER_TOKEN_LATENCY, ("dynamo_frontend_inter_token_latency_seconds",)),
    Word(m.REQUEST_DURATION, ("dynamo_frontend_request_duration_seconds",)),
)


@dataclass(frozen=True, slots=True)
class Dynamo(PageCollector):
    """The page of a Dynamo frontend."""

    engine: ClassVar[str] = "dynamo"
    vantage: ClassVar[str] = "router"
    marks: ClassVar[tuple[str, ...]] = ("dynamo_frontend_",)
    model_labels: ClassVar[tuple[str, ...]] = ("model",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
