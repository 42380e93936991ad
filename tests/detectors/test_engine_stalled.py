"""F01: the engine is stalled while its page is green."""

from scene_builder import NOW, World, noisy, step

from detectors.engine_stalled import EngineStalled
from vocabulary import signals
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

LAST_STEP = NOW - 90.0
STALL = {
    "engine_steps_per_second": step(LAST_STEP + 60.0, 40.0, 0.0),
    "step_tokens_per_second": step(LAST_STEP + 60.0, 400.0, 0.0),
}


def findings(world: World) -> list[Finding]:
    return list(EngineStalled().detect(world.scene()))


def test_finds_a_stall_within_two_minutes_and_dates_its_onset() -> None:
    (finding,) = findings(World().replica("a", requests_waiting=3.0, **STALL).replica("b"))
    assert finding.entity.id == "a"
    assert finding.severity is Severity.CRITICAL
    assert abs(finding.since - LAST_STEP) <= 15.0
    assert finding.pool == "chat"
    assert finding.evidence[0].observed == 0.0
    assert finding.evidence[0].expected == 40.0


def test_stays_silent_while_engines_serve_wait_or_idle() -> None:
    world = World().replica("a").replica("b", requests_waiting=40.0, kv_cache_utilization=0.97)
    world.replica(
        "c", requests_running=0.0, engine_steps_per_second=0.0, step_tokens_per_second=0.0
    )
    assert findings(world) == []


def test_stays_silent_during_a_scrape_gap() -> None:
    for length in (15.0, 60.0, 150.0):
        assert findings(World().replica("a").gap(NOW - length, NOW + 1.0)) == []


def test_speaks_quietly_of_gauges_left_behind_by_aborted_requests() -> None:
    world = World().replica("a", **STALL).gateway(in_flight=0.0)
    (finding,) = findings(world)
    assert finding.severity is Severity.WARNING
    assert finding.confidence < 0.5
    assert any(one.speaks_against for one in finding.evidence)


def test_an_engine_that_counts_at_the_end_has_finished_nothing() -> None:
    last = NOW - 240.0
    world = World().replica(
        "a", engine_steps_per_second=None, step_tokens_per_second=None,
        requests_running=4.0, kv_cache_utilization=0.5,
        requests_finished_per_second=step(last + 60.0, 2.0, 0.0),
        output_tokens_per_second=step(last + 60.0, 400.0, 0.0),
    )  # fmt: skip
    about = {"pool": "chat", "model": "chat-model", "replica": "a", "vantage": "engine"}
    for bound, count in (("10.0", 999.5), ("60.0", 1000.0), ("+Inf", 1000.0)):
        world.put(signals.DURATION_COUNTS, count, le=bound, **about)
    (finding,) = findings(world)
    assert "finished and moved nothing" in finding.text
    assert "No request finished since then; 2 requests/s before." in finding.evidence[0].text
    assert finding.confidence == 0.8


def test_names_the_work_that_is_stuck() -> None:
    world = World().replica("a", requests_running=noisy(7.0, 0.0), requests_waiting=3.0, **STALL)
    (finding,) = findings(world)
    assert "7 running and 3 waiting" in finding.text
