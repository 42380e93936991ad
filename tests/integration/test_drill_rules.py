"""A stalled engine in the simulator makes the stall's rule fire in a real Prometheus, alone."""

import pytest
from rigs import prometheus
from rigs.cache import RigUnavailable

from service.drill.backfill import Programs
from service.drill.case import Case
from service.drill.rule_score import rule_rows
from service.drill.rule_trial import try_rules
from simulator.faults.engine_stalled import EngineStalled
from simulator.schedule import WEEK_START, Event

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

START = WEEK_START + 3 * 86_400.0 + 36_000.0


@pytest.mark.parametrize("release", prometheus.RELEASES)
def test_the_rule_of_a_stall_fires_on_a_stall_and_no_other_does(release: str) -> None:
    try:
        programs = Programs(prometheus.prometheus_binary(release), prometheus.promtool(release))
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)
    case = Case("F01", 1, START, (Event(60.0, EngineStalled()),), 600.0, days=0.05)
    record = try_rules(case, programs)
    assert {one["alert"] for one in record["alerts"]} == {"EngineStalled"}
    assert record["alerts"][0]["labels"]["replica"] in record["truths"][0]["entities"][0]
    [row] = [one for one in rule_rows([record]) if one["code"] == "F01"]
    assert row["fired"]["hits"] == 1
    # five minutes without a step, half a minute of `for`, and the grid of evaluations
    assert 330.0 <= row["delay_seconds"] <= 360.0
