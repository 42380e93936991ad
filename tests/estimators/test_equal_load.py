"""Comparing at equal load: effects are found, loads never seen are left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimators.equal_load import LEAST_AFTER, EqualLoad, compare_at_equal_load, outside
from estimators.proportions import compare_shares
from vocabulary.samples import Array

MINUTES = 240


def made(factor: float, seed: int, members: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    loads = 5.0 + 10.0 * rng.random((members, MINUTES, 1))
    cost = 0.01 + 0.001 * loads[:, :, 0]
    cost[:, MINUTES // 2 :] *= factor
    return cost * np.exp(0.03 * rng.standard_normal(cost.shape)), loads


def compared(values: Array, loads: Array, *, same: bool = True) -> EqualLoad:
    after = np.broadcast_to(np.arange(MINUTES) >= MINUTES // 2, values.shape)
    return compare_at_equal_load(values, loads, ~after, after, same_members=same)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factor", [0.8, 1.0, 1.12, 2.0])
def test_the_interval_holds_the_truth(factor: float, seed: int) -> None:
    found = compared(*made(factor, seed))
    assert found.lower <= np.log(factor) <= found.upper
    assert found.reach < 0.05


def test_heavier_load_is_no_effect() -> None:
    values, loads = made(1.0, 1)
    loads[:, MINUTES // 2 :] = np.minimum(loads[:, MINUTES // 2 :] * 1.2, 15.0)
    values = 0.01 + 0.001 * loads[:, :, 0]
    found = compared(values, loads)
    assert found.effect == pytest.approx(0.0, abs=0.01)


def test_loads_never_seen_widen_the_interval() -> None:
    values, loads = made(1.0, 2)
    near = compared(values, loads)
    loads[:, MINUTES // 2 :] *= 10.0
    far = compared(0.01 + 0.001 * loads[:, :, 0], loads)
    assert far.reach > 5.0 * near.reach
    assert far.lower <= 0.0 <= far.upper


def test_few_minutes_elsewhere_are_left_out() -> None:
    values, loads = made(1.0, 2)
    loads[:, -5:] *= 10.0
    found = compared(values, loads)
    assert (found.minutes_after, found.minutes_elsewhere) == (115, 5)


def test_a_mix_never_seen_is_outside_though_each_load_was_seen() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(500)
    seen = np.column_stack([first, first + 0.01 * rng.standard_normal(500)])
    beyond = outside(np.array([[0.5, 0.5], [0.9, 0.1]]), seen)
    assert beyond[0] < 0.0 < beyond[1]


def test_members_that_differ_by_themselves_widen_the_interval() -> None:
    values, loads = made(1.0, 4)
    values *= np.array([[0.9], [1.0], [1.1]])
    assert compared(values, loads, same=False).reach > 2.0 * compared(values, loads).reach


def test_too_few_minutes_give_no_effect() -> None:
    values, loads = made(1.0, 5)
    values[:, MINUTES // 2 + LEAST_AFTER - 1 :] = np.nan
    assert compared(values, loads).effect is None
    values[:, 10:] = np.nan
    assert compared(values, loads).minutes_before == 10


def test_minutes_that_are_missing_follow_from_the_interval() -> None:
    one = EqualLoad(200, 30, 0, 0.03, 0.0, 0.06, after_part=1.0)
    assert one.minutes_more(0.03) == 0.0
    assert one.minutes_more(0.015) == pytest.approx(90.0)
    assert EqualLoad(200, 30, 0, 0.03, 0.0, 0.06, after_part=0.5).minutes_more(0.02) == np.inf


@given(
    st.integers(0, 50), st.integers(50, 5000), st.integers(0, 50), st.integers(50, 5000)
)  # fmt: skip
def test_shares_lie_inside_their_interval(a: int, m: int, b: int, n: int) -> None:
    found = compare_shares(np.array([a]), np.array([m]), np.array([b]), np.array([n]))
    assert found is not None
    assert -1.0 <= found.lower <= found.effect + 1e-12
    assert found.effect - 1e-12 <= found.upper <= 1.0


def test_newcombes_published_example() -> None:
    """56 of 70 against 48 of 80 (1998, table II a, method 10): 95 % gives 0.0524 to 0.3339; 99 %,
    which is used here, is wider and holds it."""
    found = compare_shares(np.array([48]), np.array([80]), np.array([56]), np.array([70]))
    assert found is not None
    assert found.effect == pytest.approx(0.2)
    assert -0.03 < found.lower < 0.0524
    assert 0.3339 < found.upper < 0.40


def test_failures_in_bunches_are_worth_less_than_their_number() -> None:
    of = np.full(50, 100.0)
    even, bunched = np.full(50, 2.0), np.r_[np.full(2, 50.0), np.zeros(48)]
    calm = compare_shares(np.zeros(50), of, even, of)
    rough = compare_shares(np.zeros(50), of, bunched, of)
    assert calm is not None and rough is not None  # noqa: PT018
    assert calm.lower > 2.0 * rough.lower
    assert calm.upper < rough.upper


def test_nothing_served_is_no_share() -> None:
    assert compare_shares(np.zeros(3), np.zeros(3), np.zeros(3), np.ones(3)) is None
