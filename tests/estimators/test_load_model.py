"""What latency a load explains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators import load_model


def run(seed: int = 1, rows: int = 200, noise: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    loads = np.column_stack([rng.uniform(1.0, 20.0, rows), rng.uniform(0.0, 300.0, rows)])
    truth = 0.018 + 0.0005 * loads[:, 0] + 0.00004 * loads[:, 1]
    return loads, truth * np.exp(rng.normal(0.0, noise, rows))


def test_residuals_are_the_noise_and_no_more() -> None:
    loads, seconds = run()
    model = load_model.fit(loads, seconds)
    assert model is not None
    assert model.sigma == pytest.approx(0.03, rel=0.25)
    assert abs(np.median(model.residual(loads, seconds))) < 0.01


@pytest.mark.parametrize("slower", [1.05, 1.5, 3.0])
def test_a_slowdown_is_read_off_at_any_load(slower: float) -> None:
    loads, seconds = run()
    model = load_model.fit(loads, seconds)
    assert model is not None
    fresh, times = run(seed=2)
    residual = np.median(model.residual(fresh, times * slower))
    assert np.exp(residual) == pytest.approx(slower, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_more_load_is_never_predicted_to_be_faster(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loads = rng.uniform(0.0, 10.0, (60, 2))
    model = load_model.fit(loads, rng.uniform(0.01, 1.0, 60))
    assert model is not None
    lower = rng.uniform(0.0, 20.0, (50, 2))
    higher = lower + rng.uniform(0.0, 5.0, (50, 2))
    assert (model.predict(higher) >= model.predict(lower) - 1e-12).all()


def test_a_tenth_of_wild_rows_does_not_bend_it() -> None:
    loads, seconds = run()
    spoilt = seconds.copy()
    spoilt[::10] *= 8.0
    straight, bent = load_model.fit(loads, seconds), load_model.fit(loads, spoilt)
    assert straight is not None
    assert bent is not None
    assert bent.predict(loads) == pytest.approx(straight.predict(loads), rel=0.04)


def test_it_knows_what_it_has_not_seen() -> None:
    loads, seconds = run()
    model = load_model.fit(loads, seconds)
    assert model is not None
    assert model.beyond(np.array([[10.0, 100.0]]))[0] == 0.0
    assert model.beyond(np.array([[39.0, 100.0]]))[0] == pytest.approx(1.0, rel=0.1)


def test_too_few_complete_rows_give_no_model() -> None:
    loads, seconds = run(rows=30)
    loads[:15, 1] = np.nan
    assert load_model.fit(loads, seconds) is None


def test_missing_loads_have_no_residual() -> None:
    loads, seconds = run()
    model = load_model.fit(loads, seconds)
    assert model is not None
    assert np.isnan(model.residual(np.array([[np.nan, 1.0]]), np.array([0.02]))[0])
