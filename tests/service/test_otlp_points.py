"""Our encoder says what OpenTelemetry's own says, point by point, and where series end."""

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_bodies.official import Beginnings, encoded

from service.otlp_points import Encoder
from vocabulary import metrics as m
from vocabulary.metrics import Kind, Metric
from vocabulary.otel import label_of
from vocabulary.samples import Sample, Series, labels_of

NAN = math.nan
REPLICA = labels_of(
    {
        "cluster": "c1", "node": "n1", "namespace": "chat", "pod": "llama-0", "pool": "chat/llama",
        "replica": "c1/chat/uid/vllm", "engine": "vllm", "vantage": "engine", "model": "llama",
    }
)  # fmt: skip
NO_VALUE = 1


def number(metric: Metric, value: float, at: float = 100.0, **own: str) -> Sample:
    return Sample(Series(metric.name, labels_of([*REPLICA, *own.items()])), value, at)


def histogram(
    counts: dict[str, float],
    total: float,
    at: float = 100.0,
    metric: Metric = m.TIME_TO_FIRST_TOKEN,
) -> list[Sample]:
    buckets = [
        Sample(Series(f"{metric.name}_bucket", labels_of([*REPLICA, ("le", le)])), value, at)
        for le, value in counts.items()
    ]
    parts = (("sum", total), ("count", counts["+Inf"]))
    return [*buckets, *(Sample(Series(f"{metric.name}_{p}", REPLICA), v, at) for p, v in parts)]


def decoded(bodies: Sequence[bytes]) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    for body in bodies:
        request.MergeFromString(body)
    return request


def told(request: ExportMetricsServiceRequest) -> dict[Any, Any]:
    """Everything that a request means, whatever the order of its parts."""
    found: dict[Any, Any] = {}
    for group in request.resource_metrics:
        about = _attributes(group.resource.attributes)
        for scoped in group.scope_metrics:
            for metric in scoped.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                says = (
                    scoped.scope.name, metric.description, metric.unit, kind,
                    getattr(data, "aggregation_temporality", 0),
                    getattr(data, "is_monotonic", False),
                )  # fmt: skip
                for point in data.data_points:
                    key = (about, metric.name, _attributes(point.attributes), point.time_unix_nano)
                    assert key not in found, "one point twice"
                    found[key] = (says, _point(point))
    return found


def _attributes(pairs: Any) -> frozenset[tuple[str, str]]:
    found = [(pair.key, pair.value.string_value) for pair in pairs]
    assert len(found) == len(set(found))
    return frozenset(found)


def _point(point: Any) -> Any:
    start = (point.start_time_unix_nano, point.flags)
    if hasattr(point, "explicit_bounds"):
        bounds = (tuple(point.explicit_bounds), tuple(point.bucket_counts))
        return (*start, point.count, point.sum, *bounds, point.HasField("min"))
    return (*start, repr(point.as_double), point.WhichOneof("value"))


VALUES = st.one_of(st.integers(0, 2**53).map(float), st.floats(0, 1e300), st.just(math.inf))
TEXT = st.text(max_size=200)
GROWTH = st.lists(st.integers(0, 10**6), min_size=3, max_size=3)


@st.composite
def rounds(draw: st.DrawFn) -> list[list[Sample]]:
    """What agents read, round after round: counters that reset, gauges, histograms that grow."""
    metrics = draw(st.lists(st.sampled_from(m.ALL), min_size=1, max_size=6, unique=True))
    who = [{"node": draw(TEXT), "model": draw(TEXT), "replica": f"r{one}"} for one in range(2)]
    made = []
    for moment in range(draw(st.integers(1, 3))):
        at = 1000.0 + 15.0 * moment + draw(st.sampled_from([0.0, 0.123456789, 4000.0]))
        samples = []
        for metric in metrics:
            for labels in who:
                own = labels_of({**labels, **dict.fromkeys(metric.labels, draw(TEXT))})
                samples += _some(draw, metric, own, at)
        made.append(samples)
    return made


def _some(draw: st.DrawFn, metric: Metric, own: Any, at: float) -> list[Sample]:
    if metric.kind is not Kind.HISTOGRAM:
        return [Sample(Series(metric.name, own), draw(VALUES), at)]
    each, total = draw(GROWTH), 0
    samples = []
    for le, count in zip(("0.5", "2.5", "+Inf"), each, strict=True):
        total += count
        bucket = Series(f"{metric.name}_bucket", labels_of([*own, ("le", le)]))
        samples.append(Sample(bucket, float(total), at))
    samples.append(Sample(Series(f"{metric.name}_sum", own), draw(st.floats(0, 1e9)), at))
    samples.append(Sample(Series(f"{metric.name}_count", own), float(total), at))
    return samples


@settings(max_examples=60, deadline=None)
@given(rounds())
def test_ours_means_what_the_official_encoder_means(made: list[list[Sample]]) -> None:
    encoder, beginnings = Encoder(), Beginnings()
    for samples in made:
        ours, theirs = decoded(encoder.encode(samples)), encoded(samples, beginnings)
        assert told(ours) == told(theirs)


def test_every_metric_of_the_vocabulary_means_the_same() -> None:
    samples = []
    for metric in m.ALL:
        if metric.kind is Kind.HISTOGRAM:
            samples += histogram({"0.5": 1.0, "+Inf": 3.0}, 2.0, metric=metric)
        else:
            own = {label: f"a-{label}" for label in metric.labels}
            samples.append(number(metric, 3.0, 100.0, **own))
    ours, theirs = decoded(Encoder().encode(samples)), encoded(samples, Beginnings())
    assert told(ours) == told(theirs)
    assert len(told(ours)) == len(m.ALL)


def points(samples: Sequence[Sample], encoder: Encoder) -> list[Any]:
    return [
        point
        for group in decoded(encoder.encode(samples)).resource_metrics
        for scoped in group.scope_metrics
        for metric in scoped.metrics
        for point in getattr(metric, str(metric.WhichOneof("data"))).data_points
    ]


def test_a_series_that_ended_travels_as_a_point_without_a_value() -> None:
    encoder = Encoder()
    for metric in (m.REQUESTS_RUNNING, m.INPUT_TOKENS):
        encoder.encode([number(metric, 7.0, at=10.0)])
        (end,) = points([number(metric, NAN, at=20.0)], encoder)
        assert end.flags == NO_VALUE
        assert end.WhichOneof("value") is None, "no value, and above all not zero"
        assert end.time_unix_nano == 20_000_000_000
        (again,) = points([number(metric, 1.0, at=30.0)], encoder)
        began = 30_000_000_000 if metric.kind is Kind.COUNTER else 0
        assert (again.flags, again.start_time_unix_nano) == (0, began)


def test_a_histogram_that_ended_names_its_buckets_so_that_each_can_end() -> None:
    encoder = Encoder()
    encoder.encode(histogram({"0.5": 1.0, "+Inf": 3.0}, 2.0, at=10.0))
    (end,) = points(histogram({"0.5": NAN, "+Inf": NAN}, NAN, at=20.0), encoder)
    assert (end.flags, end.count, end.HasField("sum")) == (NO_VALUE, 0, False)
    assert (list(end.explicit_bounds), list(end.bucket_counts)) == ([0.5], [0, 0])
    (again,) = points(histogram({"0.5": 1.0, "+Inf": 1.0}, 2.0, at=30.0), encoder)
    assert (again.flags, again.count, again.start_time_unix_nano) == (0, 1, 30_000_000_000)


def test_a_counter_keeps_its_start_until_it_is_reset() -> None:
    encoder = Encoder()
    steps = [(5.0, 10), (9.0, 20), (9.0, 30), (2.0, 40), (3.0, 50), (4.0, 9000)]
    starts = [
        points([number(m.INPUT_TOKENS, value, float(at))], encoder)[0].start_time_unix_nano // 10**9
        for value, at in steps
    ]
    assert starts == [10, 10, 10, 30, 30, 9000]


def test_a_resets_start_travels_with_histograms_too() -> None:
    encoder = Encoder()
    steps = [(9.0, 10.0), (12.0, 20.0), (3.0, 30.0)]
    starts = [
        points(histogram({"+Inf": count}, 1.0, at), encoder)[0].start_time_unix_nano // 10**9
        for count, at in steps
    ]
    assert starts == [10, 10, 20]


def test_strangers_are_left_out() -> None:
    assert Encoder().encode([Sample(Series("python_info", ()), 1.0, 1.0)]) == []


def test_series_that_went_are_forgotten_with_all_that_only_they_used() -> None:
    encoder = Encoder(forget_after=60.0)
    for moment in range(200):
        encoder.encode(
            [
                number(m.REQUESTS_RUNNING, 1.0, float(moment), replica=f"r{moment}"),
                *histogram({"+Inf": 1.0}, 1.0, float(moment)),
            ]
        )
    assert len(encoder._tracks) < 90
    assert len(encoder._resources) < 90


def test_a_large_export_is_cut_between_resources() -> None:
    samples = [number(m.REQUESTS_RUNNING, 1.0, replica=f"r{number_of}") for number_of in range(200)]
    whole = Encoder().encode(samples)
    cut = Encoder(most_bytes=10_000).encode(samples)
    assert len(whole) == 1
    assert len(cut) > 2
    assert max(map(len, cut)) <= 10_000
    assert told(decoded(cut)) == told(decoded(whole))


def test_labels_survive_the_way_out_and_back() -> None:
    samples = [
        number(m.REQUESTS_FINISHED, 7.0, finish_reason="stop"),
        number(m.REQUESTS_RUNNING, 1.0),
    ]
    back = {
        labels_of((label, value) for name, value in (*about, *own) if (label := label_of(name)))
        for about, _, own, _ in told(decoded(Encoder().encode(samples)))
    }
    assert {one.series.labels for one in samples} >= back
    assert labels_of([*REPLICA, ("finish_reason", "stop")]) in back


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(0, 1000))
def test_bucket_counts_add_up_to_the_count(each: list[int], beyond: int) -> None:
    running_total, counts = 0, {}
    for position, count in enumerate(each):
        running_total += count
        counts[repr(float(position))] = float(running_total)
    counts["+Inf"] = float(running_total + beyond)
    (point,) = points(histogram(counts, 1.0), Encoder())
    assert list(point.bucket_counts) == [*each, beyond]
    assert sum(point.bucket_counts) == point.count
    assert len(point.explicit_bounds) + 1 == len(point.bucket_counts)
