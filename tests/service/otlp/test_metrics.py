"""Metrics to samples: our own names, strangers' claims, both temporalities, what is refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from otlp_bodies.recorded import RECORDED_AT, Kept, bodies, metrics_body, pairs

from service.otlp.budget import SeriesBudget
from service.otlp.deltas import Deltas
from service.otlp.streams import METRICS
from vocabulary import metrics as m
from vocabulary import otel
from vocabulary.errors import RequestRefused
from vocabulary.metrics import Kind
from vocabulary.samples import Sample, Series

NOW = RECORDED_AT
CLIENT = {"service.name": "agent", "service.instance.id": "i-1", "k8s.pod.name": "agent-0"}
REPLICA = {"tidegauge.replica": "c/ns/u/x", "tidegauge.pool": "ns/p", "tidegauge.vantage": "engine"}


def number(value: Any, at: Any = NOW, start: Any = NOW - 60, **values: Any) -> dict:
    return {
        "startTimeUnixNano": str(int(start * 1e9)),
        "timeUnixNano": str(int(at * 1e9)),
        "asDouble": value,
        "attributes": pairs({key.replace("__", "."): value for key, value in values.items()}),
    }


def counter(
    name: Any, *points: Any, delta: Any = False, monotonic: Any = True, unit: Any = ""
) -> dict:
    temporality = 1 if delta else 2
    return {
        "name": name,
        "unit": unit,
        "sum": {
            "dataPoints": list(points),
            "aggregationTemporality": temporality,
            "isMonotonic": monotonic,
        },
    }


def gauge(name: Any, *points: Any, unit: Any = "") -> dict:
    return {"name": name, "unit": unit, "gauge": {"dataPoints": list(points)}}


def histogram(
    name: Any,
    bounds: Any,
    counts: Any,
    total: Any,
    delta: Any = False,
    at: Any = NOW,
    start: Any = NOW - 60,
    **values: Any,
) -> dict:
    point = {
        **number(0.0, at, start, **values),
        "explicitBounds": bounds,
        "bucketCounts": [str(count) for count in counts],
        "count": str(sum(counts)),
        "sum": total,
    }
    del point["asDouble"]
    return {
        "name": name,
        "unit": "s",
        "histogram": {"dataPoints": [point], "aggregationTemporality": 1 if delta else 2},
    }


def take(
    *metrics: Any,
    believed: Any = True,
    resource: Any = None,
    kept: Any = None,
    receiver: Any = None,
) -> Any:
    kept = kept or Kept()
    receiver = receiver or kept.receiver()
    body = metrics_body(*metrics, resource=REPLICA if resource is None else resource)
    answer = receiver.take(METRICS, body, believed)
    return kept, answer.partial_success


def only(samples: Any, name: Any) -> Sample:
    found = [one for one in samples if one.series.name == name]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    "metric", [one for one in m.ALL if one.kind is not Kind.HISTOGRAM], ids=str
)
def test_every_word_of_ours_comes_back_under_its_prometheus_name(metric: Any) -> None:
    point = number(3.0, **{otel.attribute_of(label): f"a-{label}" for label in metric.labels})
    make = counter if metric.kind is Kind.COUNTER else gauge
    kept, partial = take(make(metric.otel, point, unit=metric.unit))
    assert partial.rejected_data_points == 0, partial.error_message
    sample = only(kept.samples, metric.name)
    assert sample.value == 3.0
    assert sample.at == pytest.approx(NOW)
    assert {f"a-{label}" for label in metric.labels} <= set(dict(sample.series.labels).values())
    assert sample.series.label("replica") == "c/ns/u/x"


def test_a_histogram_becomes_cumulative_buckets_with_sum_and_count() -> None:
    name = "gen_ai.server.time_to_first_token"
    kept, partial = take(histogram(name, [0.5, 1.0], [2, 3, 1], 4.5))
    assert partial.rejected_data_points == 0
    stem = m.TIME_TO_FIRST_TOKEN.name
    buckets = {
        one.series.label("le"): one.value for one in kept.samples if "le" in dict(one.series.labels)
    }
    assert buckets == {"0.5": 2.0, "1.0": 5.0, "+Inf": 6.0}
    assert only(kept.samples, f"{stem}_count").value == 6.0
    assert only(kept.samples, f"{stem}_sum").value == 4.5


def test_delta_pieces_add_up_to_a_counter_that_starts_at_zero() -> None:
    kept = Kept()
    receiver = kept.receiver()
    name = m.PREEMPTIONS.otel
    for second, growth in ((0, 2.0), (10, 3.0), (20, 4.0)):
        piece = number(growth, at=NOW - 60 + second, start=NOW - 70 + second)
        take(counter(name, piece, delta=True), kept=kept, receiver=receiver)
    values = [(round(one.at - NOW), one.value) for one in kept.samples]
    assert values == [(-70, 0.0), (-60, 2.0), (-50, 5.0), (-40, 9.0)]


def test_a_delta_delivered_twice_is_counted_once() -> None:
    kept = Kept()
    receiver = kept.receiver()
    for _ in range(2):
        piece = number(5.0, at=NOW, start=NOW - 10)
        take(counter(m.PREEMPTIONS.otel, piece, delta=True), kept=kept, receiver=receiver)
    assert max(one.value for one in kept.samples) == 5.0


def test_delta_histograms_add_up_too() -> None:
    kept = Kept()
    receiver = kept.receiver()
    name = "gen_ai.server.request.duration"
    for second in (0, 10):
        piece = histogram(
            name, [1.0], [1, 1], 3.0, delta=True, at=NOW + second, start=NOW - 10 + second
        )
        take(piece, kept=kept, receiver=receiver)
    newest = [one for one in kept.samples if one.at == pytest.approx(NOW + 10)]
    assert {one.series.label("le") or one.series.name[-3:]: one.value for one in newest} == {
        "1.0": 2.0,
        "+Inf": 4.0,
        "unt": 4.0,
        "sum": 6.0,
    }


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_deltas_lose_and_invent_nothing_in_any_repetition(pieces: Any) -> None:
    deltas, series = Deltas(), Series("x", ())
    for index, piece in enumerate(pieces):
        for _ in range(1 + index % 3):
            deltas.add(series, piece, index * 10, index * 10 + 10)
    found = deltas.add(series, 0, len(pieces) * 10, len(pieces) * 10 + 10)
    assert found == (sum(pieces), False)


def test_deltas_stay_within_their_room_and_forget_the_longest_silent() -> None:
    deltas = Deltas(room=3)
    for index in range(5):
        deltas.add(Series(str(index), ()), 1.0, 0, 10)
    assert len(deltas._running) == 3
    assert deltas.add(Series("4", ()), 1.0, 10, 20) == (2.0, False)
    assert deltas.add(Series("0", ()), 1.0, 10, 20) == (1.0, True)


def test_cumulative_points_sent_again_say_the_same_again() -> None:
    once, _ = take(counter(m.PREEMPTIONS.otel, number(7.0)))
    again, _ = take(counter(m.PREEMPTIONS.otel, number(7.0)))
    assert once.samples == again.samples


def test_attributes_that_are_not_kept_are_summed_away_not_overwritten() -> None:
    name = "gen_ai.client.operation.duration"
    one = histogram(name, [1.0], [1, 0], 0.5, server__port=9, gen_ai__operation__name="chat")
    two = histogram(name, [1.0], [2, 1], 3.5, server__port=8, gen_ai__operation__name="chat")
    one["histogram"]["dataPoints"] += two["histogram"]["dataPoints"]
    kept, _ = take(one, believed=False, resource=CLIENT)
    assert only(kept.samples, f"{m.CLIENT_OPERATION_DURATION.name}_count").value == 4.0
    assert only(kept.samples, f"{m.CLIENT_OPERATION_DURATION.name}_sum").value == 4.0


def test_the_same_point_twice_in_one_request_is_counted_once() -> None:
    point = number(7.0, server__port=9)
    kept, _ = take(counter(m.PREEMPTIONS.otel, point, point))
    assert [one.value for one in kept.samples] == [7.0]


def test_two_client_processes_are_two_series() -> None:
    name = "gen_ai.client.operation.duration"
    for instance in ("a", "b"):
        kept, _ = take(
            histogram(name, [1.0], [1, 0], 0.5),
            believed=False,
            resource={**CLIENT, "service.instance.id": instance},
        )
        assert {one.series.label("replica") for one in kept.samples} == {f"client/{instance}"}
        assert {one.series.label("vantage") for one in kept.samples} == {"client"}


def test_a_stranger_cannot_pass_for_a_replica_or_a_gpu() -> None:
    claims = {**CLIENT, **REPLICA, "hw.id": "GPU-1", "tidegauge.tenant": "somebody-else"}
    kept, partial = take(
        counter(m.PREEMPTIONS.otel, number(1.0)),
        counter(m.GPU_XID_EVENTS.otel, number(1.0)),
        histogram("gen_ai.server.time_to_first_token", [1.0], [1, 0], 0.5),
        histogram("gen_ai.client.operation.duration", [1.0], [1, 0], 0.5),
        believed=False,
        resource=claims,
    )
    assert partial.rejected_data_points == 3
    for sample in kept.samples:
        assert sample.series.name.startswith(m.CLIENT_OPERATION_DURATION.name)
        assert sample.series.label("replica") == "client/i-1"
        assert sample.series.label("vantage") == "client"
        assert not sample.series.label("gpu")


def test_a_time_to_first_token_taken_in_a_client_is_not_a_servers() -> None:
    path = bodies("openlit-*-metrics.pb")[0]
    for believed in (True, False):
        kept = Kept()
        answer = kept.receiver().take(METRICS, path.read_bytes(), believed)
        names = {one.series.name for one in kept.samples}
        assert not any(name.startswith("gen_ai_server") for name in names)
        assert "client speaks for a server" in answer.partial_success.error_message


def test_a_believed_gateway_may_speak_for_its_own_vantage() -> None:
    resource = {"tidegauge.vantage": "gateway", "tidegauge.pool": "p"}
    kept, partial = take(
        histogram("gen_ai.server.time_to_first_token", [1.0], [1, 0], 0.5), resource=resource
    )
    assert partial.rejected_data_points == 0
    assert {one.series.label("vantage") for one in kept.samples} == {"gateway"}


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (counter("somebody.elses", number(1.0)), "unknown metric"),
        (gauge(m.PREEMPTIONS.otel, number(1.0)), "another kind"),
        (counter(m.REQUESTS_RUNNING.otel, number("Infinity"), monotonic=False), "no finite value"),
        (counter(m.PREEMPTIONS.otel, number(1.0), monotonic=False), "may fall"),
        (counter(m.PREEMPTIONS.otel, number(-1.0)), "negative"),
        (gauge(m.REQUESTS_RUNNING.otel, number("NaN")), "no finite value"),
        (gauge(m.REQUESTS_RUNNING.otel, number(1.0, at=NOW + 3600)), "future"),
        (gauge(m.REQUESTS_RUNNING.otel, number(1.0, at=0)), "time missing"),
        (gauge(m.GPU_POWER.otel, number(1.0), unit="mW"), "another unit"),
        (histogram("gen_ai.server.request.duration", [1.0, 1.0], [1, 1, 1], 1.0), "ascend"),
        (histogram("gen_ai.server.request.duration", [1.0], [1, 1, 1], 1.0), "add up"),
        (
            {
                "name": "gen_ai.server.request.duration",
                "exponentialHistogram": {"dataPoints": [{"timeUnixNano": str(int(NOW * 1e9))}]},
            },
            "unsupported exponential histogram",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_counted_and_named(metric: Any, reason: Any) -> None:
    kept, partial = take(metric, counter(m.ENGINE_STEPS.otel, number(1.0)))
    assert partial.rejected_data_points == 1
    assert reason in partial.error_message
    assert metric["name"] in partial.error_message
    assert [one.series.name for one in kept.samples] == [m.ENGINE_STEPS.name]


def test_the_mark_that_a_series_ended_is_kept_as_one() -> None:
    kept, _ = take(gauge(m.REQUESTS_RUNNING.otel, {**number(0.0), "flags": 1}))
    assert math.isnan(kept.samples[0].value)


def test_the_counters_that_replace_the_token_histogram_land_in_its_sum() -> None:
    name = "gen_ai.client.inference.usage.output_tokens"
    kept, partial = take(counter(name, number(42.0)), believed=False, resource=CLIENT)
    assert partial.rejected_data_points == 0
    sample = only(kept.samples, "gen_ai_client_token_usage_sum")
    assert (sample.value, sample.series.label("token_type")) == (42.0, "output")


def test_strangers_bring_a_bounded_number_of_series() -> None:
    budget = SeriesBudget(room=2, silence_seconds=10.0)
    assert [budget.admit(Series(str(i), ()), 0.0) for i in range(3)] == [True, True, False]
    assert budget.admit(Series("0", ()), 5.0)
    assert budget.admit(Series("new", ()), 12.0), "the silent one makes room"
    assert not budget.admit(Series("2", ()), 12.0)


def test_error_types_lose_their_package() -> None:
    name = "gen_ai.client.operation.duration"
    kept, _ = take(
        histogram(name, [1.0], [1, 0], 0.5, error__type="openai.BadRequestError"),
        believed=False,
        resource=CLIENT,
    )
    assert {one.series.label("error_type") for one in kept.samples} == {"BadRequestError"}


def test_refusals_are_counted_for_our_own_page() -> None:
    kept = Kept()
    receiver = kept.receiver()
    take(counter("somebody.elses", number(1.0), number(2.0)), receiver=receiver)
    with pytest.raises(RequestRefused):
        receiver.take(METRICS, b"\xff", believed=True)
    told = {one.series.label("reason"): one.value for one in receiver.own_samples()}
    assert told == {"unknown metric": 2, "malformed": 1}
    assert {one.series.name for one in receiver.own_samples()} == {m.OTLP_REFUSED.name}
