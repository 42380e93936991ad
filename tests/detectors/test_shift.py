"""A ratio that moved: what is surely no shift is told from one without statistics, and alike."""

import numpy as np
import pytest

from detectors._shift import Shift, shifted
from vocabulary.samples import Array

TIMES = np.arange(240) * 60.0


def both(row: Array, least: float) -> tuple[Shift | None, Shift | None]:
    """What is found with *least*, and what is left of what is found without it."""
    now = float(TIMES[-1])
    found = shifted(TIMES, row, recent=1200.0, now=now)
    quick = shifted(TIMES, row, recent=1200.0, now=now, least=least)
    return (
        None if quick is None or quick.ratio < least else quick,
        None if found is None or found.ratio < least else found,
    )


@pytest.mark.parametrize("seed", range(40))
def test_least_leaves_out_nothing_that_moved_so_far(seed: int) -> None:
    rng = np.random.default_rng(seed)
    row = np.exp(rng.normal(0.0, 0.3, 240))
    row[-20:] *= rng.uniform(1.0, 4.0)
    row[rng.random(240) < 0.1] = np.nan
    quick, found = both(row, 2.0)
    assert quick == found


def test_some_of_these_rows_are_shifts_and_a_rise_from_zero_is_one() -> None:
    row = np.zeros(240)
    row[-20:] = 3.0
    quick, found = both(row, 2.0)
    assert quick is not None
    assert quick == found
    assert quick.ratio == np.inf


def test_a_row_that_moved_less_is_none_at_once() -> None:
    row = np.random.default_rng(1).normal(1.0, 0.01, 240)
    row[-20:] += 0.5
    assert shifted(TIMES, row, recent=1200.0, now=float(TIMES[-1])) is not None
    assert shifted(TIMES, row, recent=1200.0, now=float(TIMES[-1]), least=2.0) is None
