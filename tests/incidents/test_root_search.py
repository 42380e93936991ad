"""What moved first is evidence of an incident that nothing explains."""

import numpy as np
from incident_scenes import NOON, Story, finding, pool_entity, stalled

from incidents.root_search import PAST, STEP, WINDOW
from vocabulary import failure_modes as f
from vocabulary import signals as s
from vocabulary.incidents import Incident
from vocabulary.samples import Array

COLUMNS = 1 + round(PAST / STEP)


def course(seed: int, level: float, share: float = 0.03) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(level * (1.0 + share * rng.standard_normal(COLUMNS)))


def told(story: Story, *modes: f.FailureMode) -> Incident:
    for mode in modes:
        story.tick(finding(mode, pool_entity(), story.clock.moment + 15.0, pool="prod/chat"))
    return story.only()


def measured(story: Story, cold: int | None) -> None:
    for number, one in enumerate(story.world.add_pool()):
        about = {"replica": one.entity.id, "pool": one.pool, "model": one.model}
        hits = course(number, 0.6)
        if number == cold:
            hits[-8:] = 0.1
        for seed, (signal, row) in enumerate(
            {s.PREFIX_HIT_RATIO: hits, s.ITL_MEAN: course(10 + number, 0.03),
             s.KV_USAGE: course(20 + number, 0.4), s.STEP_RATE: course(30 + number, 40.0)}.items()
        ):  # fmt: skip
            del seed
            story.world.series.setdefault(signal.name, []).append((about, row))


def moved(incident: Incident) -> list[str]:
    return [one.text for one in incident.evidence if one.text.startswith("moved")]


def test_an_alert_of_others_is_told_with_what_moved_first(story: Story) -> None:
    measured(story, cold=1)
    incident = told(story, f.UNCLASSIFIED)
    (text,) = moved(incident)
    assert "prefix cache hit ratio of chat-1 went from 0.6" in text or "hit ratio" in text
    assert "moved first" in text
    record = next(one for one in incident.evidence if one.text == text)
    assert record.entity == story.world.replicas[1].entity
    assert record.observed is not None
    assert abs(record.observed - 0.1) < 0.01
    assert NOON - STEP * WINDOW <= record.start <= story.clock.moment
    assert 'replica="' in record.promql
    assert incident.causes[0].failure_mode is f.UNCLASSIFIED, "it is evidence, and no cause"


def test_a_calm_pool_shows_nothing(story: Story) -> None:
    measured(story, cold=None)
    assert moved(told(story, f.LATENCY_BURN)) == []


def test_what_a_mode_explains_is_not_searched(story: Story) -> None:
    measured(story, cold=1)
    story.tick(stalled(story.world.replicas[0], NOON + 15.0))
    assert moved(story.only()) == []


def test_another_pool_is_no_suspect(story: Story) -> None:
    measured(story, cold=None)
    about = {"replica": "elsewhere", "pool": "prod/other", "model": "other"}
    row = course(50, 0.6)
    row[-8:] = 0.1
    story.world.series[s.PREFIX_HIT_RATIO.name].append((about, row))
    assert moved(told(story, f.LATENCY_BURN)) == []
