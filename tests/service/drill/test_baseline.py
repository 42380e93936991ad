"""The fixed set of CI: what was found before is found still, and nobody is paged for nothing."""

from pathlib import Path

import pytest

from service.drill.campaign import run
from service.drill.case import Corpus, written
from service.drill.result import read_result, regressions, result
from simulator.scenario_file import read_scenario

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "drill"
FILES = [FOLDER / "ci-faults.yaml", FOLDER / "ci-quiet.yaml"]


@pytest.mark.timeout(600)  # half a minute of CPU, on a machine that may have other work
def test_the_fixed_set_is_no_worse_than_its_baseline() -> None:
    baseline = read_result(FOLDER / "baseline.json")
    records = run([written(read_scenario(file)) for file in FILES])
    now = result(records, Corpus.found().left_out)
    assert regressions(baseline, now) == [], "mend it, or say why in `make drill-baseline`"
    found = sum(score["all"]["found"]["hits"] for score in baseline["scores"].values())
    assert found == 3, "a baseline that finds nothing guards nothing"
