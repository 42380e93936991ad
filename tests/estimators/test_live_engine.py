"""The live engine: one code for rows and blocks, series that come and go, restarts, incidents."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators import tails, whitening
from estimators.engine_snapshot import MAGIC, SnapshotRefused, from_bytes, to_bytes
from estimators.live_engine import LiveEngine
from estimators.point_anomaly import PointAnomaly

JUDGE = PointAnomaly()
STEP = 60.0


def waves(rows: int = 700, series: int = 3, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slow = 5.0 * np.sin(np.arange(rows) / 60.0)[:, None]
    return 50.0 + slow + rng.normal(0.0, 1.0, (rows, series))


def engine_of(series: int) -> LiveEngine:
    engine = LiveEngine(JUDGE, STEP)
    engine.add(series)
    return engine


def fed(engine: LiveEngine, values: np.ndarray, cuts: list[int], begin: int = 0) -> np.ndarray:
    edges = [0, *sorted(cuts), len(values)]
    parts = [
        engine.update_block(STEP * np.arange(begin + a, begin + b), values[a:b])
        for a, b in pairwise(edges)
    ]
    return np.concatenate(parts)


def test_every_way_to_cut_rows_into_blocks_gives_the_same_scores_to_the_bit() -> None:
    values = waves()
    values[300:320, 1] = np.nan
    values[200:500, 2] = np.nan
    whole = fed(engine_of(3), values, [])
    np.testing.assert_array_equal(fed(engine_of(3), values, list(range(1, 700))), whole)
    np.testing.assert_array_equal(fed(engine_of(3), values, [5, 6, 100, 333]), whole)


def test_the_score_of_a_series_does_not_depend_on_its_neighbours() -> None:
    values = waves(300, 80)
    values[100:110, ::7] = np.nan
    many = fed(engine_of(80), values, list(range(0, 300, 7)))
    for column in (0, 7, 79):
        alone = fed(engine_of(1), values[:, column : column + 1], [])
        np.testing.assert_array_equal(alone[:, 0], many[:, column])


def test_a_restart_changes_no_score() -> None:
    values = waves()
    whole = fed(engine_of(3), values, [])
    engine = engine_of(3)
    fed(engine, values[:333], [])
    again = from_bytes(to_bytes(engine), JUDGE, STEP)
    np.testing.assert_array_equal(fed(again, values[333:], [], begin=333), whole[333:])


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=25, deadline=None)
def test_a_damaged_snapshot_is_refused(at: int, flip: int) -> None:
    kept = bytearray(to_bytes(engine_of(2)))
    body = kept.index(b"\n", len(MAGIC)) + 1
    kept[body + at % (len(kept) - body)] ^= flip
    with pytest.raises(SnapshotRefused, match="damaged"):
        from_bytes(bytes(kept), JUDGE, STEP)


@pytest.mark.parametrize("kept", [b"", b"something else", MAGIC + b"{}\n", MAGIC + b"[]\nxx"])
def test_what_is_no_snapshot_is_refused(kept: bytes) -> None:
    with pytest.raises(SnapshotRefused):
        from_bytes(kept, JUDGE, STEP)


def test_a_snapshot_of_another_interval_or_a_newer_version_is_refused() -> None:
    kept = to_bytes(engine_of(2))
    with pytest.raises(SnapshotRefused, match="interval"):
        from_bytes(kept, JUDGE, 15.0)
    with pytest.raises(SnapshotRefused, match="version 9"):
        from_bytes(kept.replace(b'"version": 1', b'"version": 9'), JUDGE, STEP)


def test_columns_that_a_snapshot_lacks_begin_fresh_and_foreign_ones_are_left_out() -> None:
    engine = engine_of(2)
    fed(engine, waves(100, 2), [])
    engine.state["foreign"] = np.zeros(2)
    del engine.state["record"]
    again = from_bytes(to_bytes(engine), JUDGE, STEP)
    assert "foreign" not in again.state
    assert (again.state["record"] == 0).all()
    assert (again.state["age"] == 100).all()


def test_late_rows_are_refused_and_counted() -> None:
    engine = engine_of(1)
    fed(engine, waves(100, 1), [])
    before = {name: part.copy() for name, part in engine.state.items()}
    assert np.isnan(engine.update(30.0, np.array([1e6]))).all()
    assert engine.late == 1
    for name, part in before.items():
        np.testing.assert_array_equal(engine.state[name], part)


def test_series_may_go_and_others_go_on_as_if_nothing_was() -> None:
    values = waves(400, 4)
    whole = fed(engine_of(4), values, [])
    engine = engine_of(4)
    fed(engine, values[:200], [])
    engine.keep(np.array([3, 1]))
    np.testing.assert_array_equal(
        fed(engine, values[200:, [3, 1]], [], begin=200), whole[200:, [3, 1]]
    )


def test_what_happens_while_frozen_is_not_learnt() -> None:
    values = waves(1200, 1)
    calm, frozen = engine_of(1), engine_of(1)
    for engine in (calm, frozen):
        fed(engine, values[:600], [])
    rough = 50.0 + 40.0 * np.random.default_rng(4).normal(0.0, 1.0, (300, 1))
    for engine, held in ((calm, False), (frozen, True)):
        times = STEP * np.arange(600, 900)
        engine.update_block(times, rough, np.array([held]))
    assert frozen.state["age"][0] == 600
    assert calm.state["sizes"][0, 0] > 2.0 * frozen.state["sizes"][0, 0]
    assert calm.state["edge"][0, 0] > 1.2 * frozen.state["edge"][0, 0]


def test_blocks_and_rows_agree_while_frozen() -> None:
    values = waves(500, 2)
    found = []
    held = np.array([True, False])
    for length in (100, 1):
        engine = engine_of(2)
        fed(engine, values[:400], [])
        parts = [
            engine.update_block(STEP * np.arange(a, a + length), values[a : a + length], held)
            for a in range(400, 500, length)
        ]
        found.append(np.concatenate(parts))
    np.testing.assert_array_equal(*found)


def test_a_new_series_begins_with_what_its_kin_have_learnt() -> None:
    rng = np.random.default_rng(2)
    heavy = rng.standard_t(2.2, (900, 12))  # tails that surprise a newcomer
    engine = LiveEngine(JUDGE, STEP)
    engine.add(12, family=5)
    fed(engine, heavy, [])
    engine.add(1, family=5)
    engine.add(1, family=6)
    kin, stranger = engine.state["edge"][:, -2], engine.state["edge"][:, -1]
    assert (kin != stranger).all()
    young = rng.normal(0.0, 1.0, (60, 14))
    scores = fed(engine, young, [], begin=900)
    assert np.isfinite(scores[20:, 12]).all()
    assert np.isnan(scores[:50, 13]).all()
    assert np.isfinite(scores[50:, 13]).all()


def test_a_series_that_was_away_for_long_is_taken_up_where_it_is_found() -> None:
    values = waves(400, 1)
    engine = engine_of(1)
    fed(engine, values, [])
    far = engine.update_block(STEP * np.arange(2000, 2030), waves(30, 1, seed=9) + 500.0)
    near = engine_of(1)
    fed(near, values, [])
    at_once = near.update_block(STEP * np.arange(400, 430), waves(30, 1, seed=9) + 500.0)
    assert np.nanmax(far) < JUDGE.alarm < np.nanmax(at_once)


def test_the_state_of_a_series_fits_the_promise() -> None:
    assert engine_of(1000).bytes_a_series <= 300


def test_the_packed_whitener_measures_mahalanobis_lengths() -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(0.0, 0.5, (4, 4))
    covariance = root @ root.T + 0.2 * np.eye(4)
    packed = whitening.whitener(covariance[np.tril_indices(4)][:, None], np.zeros(1))
    vectors = rng.normal(0.0, 1.0, (50, 4, 1)).astype(np.float32)
    inverse = np.linalg.inv(covariance + whitening.RIDGE * np.eye(4))
    expected = np.einsum("ti,ij,tj->t", vectors[..., 0], inverse, vectors[..., 0]) / 4.0
    np.testing.assert_allclose(whitening.power(packed, vectors)[:, 0], expected, rtol=5e-3)


@given(st.floats(0.1, 1.0), st.floats(0.5, 20.0))
@settings(max_examples=15, deadline=None)
def test_counts_alone_find_the_tail(slope: float, edge: float) -> None:
    """Beyond the 95th percentile the logarithm of the value is exponential with this mean."""
    rng = np.random.default_rng(7)
    rare = rng.random(400_000) < 0.05
    sign = np.where(rare, rng.exponential(slope, rare.size), -rng.exponential(0.5, rare.size))
    values = (edge * np.exp(sign)).astype(np.float32)
    found = np.full((2, 1), tails.FIRST_EDGE, np.float32), np.full((2, 1), 0.35, np.float32)
    start = 0
    while start < len(values):
        both = np.repeat(values[start : start + max(64, start // 50), None, None], 2, axis=1)
        start += len(both)
        _, beyond, far = tails.rareness(both, *found)
        found = tails.relearnt(*found, beyond, far, np.array([len(both)]), np.array([start]))
    assert found[0][0, 0] == pytest.approx(edge, rel=0.15)
    assert found[1][0, 0] == pytest.approx(slope, rel=0.3)


def test_a_movement_that_means_nothing_surprises_nobody_however_still_it_was() -> None:
    """A GPU's clock: flat for hours, then one step of its driver, then half of it."""
    clock = np.full((700, 2), 1980.0)
    clock[500:520] -= 15.0
    clock[600:620] -= 900.0
    engine = LiveEngine(JUDGE, STEP)
    engine.add(1)
    engine.add(1, least=50.0)
    scores = fed(engine, clock, [])
    assert np.nanmax(scores[500:520, 0]) > JUDGE.alarm
    assert np.nanmax(scores[:590, 1]) < JUDGE.alarm - 1.0
    assert np.nanmax(scores[600:620, 1]) > JUDGE.alarm
