"""The budget of a fleet: realised follows allowed, one family is no evidence, restarts continue."""

import json

import numpy as np
import pytest

from estimators.alarm_budget import HOUR, AlarmBudget, corroborated


def spent(budget: AlarmBudget, hours: int, entities: int, heavy: float = 1.0, seed: int = 1) -> int:
    """Alarms on evidence whose excess is exponential: nothing ever happens."""
    rng = np.random.default_rng(seed)
    made = 0
    for hour in range(hours):
        for part in range(2):
            evidence = rng.exponential(0.6 * heavy, entities)
            made += int(budget.tick((hour + part / 2.0) * HOUR, evidence).sum())
    return made


@pytest.mark.parametrize("heavy", [0.5, 1.0, 3.0])
def test_the_realised_rate_follows_the_budget_whatever_the_scale_of_scores(heavy: float) -> None:
    budget = AlarmBudget(per_week=400.0)
    spent(budget, 60, 2000, heavy, seed=1)
    before = budget.realised
    assert before < 400.0  # the first days must not cost a whole week's budget
    made = 0
    rng = np.random.default_rng(3)
    for hour in range(60, 228):
        made += int(budget.tick(hour * HOUR, rng.exponential(0.6 * heavy, 2000)).sum())
    assert 0.5 <= made / 400.0 <= 1.5


def test_half_the_budget_makes_a_higher_bar() -> None:
    small, large = AlarmBudget(10.0), AlarmBudget(100.0)
    for budget in (small, large):
        spent(budget, 48, 500)
    assert small.bar > large.bar + 0.5


def test_too_many_alarms_shrink_the_parts_and_too_few_widen_them() -> None:
    budget = AlarmBudget(10.0, nominal=20.0, realised=80.0)
    assert budget.correction < 0.5
    budget.realised = 2.0
    assert budget.correction > 2.0


def test_what_an_entity_often_does_is_no_news_and_a_newcomer_is_taken_for_one_of_them() -> None:
    budget = AlarmBudget(14.0)
    restless = np.array([6.0, 1.0, 1.0])
    for hour in range(48):
        budget.tick(hour * HOUR, restless)
    left = budget.news(np.array([6.0, 6.0, 6.0]))
    assert left[0] == pytest.approx(3.0, abs=0.1)
    assert left[1] == pytest.approx(5.5, abs=0.1)
    budget.tick(48 * HOUR, np.array([1.0, 1.0, 1.0, 1.0]))
    assert budget.news(np.full(4, 6.0))[3] == pytest.approx(5.5, abs=0.1)
    for hour in range(49, 49 + 24 * 40):
        budget.tick(hour * HOUR, np.ones(4))
    assert budget.news(np.full(4, 6.0))[0] > 4.5  # a habit of six weeks ago


def test_what_is_shown_while_an_incident_is_open_is_no_habit() -> None:
    learnt, muted = AlarmBudget(14.0), AlarmBudget(14.0)
    for hour in range(10):
        learnt.tick(hour * HOUR, np.array([8.0]))
        muted.tick(hour * HOUR, np.array([8.0]), np.array([True]))
    assert learnt.news(np.array([8.0]))[0] == pytest.approx(4.0, abs=0.1)
    assert muted.news(np.array([8.0]))[0] == pytest.approx(8.0)


def test_an_alarm_begins_once_however_long_it_lasts() -> None:
    budget = AlarmBudget(14.0)
    quiet = np.zeros(3)
    for hour in range(30):
        budget.tick(hour * HOUR, quiet)
    loud = np.array([0.0, 99.0, 0.0])
    begun = [budget.tick(30 * HOUR + 900.0 * step, loud) for step in range(12)]
    assert [int(one.sum()) for one in begun] == [1, *([0] * 11)]
    assert begun[0][1]
    assert budget.realised == pytest.approx(1.0, abs=0.3)


def test_an_open_incident_neither_teaches_nor_alarms() -> None:
    budget = AlarmBudget(14.0)
    for hour in range(30):
        budget.tick(hour * HOUR, np.zeros(3))
    counts, muted = budget.counts.sum(), np.array([False, True, False])
    assert not budget.tick(30 * HOUR, np.array([np.nan, 99.0, np.nan]), muted).any()
    budget.tick(31 * HOUR, np.full(3, np.nan))
    assert budget.counts.sum() <= counts + 3.0
    assert budget.counts[1200:].sum() == 0.0


def test_a_restart_goes_on_with_the_same_bar() -> None:
    one, other = AlarmBudget(50.0), AlarmBudget(50.0)
    spent(one, 48, 300)
    other.restore(json.loads(json.dumps(one.as_json())))
    for budget in (one, other):
        budget.tick(48 * HOUR, np.zeros(300))
        budget.tick(49 * HOUR, np.zeros(300))
    assert other.bar == pytest.approx(one.bar, abs=0.2)


def test_the_second_family_speaks() -> None:
    scores = np.array([9.0, 8.0, 1.0, 9.0, 7.0, np.nan, 5.0])
    entity = np.array([0, 0, 0, 1, 1, 2, 3])
    family = np.array([0, 0, 1, 0, 2, 1, 1])
    found = corroborated(scores, entity, family, 4, 3)
    np.testing.assert_array_equal(found, [1.0, 7.0, np.nan, np.nan])
