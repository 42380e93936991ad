"""Arrivals: the traces' bursts, the tenants' days."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import simulator
from simulator.agent_loop import AgentLoop
from simulator.calls import Arrival
from simulator.cluster import DEMO
from simulator.spans import SpanLog
from simulator.traces import load
from simulator.traffic import Stream, Tenant, Traffic, Window, open_traffic

MONDAY = 1_700_438_400.0
DAY = 86_400.0
HOUR = 3600.0
NAMES = ("conversation", "code", "long_context")


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_is_normalised_and_still_bursty(name: str) -> None:
    trace = load(name)
    assert len(trace) == 2500
    assert trace.gaps.mean() == pytest.approx(1.0)
    assert trace.gaps.min() >= 0
    assert trace.input_tokens.min() >= 1
    assert trace.output_tokens.min() >= 1


def test_the_code_trace_is_far_burstier_than_chance() -> None:
    gaps = load("code").gaps
    assert gaps.std() / gaps.mean() > 2.0  # chance alone has 1


def test_every_trace_names_its_source_and_licence() -> None:
    folder = Path(simulator.__file__).parent / "traces"
    sources = (folder / "SOURCES.md").read_text()
    for file in folder.glob("*.csv.gz"):
        line = next(row for row in sources.splitlines() if file.name in row)
        assert "CC-BY" in line or "Apache" in line


def test_a_season_has_the_mean_one_over_a_week_and_peaks_when_it_says() -> None:
    tenant = Tenant("t", peak_hour=14.0, swing=0.5, weekend=0.5)
    times = MONDAY + np.arange(0, 7 * DAY, 300.0)
    season = tenant.season(times)
    assert season.mean() == pytest.approx(1.0, abs=0.01)
    monday = season[times < MONDAY + DAY]
    assert monday.argmax() * 300.0 / HOUR == pytest.approx(14.0, abs=0.1)
    sunday = season[times >= MONDAY + 6 * DAY]
    assert sunday.max() == pytest.approx(0.5 * monday.max(), rel=0.01)


def test_a_nightly_window_multiplies_the_rate_in_it_alone() -> None:
    window = Window(hour=2.0, seconds=HOUR, factor=6.0)
    assert window.at(MONDAY + np.array([1.9, 2.0, 2.9, 3.1, 26.5]) * HOUR).tolist() == [
        1.0, 6.0, 6.0, 1.0, 6.0,
    ]  # fmt: skip


@pytest.mark.parametrize("voices", [1, 5])
def test_calls_come_at_the_tenants_rate(voices: int) -> None:
    traffic = open_traffic(
        3, (Tenant("t", swing=0.0, weekend=1.0),),
        (Stream("t", "p", "conversation", 2.0, voices=voices),), {"p": 8000},
    )  # fmt: skip
    expected = sum(
        source.rate(MONDAY + np.arange(0, 4 * HOUR, 60.0)).mean() for source in traffic.sources
    )
    calls = ticked(traffic, MONDAY, 4 * HOUR)
    assert len(calls) / (4 * HOUR) == pytest.approx(float(expected), rel=0.05)
    assert all(one.at <= two.at for one, two in itertools.pairwise(calls))
    assert max(call.input_tokens for call in calls) <= 8000


def ticked(traffic: Traffic, start: float, seconds: float) -> list[Arrival]:
    return [
        call
        for step in range(int(seconds / 10))
        for call in traffic.until(start + step * 10.0, start + step * 10.0 + 10.0)
    ]


def test_ticks_do_not_change_what_arrives() -> None:
    def calls(tick: float) -> list[tuple[float, int]]:
        traffic = open_traffic(3, DEMO.tenants, DEMO.streams, dict.fromkeys(
            ("chat-70b", "code-8b", "edge-3b"), 8000))  # fmt: skip
        found = []
        for step in range(int(600 / tick)):
            found += traffic.until(MONDAY + step * tick, MONDAY + (step + 1) * tick)
        return [(round(call.at, 1), call.input_tokens) for call in found]

    coarse, fine = calls(15.0), calls(1.0)
    assert len(coarse) == pytest.approx(len(fine), rel=0.01)


def test_levers_of_faults_change_rate_and_prompts() -> None:
    traffic = open_traffic(3, (Tenant("t"),), (Stream("t", "p", "conversation", 2.0),), {"p": 8000})
    before = ticked(traffic, MONDAY, HOUR)
    source = traffic.of("t", "p")[0]
    source.rate_factor, source.prompt_factor = 3.0, 2.0
    after = ticked(traffic, MONDAY + HOUR, HOUR)
    assert len(after) > 2.5 * len(before)
    means = [np.mean([call.input_tokens for call in calls]) for calls in (before, after)]
    assert means[1] > 1.6 * means[0]
    assert traffic.of("somebody else") == []


def test_an_agent_loop_beats_steadily_and_its_prompt_grows_to_the_cap() -> None:
    loop = AgentLoop(
        "t", "p", 2.0, 1000.0, 0.05, 9000, 60, 0.8, np.random.default_rng(1), SpanLog()
    )
    calls = [call for start in range(0, 600, 5) for call in loop.until(start, start + 5)]
    gaps = np.diff([call.at for call in calls])
    assert gaps.std() / gaps.mean() < 0.2
    assert gaps.mean() == pytest.approx(2.0, rel=0.05)
    prompts = [call.input_tokens for call in calls]
    assert prompts == sorted(prompts)
    assert prompts[0] == 1000
    assert prompts[-1] == 9000
