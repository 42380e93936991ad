"""Recorded OTLP bodies, small ones made to order, and sinks that remember what reached them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from service.clock import ManualClock
from service.otlp.receiver import Receiver, Sinks
from service.otlp.streams import LOGS, METRICS, TRACES, Stream
from vocabulary.entities import Change
from vocabulary.samples import Sample
from vocabulary.usage import UsageSpan

BODIES = Path(__file__).resolve().parent
RECORDED_AT = 1795426000.0
"""Shortly after the newest of the recorded bodies."""
CANARY = "canary-7f3a-the-patient-said"


@dataclass
class Kept:
    """What reached the sinks."""

    samples: list[Sample] = field(default_factory=list)
    usage: list[UsageSpan] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def sinks(self) -> Sinks:
        return Sinks(_into(self.samples), _into(self.usage), _into(self.changes))

    def receiver(self, now: float = RECORDED_AT, **more: Any) -> Receiver:
        return Receiver(self.sinks, ManualClock(now), **more)

    @property
    def everything(self) -> str:
        return repr((self.samples, self.usage, self.changes))


def _into(place: list[Any]) -> Callable[[Any], int]:
    def keep(records: Any) -> int:
        place.extend(records)
        return len(records)

    return keep


def stream_of(path: Path) -> Stream:
    return next(one for one in (METRICS, TRACES, LOGS) if one.name in path.name)


def bodies(pattern: str = "*.pb") -> list[Path]:
    found = sorted(BODIES.glob(pattern))
    assert found, f"no recorded body {pattern}"
    return found


def pairs(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": value}


def metrics_body(*metrics: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    """An export request of *metrics* (OTLP's JSON spelling) under one resource."""
    tree = {
        "resourceMetrics": [
            {
                "resource": {"attributes": pairs(resource or {})},
                "scopeMetrics": [{"metrics": list(metrics)}],
            }
        ]
    }
    return ParseDict(tree, METRICS.request()).SerializeToString()


def traces_body(
    *spans: dict[str, Any], resource: dict[str, Any] | None = None, scope: str = "some.client"
) -> bytes:
    """An export request of *spans* under one resource and scope."""
    tree = {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource or {})},
                "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}],
            }
        ]
    }
    return ParseDict(tree, TRACES.request()).SerializeToString()


def span(
    values: dict[str, Any],
    span_id: int = 1,
    parent: int = 0,
    trace: int = 1,
    start: float = RECORDED_AT - 10,
    seconds: float = 2.0,
    **more: Any,
) -> dict[str, Any]:
    """One span; ids are small numbers."""
    import base64

    def packed(number: int, size: int) -> str:
        return base64.b64encode(number.to_bytes(size, "big")).decode()

    made: dict[str, Any] = {
        "traceId": packed(trace, 16),
        "spanId": packed(span_id, 8),
        "name": "chat",
        "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": str(int(start * 1e9)),
        "endTimeUnixNano": str(int((start + seconds) * 1e9)),
        "attributes": pairs(values),
        **more,
    }
    if parent:
        made["parentSpanId"] = packed(parent, 8)
    return made
