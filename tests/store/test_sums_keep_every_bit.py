"""A moment has one value, however long the question and whichever series it holds besides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.columns import Columns, Piece, grid, side_by_side
from store.evaluation import evaluate
from vocabulary import metrics
from vocabulary.expressions import By, Last, Match
from vocabulary.samples import labels_of

MINUTE = 60_000


def pieces(series: int, moments: int, seed: int) -> list[Piece]:
    """Gauges that come and go; an absent stretch is longer than the lookback."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(series):
        first, last = sorted(rng.integers(0, moments, 2))
        times = np.arange(first, last + 1, dtype=np.int64) * MINUTE
        values = rng.lognormal(0.0, 6.0, len(times))
        made.append(
            Piece(labels_of({"replica": f"r{number:04}", "pool": f"{number % 2}"}), times, values)
        )
    return made


@pytest.mark.parametrize("how", ["sum", "avg"])
@given(series=st.integers(1, 60), seed=st.integers(0, 10_000), columns=st.integers(1, 12))
def test_a_slice_of_a_long_question_is_the_short_question(
    how: str, series: int, seed: int, columns: int
) -> None:
    held = pieces(series, 60, seed)

    def source(name: str, match: Match, after: int, until: int) -> Columns:
        cut = []
        for one in held:
            low, high = np.searchsorted(one.times, (after, until), side="right")
            if low < high:
                cut.append(Piece(one.labels, one.times[low:high], one.values[low:high]))
        return side_by_side(cut)

    expression = By(how, Last(metrics.REQUESTS_RUNNING), ("pool",))
    whole = evaluate(expression, source, grid(0.0, 3600.0, 60.0))
    short = evaluate(expression, source, grid(1800.0, 1800.0 + 60.0 * (columns - 1), 60.0))
    for labels, row in zip(short.labels, short.values, strict=True):
        same = whole.values[whole.labels.index(labels), 30 : 30 + columns]
        assert row.tobytes() == same.tobytes()
