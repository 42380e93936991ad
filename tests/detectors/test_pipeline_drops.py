"""F56: readings that are lost on the way."""

import numpy as np
import pytest
from scene_builder import NOW, Course, World, during, step

from detectors.pipeline_drops import PipelineDrops
from vocabulary import signals
from vocabulary.entities import EntityKind
from vocabulary.findings import Finding
from vocabulary.samples import Array

ONSET = NOW - 1500.0


def holes(level: float = 9.0, spread: float = 3.0) -> Course:
    """Twenty readings in five minutes, and about *level* since the onset."""

    def count(t: Array) -> Array:
        left = level + np.rint(spread * np.sin(np.asarray(t) / 100.0))
        return np.where(np.asarray(t) < ONSET, 20.0, left)

    return count


def findings(*reads: float | Course) -> list[Finding]:
    world = World()
    for index, course in enumerate(reads):
        world.put(signals.READS_LATELY, course, target=f"http://{index}")
    return list(PipelineDrops().detect(world.scene()))


def test_holes_in_everything_are_one_finding_dated_by_the_first() -> None:
    (finding,) = findings(*([holes()] * 5))
    assert finding.entity.kind is EntityKind.CLUSTER
    assert abs(finding.since - ONSET) <= 60.0


def test_what_was_read_by_nobody_long_ago_is_no_hindrance() -> None:
    young = [lambda t: np.where(t < NOW - 3000.0, np.nan, holes()(t))] * 5
    (finding,) = findings(*young)
    assert abs(finding.since - ONSET) <= 60.0


def test_one_target_that_flaps_among_others_is_its_own_trouble() -> None:
    assert findings(holes(), 20.0, 20.0, 20.0) == []


@pytest.mark.parametrize("gap", [60.0, 150.0, 240.0])
def test_a_gap_is_over_within_the_window_that_counts(gap: float) -> None:
    for after in (120.0, 300.0):
        end = NOW - after
        dip = during(end - gap, end + 300.0, 20.0 - gap / 15.0, 20.0)
        assert findings(*([dip] * 5)) == []


def test_an_interval_that_was_set_anew_is_even() -> None:
    assert findings(*([step(ONSET, 20.0, 5.0)] * 5)) == []
    assert findings(*([step(ONSET, 5.0, 20.0)] * 5)) == []


def test_targets_that_are_new_have_no_past_to_compare_with() -> None:
    assert findings(*([lambda t: np.where(t < NOW - 300.0, np.nan, 9.0)] * 5)) == []
