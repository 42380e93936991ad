"""Envoy AI Gateway, which speaks OpenTelemetry's GenAI names.

Cached and reasoning tokens are parts of the others and never added to them. Headers may be mapped
to any label: none but the model is kept, so that tenants are not told apart here.

Unproven: names and labels were read in the source of 1.1; no page of a running gateway was
recorded, nor was it seen whether a retried call counts once or once a try.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric

_USAGE = (f"{m.CLIENT_TOKEN_USAGE}_token", m.CLIENT_TOKEN_USAGE.name)
"""The gateway gives its unit as `token` and not as `{token}`, and an exporter appends that."""
_DURATION = (m.REQUEST_DURATION.name,)


def _tokens(metric: Metric, kind: str, **fixed: str) -> Word:
    return Word(
        metric,
        _USAGE,
        part="sum",
        where=(("gen_ai_token_type", kind),),
        fixed=tuple(fixed.items()),
    )


def _calls(status: str, error_type: str) -> Word:
    return Word(
        m.GATEWAY_OPERATIONS,
        _DURATION,
        part="count",
        where=(("error_type", error_type),),
        fixed=(("status", status),),
    )


_WORDS = (
    _tokens(m.INPUT_TOKENS, "input"),
    _tokens(m.INPUT_TOKENS_CACHED, "cached_input"),
    _tokens(m.OUTPUT_TOKENS, "output", count_at="finish"),
    _calls("ok", ""),
    _calls("error", "_OTHER"),
    Word(m.TIME_TO_FIRST_TOKEN, (m.TIME_TO_FIRST_TOKEN.name,)),
    Word(m.TIME_PER_OUTPUT_TOKEN, (m.TIME_PER_OUTPUT_TOKEN.name,)),
    Word(m.REQUEST_DURATION, _DURATION),
)


@dataclass(frozen=True, slots=True)
class EnvoyAiGateway(PageCollector):
    """The page of the gateway's external processor."""

    engine: ClassVar[str] = "envoy_ai_gateway"
    vantage: ClassVar[str] = "gateway"
    marks: ClassVar[tuple[str, ...]] = ("gen_ai_client_token_usage", "gen_ai_server_")
    model_labels: ClassVar[tuple[str, ...]] = (
        "gen_ai_request_model",
        "gen_ai_original_model",
        "gen_ai_response_model",
    )
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
