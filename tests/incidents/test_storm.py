"""More incidents in one tick than can be written up at once, and what the storm is spared."""

import gc
from contextlib import suppress
from dataclasses import replace

import pytest
from incident_scenes import INTERVAL, NOON, Story, finding, stalled

from incidents import readings, storm
from vocabulary import failure_modes as f
from vocabulary.entities import Entity, EntityKind
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

MANY = 1300


def spikes(now: float) -> list[Finding]:
    return [
        replace(
            finding(f.COST_SPIKE, Entity(EntityKind.TENANT, f"tenant-{number}"), now, since=NOON),
            severity=Severity.WARNING,
        )
        for number in range(MANY)
    ]


def test_all_of_a_storm_are_there_at_once_and_written_up_within_a_minute(story: Story) -> None:
    full = readings.Readings(story.world.scene()).write_ups_left
    assert full < MANY
    story.tick(*spikes(NOON + INTERVAL))
    first = {case.incident.id: case.incident for case in story.desk._cases.live.values()}
    assert len(first) == MANY
    assert all(one.title and one.headline and one.links for one in first.values())
    sketched = [one for one in first.values() if not one.causes]
    assert len(sketched) == MANY - full
    assert "being worked out" in sketched[0].headline
    story.tick(*spikes(NOON + 2 * INTERVAL))
    after = [case.incident for case in story.desk._cases.live.values()]
    assert all(one.causes and one.evidence for one in after)
    assert not any("being worked out" in one.headline for one in after)


def test_a_sketch_outlives_a_restart_and_is_written_up_then(story: Story) -> None:
    story.tick(*spikes(NOON + INTERVAL))
    story.restart()
    story.tick(*spikes(NOON + 2 * INTERVAL))
    story.tick(*spikes(NOON + 3 * INTERVAL))
    assert all(case.incident.causes for case in story.desk._cases.live.values())


def test_one_incident_is_written_up_at_once(story: Story) -> None:
    story.world.add_pool()
    story.tick(stalled(story.world.replicas[0], NOON + INTERVAL))
    assert story.only().causes


@pytest.mark.parametrize("findings", [storm.STORM - 1, storm.STORM])
def test_the_collector_is_put_off_for_storms_alone_and_comes_back(findings: int) -> None:
    assert gc.isenabled()
    with storm.no_collection(findings):
        assert gc.isenabled() is (findings < storm.STORM)
    assert gc.isenabled()


def test_the_collector_comes_back_when_a_storm_cannot_be_taken_in() -> None:
    with suppress(OSError), storm.no_collection(storm.STORM):
        raise OSError("the disk is full")
    assert gc.isenabled()
