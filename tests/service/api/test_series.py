"""Signals over HTTP: thinned without losing a spike, narrowed, validated, explained."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.api.series import MOST_POINTS, thinned

WHERE = "/api/v1/series"
NOW = 1_795_426_000.0


@pytest.fixture
def waiting(world: Any) -> Any:
    labels = {"replica": "c/ns/u-1/vllm", "pool": "ns/llama", "model": "llama"}
    other = {"replica": "c/ns/u-2/vllm", "pool": "ns/llama", "model": "llama"}
    world.store.rows["requests_waiting"] = [
        (labels, lambda times: np.where(times > NOW - 60, np.nan, 3.0)),
        (other, lambda times: np.full(len(times), 1.0)),
    ]
    return world


def test_a_series_bears_its_unit_meaning_query_and_times(client: Any, waiting: Any) -> None:
    body = client.get(WHERE, params={"signal": "requests_waiting", "to": NOW}).json()
    assert (body["signal"], body["unit"]) == ("requests_waiting", "requests")
    assert "tidegauge_llm_requests_waiting" in body["promql"]
    assert body["times"][-1].endswith("Z")
    assert len(body["series"]) == 2
    for one in body["series"]:
        assert len(one["values"]) == len(body["times"])
    assert body["series"][0]["values"][-1] is None, "missing is null, never zero"
    assert body["series"][0]["values"][0] == 3.0


def test_an_entity_narrows_rows_and_query_alike(client: Any, waiting: Any) -> None:
    query = {"signal": "requests_waiting", "entity": "replica/c/ns/u-1/vllm"}
    body = client.get(WHERE, params=query).json()
    assert [one["labels"]["replica"] for one in body["series"]] == ["c/ns/u-1/vllm"]
    assert 'replica="c/ns/u-1/vllm"' in body["promql"]


def test_a_signal_that_knows_no_replica_answers_for_its_pool(client: Any, world: Any) -> None:
    world.store.rows["time_to_first_token_p95"] = [
        ({"pool": "ns/llama", "model": "llama"}, lambda times: times * 0 + 1),
        ({"pool": "ns/other", "model": "other"}, lambda times: times * 0 + 2),
    ]
    query = {"signal": "time_to_first_token_p95", "entity": "replica/c/ns/u-1/vllm"}
    body = client.get(WHERE, params=query).json()
    assert [one["labels"]["pool"] for one in body["series"]] == ["ns/llama"]
    assert 'pool="ns/llama"' in body["promql"]


def test_an_entity_that_was_not_measured_gives_no_rows(client: Any, waiting: Any) -> None:
    body = client.get(WHERE, params={"signal": "requests_waiting", "entity": "gpu/GPU-9"}).json()
    assert body["series"] == []


def test_a_hostile_entity_stays_a_value_in_the_query(client: Any) -> None:
    entity = 'replica/x"} or vector(1) #'
    body = client.get(WHERE, params={"signal": "requests_waiting", "entity": entity}).json()
    assert r"x\"} or vector(1) #" in body["promql"]


def test_two_weeks_come_thinned_and_keep_their_spike(client: Any, world: Any) -> None:
    spike = NOW - 5 * 86_400

    def course(times: Any) -> Any:
        nearest = np.argmin(abs(times - spike))
        return np.where(nearest == np.arange(len(times)), 99.0, 1.0)

    world.store.rows["requests_waiting"] = [({"replica": "r"}, course)]
    query = {"signal": "requests_waiting", "from": NOW - 14 * 86_400, "to": NOW}
    body = client.get(WHERE, params=query).json()
    values = body["series"][0]["values"]
    assert len(values) == len(body["times"]) <= MOST_POINTS
    assert max(values) == 99.0
    assert body["times"] == sorted(body["times"])


@settings(max_examples=200)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 4), st.integers(1, 200)),
        elements=st.floats(-1e6, 1e6) | st.just(math.nan),
    ),
    st.integers(2, 50),
)
def test_thinning_keeps_every_extreme_and_invents_nothing(values: Any, most: Any) -> None:
    times = np.arange(values.shape[1], dtype=float)
    thin_times, thin = thinned(times, values, most)
    assert thin.shape == (len(values), len(thin_times))
    assert len(thin_times) <= max(most, 2)
    assert np.all(np.diff(thin_times) > 0)
    for row, kept in zip(values, thin, strict=True):
        seen, left = row[~np.isnan(row)], kept[~np.isnan(kept)]
        assert set(left) <= set(seen)
        if len(seen):
            assert (left.min(), left.max()) == (seen.min(), seen.max())
        else:
            assert len(left) == 0


def test_an_unknown_signal_is_told_what_was_meant(client: Any) -> None:
    answer = client.get(WHERE, params={"signal": "request_waiting"})
    assert answer.status_code == 400
    assert "requests_waiting" in answer.json()["near"]
    assert "did you mean requests_waiting" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"from": "nan"}, "from"),
        ({"from": "inf"}, "from"),
        ({"to": "then"}, "RFC 3339"),
        ({"from": str(NOW), "to": str(NOW)}, "before"),
        ({"from": "0", "to": str(NOW)}, "400 days"),
        ({"step": "0"}, "step"),
        ({"step": "nan"}, "step"),
        ({"step": "inf"}, "step"),
        ({"step": "1", "from": str(NOW - 86_400), "to": str(NOW)}, "step of 8 s"),
        ({"entity": "planet/earth"}, "kind/id"),
        ({"entity": "replica"}, "kind/id"),
        ({"entity": "replica/"}, "kind/id"),
    ],
)
def test_ranges_that_mean_nothing_are_refused_with_the_mend(
    client: Any, query: Any, word: Any
) -> None:
    answer = client.get(WHERE, params={"signal": "requests_waiting", **query})
    assert answer.status_code == 400
    assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    "moment",
    ["2026-11-23T09:00:00Z", "2026-11-23T10:00:00+01:00", "2026-11-23T09:00:00", "1795424400"],
)
def test_a_moment_may_be_written_in_any_zone_or_as_a_number(
    client: Any, waiting: Any, moment: Any
) -> None:
    client.get(WHERE, params={"signal": "requests_waiting", "to": moment})
    assert waiting.store.asked[-1][2] == 1795424400.0


def test_a_plus_that_was_not_escaped_is_understood(client: Any, waiting: Any) -> None:
    client.get(f"{WHERE}?signal=requests_waiting&to=2026-11-23T10:00:00+01:00")
    assert waiting.store.asked[-1][2] == 1795424400.0


def test_the_grid_stays_put_from_one_refresh_to_the_next(client: Any, waiting: Any) -> None:
    for later in (0, 7):
        client.get(WHERE, params={"signal": "requests_waiting", "to": NOW + later, "step": 60})
    starts = {asked[1] % 60 for asked in waiting.store.asked}
    assert starts == {0.0}


def test_bands_come_from_an_incidents_evidence(client: Any, waiting: Any) -> None:
    query = {"signal": "requests_waiting", "incident": "i-1"}
    bands = client.get(WHERE, params=query).json()["bands"]
    assert [(one["expected"], one["lower"], one["upper"]) for one in bands] == [(1.0, 0.0, 3.0)]
    assert client.get(WHERE, params={**query, "entity": "gpu/GPU-1"}).json()["bands"] == []
    assert client.get(WHERE, params={**query, "incident": "nope"}).status_code == 404


def test_a_backend_that_is_down_is_said_to_be_down(client: Any, waiting: Any) -> None:
    waiting.store.down = True
    answer = client.get(WHERE, params={"signal": "requests_waiting"})
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["detail"]
    assert "retry-after" in answer.headers


def test_too_many_rows_are_cut_to_the_highest_and_counted(client: Any, world: Any) -> None:
    def level(height: Any) -> Any:
        return lambda times: times * 0 + height

    world.store.rows["requests_waiting"] = [
        ({"replica": str(number)}, level(number)) for number in range(250)
    ]
    body = client.get(WHERE, params={"signal": "requests_waiting"}).json()
    assert (len(body["series"]), body["left_out"]) == (200, 50)
    assert {one["labels"]["replica"] for one in body["series"]} == {str(n) for n in range(50, 250)}


def test_every_signal_is_listed_with_its_query(client: Any) -> None:
    found = client.get("/api/v1/signals").json()["signals"]
    assert {"requests_waiting", "tenant_usd_per_hour"} <= {one["name"] for one in found}
    assert all(one["promql"] for one in found)


def test_charts_that_would_starve_detection_are_asked_to_come_again(
    client: Any, waiting: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("service.api.series.PATIENCE_SECONDS", 0.01)
    slots = client.app.state.evaluations
    while slots.acquire(blocking=False):
        pass
    answer = client.get(WHERE, params={"signal": "requests_waiting"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    slots.release()
    assert client.get(WHERE, params={"signal": "requests_waiting"}).status_code == 200
