"""OTLP metrics to samples of our vocabulary: whose they are, what they are called, counted once.

A believed sender (our agent, a gateway with a collect token) says what it measured and where. A
stranger may speak for one thing alone: what it saw itself as a client. `gen_ai.server.*` without a
vantage is refused, because some client libraries use these names for times taken in the client.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from service.otlp.attributes import Plain, as_text, kept
from service.otlp.budget import SeriesBudget
from service.otlp.deltas import Deltas
from service.otlp.identity import IDENTITY_ATTRIBUTES, Tenants, client_name
from service.otlp.outcome import Outcome
from service.otlp.points import BadPoint, ended, histogram_parts, number_parts
from vocabulary import metrics, otel
from vocabulary.metrics import BY_OTEL, TARGET_LABELS, Kind, Metric
from vocabulary.samples import Labels, Sample, Series, labels_of

Point = pb.NumberDataPoint | pb.HistogramDataPoint

AHEAD_SECONDS = 600.0
"""Points further in the future are refused; the bound Prometheus uses."""
_CLIENT = "gen_ai.client."
_SERVER = "gen_ai.server."
_NS = 1_000_000_000
_DELTA = pb.AGGREGATION_TEMPORALITY_DELTA
_ALLOWED = frozenset(
    {
        *(otel.attribute_of(label) for metric in metrics.ALL for label in metric.labels),
        *(otel.attribute_of(label) for label in TARGET_LABELS),
        *otel.PROVIDER.spellings,
        *otel.OPERATION.spellings,
        *IDENTITY_ATTRIBUTES,
    }
)


@dataclass(slots=True)
class _Merged:
    """Points of one series at one moment: attributes we do not keep are summed away."""

    delta: bool
    start: int
    counter: bool
    by_attributes: dict[frozenset[bytes], float] = field(default_factory=dict)


@dataclass(slots=True)
class Metrics:
    """Turns export requests into samples; remembers running totals of delta senders."""

    tenants: Tenants
    deltas: Deltas = field(default_factory=Deltas)
    strangers: SeriesBudget = field(default_factory=SeriesBudget)

    def take(
        self, request: ExportMetricsServiceRequest, believed: bool, now: float
    ) -> tuple[list[Sample], Outcome]:
        """The samples in *request*, and what was not kept."""
        outcome = Outcome()
        merged: dict[tuple[Series, int], _Merged] = {}
        bounds: dict[Series, tuple[float, ...]] = {}
        for resource, metric in _metrics(request):
            known = _known(metric, believed, outcome)
            if known is None:
                continue
            for point in _points(metric):
                labels = self._labels(known, resource, point, believed)
                if labels is None:
                    outcome.refuse("client speaks for a server", metric.name)
                    continue
                self._merge(metric, known, labels, point, now, merged, bounds, outcome)
        samples = list(self._samples(merged, believed, outcome))
        outcome.kept = len(samples)
        return samples, outcome

    def _labels(
        self, metric: Metric, resource: Mapping[str, Plain], point: Point, believed: bool
    ) -> Labels | None:
        own = kept(point.attributes, _ALLOWED)
        everything = {**resource, **own}
        vantage = as_text(everything.get("tidegauge.vantage")) if believed else ""
        if metric.otel.startswith(_SERVER) and not vantage:
            return None
        if metric.otel.startswith(_CLIENT) and not vantage:
            return labels_of(
                {
                    **_labels_said(everything, _own_labels(metric)),
                    "model": as_text(otel.REQUEST_MODEL.read(everything)),
                    "engine": as_text(otel.PROVIDER.read(everything)),
                    "namespace": as_text(resource.get("k8s.namespace.name")),
                    "pod": as_text(resource.get("k8s.pod.name")),
                    "replica": client_name(resource),
                    "vantage": "client",
                    "tenant": self.tenants.resolve(resource, own, believed),
                }
            )
        return labels_of(_labels_said(everything, _all_labels(metric)))

    def _merge(
        self,
        message: pb.Metric,
        metric: Metric,
        labels: Labels,
        point: Point,
        now: float,
        merged: dict[tuple[Series, int], _Merged],
        bounds: dict[Series, tuple[float, ...]],
        outcome: Outcome,
    ) -> None:
        at = point.time_unix_nano
        if not 0 < at <= (now + AHEAD_SECONDS) * _NS:
            outcome.refuse("time missing or in the future", message.name)
            return
        if isinstance(point, pb.HistogramDataPoint) and not ended(point):
            shape = tuple(point.explicit_bounds)
            if bounds.setdefault(Series(metric.name, labels), shape) != shape:
                outcome.refuse("bucket bounds differ within a series", message.name)
                return
        try:
            parts = list(_parts(metric, message, labels, point))
        except BadPoint as bad:
            outcome.refuse(str(bad), message.name)
            return
        delta = _temporality(message) == _DELTA
        identity = frozenset(pair.SerializeToString() for pair in point.attributes)
        counter = metric.kind is not Kind.GAUGE
        for series, value in parts:
            place = merged.setdefault(
                (series, at), _Merged(delta, point.start_time_unix_nano, counter)
            )
            place.by_attributes[identity] = value

    def _samples(
        self, merged: Mapping[tuple[Series, int], _Merged], believed: bool, outcome: Outcome
    ) -> Iterator[Sample]:
        for (series, at), place in sorted(merged.items(), key=lambda item: item[0][1]):
            if not believed and not self.strangers.admit(series, at / _NS):
                outcome.refuse("too many series from clients", series.name)
                continue
            told = place.by_attributes.values()
            values = [one for one in told if not math.isnan(one)]
            value = math.nan  # the series ended where all that it is made of did
            if values:
                value = sum(values) if place.counter else values[-1]
            if place.delta and place.counter and not math.isnan(value):
                added = self.deltas.add(series, value, place.start, at)
                if added is None:
                    outcome.ignored["counted before"] += 1
                    continue
                value, new = added
                if new and 0 < place.start < at:
                    yield Sample(series, 0.0, place.start / _NS)
            yield Sample(series, value, at / _NS)


def _metrics(
    request: ExportMetricsServiceRequest,
) -> Iterator[tuple[dict[str, Plain], pb.Metric]]:
    for group in request.resource_metrics:
        resource = kept(group.resource.attributes, _ALLOWED)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                yield resource, metric


_CASES = {
    Kind.COUNTER: {"sum"},
    Kind.GAUGE: {"gauge", "sum"},
    Kind.HISTOGRAM: {"histogram"},
}


def _known(message: pb.Metric, believed: bool, outcome: Outcome) -> Metric | None:
    """The metric we know under this name and in this form; else the refusal is counted."""
    count = max(1, len(_points(message)))
    name = message.name
    known = metrics.CLIENT_TOKEN_USAGE if name in otel.TOKEN_TYPES else BY_OTEL.get(name)
    case = message.WhichOneof("data")
    if known is None:
        outcome.refuse("unknown metric", name, count)
    elif not believed and not name.startswith(_CLIENT):
        reason = "client speaks for a server" if name.startswith(_SERVER) else "sender not believed"
        outcome.refuse(reason, name, count)
    elif case in {"exponential_histogram", "summary"}:
        outcome.refuse(f"unsupported {case.replace('_', ' ')}", name, count)
    elif case not in ({"sum"} if name in otel.TOKEN_TYPES else _CASES[known.kind]):
        outcome.refuse("another kind of metric than its name promises", name, count)
    elif known.kind is Kind.COUNTER and not message.sum.is_monotonic:
        outcome.refuse("counter that may fall", name, count)
    elif _bare(message.unit) not in {"", _bare(known.unit)}:
        outcome.refuse("another unit than its name promises", f"{name} in {message.unit}", count)
    else:
        return known
    return None


def _bare(unit: str) -> str:
    return unit.strip("{}[]")


def _points(metric: pb.Metric) -> Sequence[Point]:
    case = metric.WhichOneof("data")
    return () if case is None else getattr(metric, case).data_points


def _temporality(metric: pb.Metric) -> int:
    case = metric.WhichOneof("data")
    return 0 if case in {None, "gauge"} else int(getattr(metric, str(case)).aggregation_temporality)


def _parts(
    metric: Metric, message: pb.Metric, labels: Labels, point: Point
) -> Iterator[tuple[Series, float]]:
    if isinstance(point, pb.HistogramDataPoint):
        return histogram_parts(metric.name, labels, point)
    token_type = otel.TOKEN_TYPES.get(message.name)
    if token_type is None:
        return number_parts(metric.name, labels, point, metric.kind is Kind.COUNTER)
    typed = labels_of([*labels, ("token_type", token_type)])
    return number_parts(f"{metric.name}_sum", typed, point, counter=True)


@cache
def _own_labels(metric: Metric) -> dict[str, str]:
    """Attribute → label, for the labels that are this metric's own."""
    return {otel.attribute_of(label): label for label in metric.labels}


@cache
def _all_labels(metric: Metric) -> dict[str, str]:
    """The same with those that say who it is about."""
    return {**{otel.attribute_of(one): one for one in TARGET_LABELS}, **_own_labels(metric)}


def _labels_said(attributes: Mapping[str, Plain], labels: Mapping[str, str]) -> dict[str, str]:
    found = {labels[key]: as_text(value) for key, value in attributes.items() if key in labels}
    if "error_type" in found:
        found["error_type"] = found["error_type"].rpartition(".")[2]
    return found
