"""The series that moved first and most, and how often chance alone would show one."""

import numpy as np
import pytest

from estimators.first_movers import first_movers
from vocabulary.samples import Array

WINDOW = 10


def noise(seed: int, series: int = 60, length: int = 300) -> Array:
    return np.asarray(np.random.default_rng(seed).standard_normal((series, length)))


def floors(values: Array) -> Array:
    return np.full(len(values), 0.1)


def test_the_one_that_moved_leads() -> None:
    values = noise(1)
    values[17, -6:] += 12.0
    first = first_movers(values, WINDOW, floors(values))[0]
    assert first.index == 17
    assert first.lag == WINDOW - 6
    assert first.p_value < 0.02
    assert first.strength > 2.0


def test_of_two_the_earlier_leads() -> None:
    values = noise(2)
    values[5, -8:] += 12.0
    values[3, -2:] += 12.0
    assert [one.index for one in first_movers(values, WINDOW, floors(values))[:2]] == [5, 3]


def test_what_flaps_all_day_is_no_news() -> None:
    values = noise(3)
    values[9, ::7] += 30.0
    values[4, -5:] += 12.0
    assert first_movers(values, WINDOW, floors(values))[0].index == 4


def test_what_was_elsewhere_before_is_no_witness() -> None:
    values = noise(4)
    values[8, -WINDOW:] += 40.0
    values[8, -3:] += 40.0
    assert 8 not in {one.index for one in first_movers(values, WINDOW, floors(values))}


@pytest.mark.parametrize("series", [5, 200])
def test_chance_is_told_at_its_rate_however_many_are_looked_at(series: int) -> None:
    told = 0
    for seed in range(60):
        values = noise(seed, series, 200)
        found = first_movers(values, WINDOW, floors(values))
        told += any(one.p_value <= 0.05 for one in found)
    assert told <= 9, "5 % of 60 are 3; more than 9 would be chance once in a thousand"


def test_unknown_is_no_movement() -> None:
    values = noise(5)
    values[2, -WINDOW:] = np.nan
    values[3, :-WINDOW] = np.nan
    values[6, ::2] = np.nan
    found = {one.index for one in first_movers(values, WINDOW, floors(values))}
    assert not found & {2, 3}
    assert 6 in found


def test_too_little_past_says_nothing() -> None:
    assert first_movers(noise(6, 3, 12), WINDOW, np.ones(3)) == []
    assert first_movers(np.empty((0, 100)), WINDOW, np.empty(0)) == []
