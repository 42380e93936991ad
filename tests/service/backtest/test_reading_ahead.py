"""What is read ahead answers every question as the store itself would, and shows no future."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.backtest.reading_ahead import ReadingAhead
from store.embedded import EmbeddedStore
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.errors import StoreError, StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.samples import Frame, Series, labels_of

START = 1_750_000_000.0 - 1_750_000_000.0 % 3600.0
HOURS = 6
ASKED = (signals.RUNNING, signals.OUTPUT_TOKEN_RATE, signals.ITL_MEAN, signals.KV_USAGE)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """Replicas that come and go, each with its gaps and resets."""
    rng = np.random.default_rng(3)
    opened = EmbeddedStore(tmp_path_factory.mktemp("store"))
    times = START + 15.0 * np.arange(HOURS * 240)
    columns = []
    for number in range(5):
        labels = {"pool": "p", "model": "m", "replica": f"r{number}", "vantage": "engine"}
        alive = (times >= START + 2400.0 * number) & (times < START + 4 * 3600.0 + 1800.0 * number)
        alive &= rng.random(len(times)) > 0.1
        some = times[alive]
        grown = np.cumsum(rng.poisson(40, len(some))).astype(float)
        grown[len(some) // 2 :] -= grown[len(some) // 2]
        names = (m.OUTPUT_TOKENS.name, f"{m.INTER_TOKEN_LATENCY.name}_sum",
                 f"{m.INTER_TOKEN_LATENCY.name}_count")  # fmt: skip
        columns += [(Series(name, labels_of(labels)), some, grown) for name in names]
        for metric in (m.REQUESTS_RUNNING, m.KV_CACHE_UTILIZATION):
            columns.append((Series(metric.name, labels_of(labels)), some, rng.random(len(some))))
    opened.append_columns(columns)
    yield opened
    opened.close()


def same(ours: Frame, theirs: Frame) -> None:
    assert ours.labels == theirs.labels
    np.testing.assert_array_equal(ours.times, theirs.times)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-12)


class Counting:
    """The store, counting what it is asked."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        self.moments = 0
        self.latest = 0.0

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        self.moments += round((end - start) / step) + 1
        self.latest = max(self.latest, end)
        return self.store.evaluate(signal, start, end, step)

    def newest(self) -> float | None:
        return self.store.newest()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ahead=st.sampled_from([0.0, 60.0, 900.0, 14_400.0]),
    asks=st.lists(
        st.tuples(
            st.sampled_from(ASKED),
            st.sampled_from([15.0, 60.0, 300.0]),
            st.integers(0, 40),
            st.sampled_from([15.0, 15.0, 60.0, 2400.0]),
        ),
        min_size=5,
        max_size=40,
    ),
)
def test_whatever_is_asked_as_time_goes_on_is_answered_as_by_the_store(
    store: EmbeddedStore,
    ahead: float,
    asks: list[tuple[Signal, float, int, float]],
) -> None:
    reading = ReadingAhead(store, START + HOURS * 3600.0, ahead)
    now = START + 600.0
    for signal, step, columns, later in asks:
        now = min(now + later, START + HOURS * 3600.0)
        asked = (signal, now - columns * step, now, step)
        same(reading.evaluate(*asked), store.evaluate(*asked))


def test_each_moment_is_evaluated_once_and_none_after_the_end(store: EmbeddedStore) -> None:
    counting = Counting(store)
    end = START + 5 * 3600.0
    reading = ReadingAhead(counting, end)
    for moment in np.arange(START + 3600.0, end + 1.0, 15.0).tolist():
        reading.evaluate(signals.RUNNING, moment - 600.0, moment, 15.0)
    assert counting.moments == 4 * 240 + 41
    assert counting.latest == end


def test_what_is_asked_seldom_is_not_evaluated_between(store: EmbeddedStore) -> None:
    counting = Counting(store)
    end = START + 6 * 3600.0
    reading = ReadingAhead(counting, end, ahead=600.0)
    for moment in np.arange(START + 3600.0, end + 1.0, 1800.0).tolist():
        asked = (signals.RUNNING, moment - 15.0, moment, 15.0)
        same(reading.evaluate(*asked), store.evaluate(*asked))
    assert counting.moments <= 42 + 2 * 11


def test_a_question_too_large_for_the_store_is_asked_in_parts(store: EmbeddedStore) -> None:
    class Small(Counting):
        def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
            if (end - start) / step > 50:
                raise StoreError("too many values; shorten the range")
            return super().evaluate(signal, start, end, step)

    reading = ReadingAhead(Small(store), START + 6 * 3600.0)
    asked = (signals.RUNNING, START + 3600.0, START + 9000.0, 15.0)
    same(reading.evaluate(*asked), store.evaluate(*asked))


def test_a_backend_that_went_away_is_remembered(store: EmbeddedStore) -> None:
    class Away(Counting):
        def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
            raise StoreUnreachable("it does not answer")

    reading = ReadingAhead(Away(store), START + 3600.0)
    with pytest.raises(StoreUnreachable):
        reading.evaluate(signals.RUNNING, START, START + 60.0, 15.0)
    assert reading.lost is not None


def test_what_never_had_a_value_is_known(store: EmbeddedStore) -> None:
    reading = ReadingAhead(store, START + 7200.0)
    reading.evaluate(signals.RUNNING, START, START + 3600.0, 60.0)
    reading.evaluate(signals.GPU_POWER, START, START + 3600.0, 60.0)
    assert reading.heard == {signals.RUNNING.name}
