"""Samples through OpenTelemetry's own data model and encoder: the oracle of our encoder."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from vocabulary.metrics import BY_SERIES_NAME, Kind, Metric
from vocabulary.otel import RESOURCE_LABELS, attribute_of
from vocabulary.samples import Labels, Sample, Series

_SCOPE = InstrumentationScope("tidegauge")
_UNKNOWN = cast("float", None)
"""Smallest and largest value of a histogram, which a Prometheus page does not tell."""
_Point = sdk.NumberDataPoint | sdk.HistogramDataPoint


@dataclass(slots=True)
class Beginnings:
    """Since when each cumulative series counts: its first sample here, or its last reset.

    What counted before we came is in the first value; OpenTelemetry calls that a start unknown.
    """

    forget_after: float = 3600.0
    """Seconds without a sample after which a series is begun anew."""
    _known: dict[Series, tuple[float, float, float]] = field(default_factory=dict)
    """Start, last value, last time."""

    def of(self, series: Series, value: float, at: float) -> float:
        """Start of *series*, whose value is *value* at the time *at*."""
        start, before, last = self._known.get(series, (at, value, at))
        if value < before:
            start = last  # it was reset somewhere after its last sample
        elif at - last > self.forget_after:
            start = at
        self._known[series] = (start, value, at)
        return start

    def forget(self, now: float) -> None:
        """Let go of series that have not been seen for long."""
        old = [key for key, (_, _, last) in self._known.items() if now - last > self.forget_after]
        for series in old:
            del self._known[series]


def as_otlp(samples: Iterable[Sample], beginnings: Beginnings) -> sdk.MetricsData:
    """*samples* as an export. Ended series (NaN) and names that are not ours are left out."""
    resources: dict[Labels, dict[Metric, list[_Point]]] = {}
    histograms: dict[tuple[Metric, Labels], _Histogram] = {}
    for series, value, at in samples:
        metric = BY_SERIES_NAME.get(series.name)
        if metric is None or math.isnan(value):
            continue
        if metric.kind is Kind.HISTOGRAM:
            labels = tuple(pair for pair in series.labels if pair[0] != "le")
            histogram = histograms.setdefault((metric, labels), _Histogram(at))
            histogram.take(series, value)
            continue
        start = beginnings.of(series, value, at) if metric.kind is Kind.COUNTER else at
        about, own = _split(series.labels)
        number = sdk.NumberDataPoint(own, _nanos(start), _nanos(at), value)
        resources.setdefault(about, {}).setdefault(metric, []).append(number)
    for (metric, labels), histogram in histograms.items():
        about, own = _split(labels)
        start = beginnings.of(Series(metric.name, labels), histogram.count, histogram.at)
        if not math.isnan(histogram.count):
            point = histogram.point(own, start)
            resources.setdefault(about, {}).setdefault(metric, []).append(point)
    return sdk.MetricsData([_resource(about, found) for about, found in resources.items()])


@dataclass(slots=True)
class _Histogram:
    """The samples of one classic histogram, gathered."""

    at: float
    count: float = math.nan
    sum: float = math.nan
    buckets: dict[float, float] = field(default_factory=dict)

    def take(self, series: Series, value: float) -> None:
        """One of its series."""
        if series.name.endswith("_bucket"):
            self.buckets[float(series.label("le"))] = value
        elif series.name.endswith("_sum"):
            self.sum = value
        else:
            self.count = value

    def point(self, attributes: dict[str, str], start: float) -> sdk.HistogramDataPoint:
        """As an explicit-bucket point: counts of their own instead of running ones."""
        bounds = sorted(bound for bound in self.buckets if math.isfinite(bound))
        running = [*(self.buckets[bound] for bound in bounds), self.count]
        each = [
            max(0, int(upper - lower))
            for lower, upper in zip([0.0, *running], running, strict=False)
        ]
        return sdk.HistogramDataPoint(
            attributes, _nanos(start), _nanos(self.at), int(self.count),
            0.0 if math.isnan(self.sum) else self.sum, each, bounds, _UNKNOWN, _UNKNOWN,
        )  # fmt: skip


def _split(labels: Labels) -> tuple[Labels, dict[str, str]]:
    """Labels of the resource, and the point's attributes."""
    about = tuple(pair for pair in labels if pair[0] in RESOURCE_LABELS)
    own = {attribute_of(name): value for name, value in labels if name not in RESOURCE_LABELS}
    return about, own


def _resource(about: Labels, found: dict[Metric, list[_Point]]) -> sdk.ResourceMetrics:
    named = dict(about)
    attributes: dict[str, str] = {attribute_of(name): value for name, value in about}
    attributes["service.name"] = named.get("engine") or "tidegauge"
    instance = named.get("replica") or named.get("gpu") or named.get("node")
    if instance:
        attributes["service.instance.id"] = instance
    if "gpu" in named:
        attributes["hw.type"] = "gpu"
    metrics = [_metric(metric, points) for metric, points in found.items()]
    scope = sdk.ScopeMetrics(_SCOPE, metrics, "")
    return sdk.ResourceMetrics(Resource(attributes), [scope], "")


def _metric(metric: Metric, points: list[_Point]) -> sdk.Metric:
    cumulative = sdk.AggregationTemporality.CUMULATIVE
    data: sdk.Sum | sdk.Gauge | sdk.Histogram
    match metric.kind:
        case Kind.COUNTER:
            data = sdk.Sum(cast("list[sdk.NumberDataPoint]", points), cumulative, True)
        case Kind.GAUGE:
            data = sdk.Gauge(cast("list[sdk.NumberDataPoint]", points))
        case Kind.HISTOGRAM:
            data = sdk.Histogram(cast("list[sdk.HistogramDataPoint]", points), cumulative)
    return sdk.Metric(metric.otel, metric.help, metric.unit, data)


def encoded(samples: Iterable[Sample], beginnings: Beginnings) -> ExportMetricsServiceRequest:
    """*samples* as the official encoder writes them."""
    return encode_metrics(as_otlp(samples, beginnings))


def _nanos(seconds: float) -> int:
    return round(seconds * 1e9)
