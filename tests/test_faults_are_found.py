"""Each fault of the simulator is found in time, at the right place; look-alikes stay quiet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulated_cluster import SimulatedCluster

from simulator.fault import Fault
from simulator.faults.engine_dead import EngineDead
from simulator.faults.engine_stalled import EngineStalled
from simulator.faults.kv_exhaustion import KvExhaustion
from simulator.faults.retry_storm import RetryStorm
from simulator.faults.runaway_agent import RunawayAgent
from simulator.faults.straggler_gpu import StragglerGpu
from simulator.faults.throughput_regression import ThroughputRegression
from simulator.look_alikes.counter_reset import CounterReset
from simulator.look_alikes.model_swap import ModelSwap
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.look_alikes.scrape_gap import ScrapeGap
from vocabulary.failure_modes import Severity

Cluster = Callable[..., SimulatedCluster]
ONSET = 300.0
LONG = pytest.mark.prove
"""Over fifteen simulated minutes: too much for each change, whose fixed set the drill plays."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    opened: list[SimulatedCluster] = []

    def open_one(**settings: object) -> SimulatedCluster:
        opened.append(SimulatedCluster(tmp_path / str(len(opened)), **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    ("fault", "word", "within"),
    [
        (EngineStalled(), "engine_stalled", 120.0),
        (EngineDead(), "engine_dead", 180.0),
        (StragglerGpu(), "straggler_gpu", 900.0),
        (KvExhaustion(), "kv_exhaustion", 900.0),
        (RetryStorm(), "retry_storm", 600.0),
        pytest.param(
            ThroughputRegression(slowdown=1.5), "throughput_regression", 2700.0, marks=LONG
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else None,
)
def test_is_found_in_time_at_the_right_place_and_dated(
    cluster: Cluster, fault: Fault, word: str, within: float
) -> None:
    simulated = cluster()
    injection = simulated.inject(fault, ONSET)
    heard = simulated.run(ONSET + within)
    onset = simulated.start + ONSET
    named = {str(entity) for entity in injection.fault.entities()}
    found = {
        entity: (at, finding)
        for (mode, entity), (at, finding) in heard.first.items()
        if mode == word
    }
    assert found, f"heard only {sorted(heard.first)}"
    at, finding = min(found.values(), key=lambda one: one[0])
    entities = {*found, *(str(one) for one in finding.related)}
    assert named & entities
    assert onset <= at <= onset + within
    assert onset - 60.0 <= finding.since <= at
    before = [mode for (mode, _), (when, _) in heard.first.items() if when <= onset]
    assert before == []


@LONG
def test_a_runaway_agent_is_found_by_what_its_tenant_spends(cluster: Cluster) -> None:
    simulated = cluster(history_days=14.0)
    fault = RunawayAgent()
    simulated.inject(fault, ONSET)
    heard = simulated.run(ONSET + fault.detect_within)
    assert ("cost_spike", f"tenant/{fault.tenant}") in heard.first
    # the loop calls the dear pool, so that its tenant's calls cost more on the whole, too
    assert {mode for mode, _ in heard.first} <= {"cost_spike", "dear_model_mix"}


@LONG
def test_gaps_restarts_and_a_model_swap_are_not_mentioned(cluster: Cluster) -> None:
    """B09, B10, B05."""
    simulated = cluster()
    simulated.inject(ScrapeGap(duration=150.0), ONSET)
    simulated.inject(CounterReset(), 700.0)
    simulated.inject(CounterReset(pool="code-8b"), 800.0)
    simulated.inject(ModelSwap(), 1000.0)
    assert simulated.run(2700.0).first == {}


@LONG
def test_a_nightly_batch_at_its_hour_wakes_nobody(cluster: Cluster) -> None:
    """B03."""
    batch = NightlyBatch(duration=1500.0)
    simulated = cluster(history_days=14.0, nightly=((ONSET, batch),))
    simulated.inject(batch, ONSET)
    heard = simulated.run(2100.0)
    assert [one for one in heard.loudest.values() if one.severity is Severity.CRITICAL] == []
    assert heard.first == {}
