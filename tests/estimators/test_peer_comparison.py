"""Siblings judge each other, never themselves."""

import numpy as np
import pytest

from estimators.peer_comparison import others_median, robust_z


def test_the_odd_one_is_measured_against_the_others_alone() -> None:
    values = np.array([1.0, 1.1, 0.9, 5.0])
    assert others_median(values)[3] == 1.0
    z = robust_z(values, floor=0.05)
    assert int(np.argmax(z)) == 3
    assert z[3] > 10.0


def test_one_of_two_has_one_witness_and_no_spread() -> None:
    assert others_median(np.array([1.0, 2.0])) == pytest.approx([2.0, 1.0])
    assert np.isnan(robust_z(np.array([1.0, 2.0]))).all()


def test_missing_siblings_do_not_vote() -> None:
    assert others_median(np.array([np.nan, 2.0, 4.0]))[0] == 3.0
    assert np.isnan(others_median(np.array([1.0, np.nan])))[0]


def test_identical_siblings_are_not_infinitely_alike() -> None:
    assert robust_z(np.array([1.0, 1.0, 1.0, 1.001]), floor=0.01)[3] < 1.0
