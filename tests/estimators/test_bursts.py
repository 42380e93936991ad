"""Bad events against chance and habit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimators.bursts import dispersion, share_burst


def test_a_burst_is_improbable_and_its_interval_lies_above_habit() -> None:
    found = share_burst(30, 100, 10, 5000)
    assert found is not None
    assert found.p_value < 1e-12
    assert found.lower > found.upper


def test_the_same_share_is_no_burst() -> None:
    found = share_burst(10, 1000, 50, 5000)
    assert found is not None
    assert found.p_value > 0.1


def test_a_few_of_few_prove_little() -> None:
    found = share_burst(3, 4, 0, 4)
    assert found is not None
    assert found.p_value > 0.01


def test_no_calls_are_no_share() -> None:
    assert share_burst(0, 0, 10, 100) is None


def test_a_spotless_past_is_no_proof_of_impossibility() -> None:
    found = share_burst(2, 100, 0, 200)
    assert found is not None
    assert found.p_value > 0.01


def test_a_past_that_comes_in_waves_asks_for_more() -> None:
    calm, wavy = share_burst(40, 400, 100, 5000), share_burst(40, 400, 100, 5000, 10.0)
    assert calm is not None
    assert wavy is not None
    assert wavy.p_value > 1000.0 * calm.p_value


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500), st.integers(0, 5000))
def test_shares_and_probabilities_stay_within_their_bounds(
    bad: int, total: int, bad_before: int, total_before: int
) -> None:
    found = share_burst(min(bad, total), total, min(bad_before, total_before), total_before)
    assert found is not None
    assert 0.0 <= found.p_value <= 1.0
    assert 0.0 <= found.lower <= found.share <= 1.0
    assert 0.0 <= found.upper <= 1.0


def test_binomial_counts_are_not_dispersed_and_waves_are() -> None:
    rng = np.random.default_rng(1)
    total = np.full(200, 100.0)
    even = rng.binomial(100, 0.1, 200).astype(float)
    waves = np.where(np.arange(200) % 20 < 10, 2.0, 30.0)
    assert dispersion(even, total) == pytest.approx(1.1, abs=0.3)
    assert dispersion(waves, total) > 5.0
    assert dispersion(np.zeros(10), np.zeros(10)) == 1.0
