"""What is remembered from tick to tick is what evaluating everything anew would give."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from store import memory
from store.columns import Columns, Piece, grid, merged, side_by_side
from store.embedded import EmbeddedStore
from store.evaluation import evaluate
from store.remembering import Remembering
from store.selection import Selection, Selector, selection
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.errors import StoreError
from vocabulary.expressions import By, Last, Over, Ratio, Signal
from vocabulary.samples import Frame, Sample, Series, labels_of

T0 = 1_750_000_000.0 - 1_750_000_000.0 % 3600.0
STEP = 15.0
WATCHED = (
    (signals.RUNNING, 600.0, 15.0, 0.0),
    (signals.RUNNING, 1800.0, 60.0, 0.0),
    (signals.RUNNING_MEAN, 600.0, 60.0, 120.0),
    (signals.KV_USAGE, 900.0, 30.0, 0.0),
    (signals.OUTPUT_TOKEN_RATE, 15.0, 15.0, 0.0),
    (signals.OUTPUT_TOKEN_RATE, 600.0, 30.0, 0.0),
    (signals.OUTPUT_TOKEN_RATE, 7.0, 3.5, 0.0),
    (signals.TTFT_MEAN, 900.0, 15.0, 60.0),
    (signals.TTFT_P95, 600.0, 60.0, 60.0),
    (signals.FIRST_TOKENS_LATE, 300.0, 15.0, 0.0),
    (Signal("peak", "1", "", By("count", Over("max", m.REQUESTS_RUNNING, 60.0), ("model",))),
     300.0, 15.0, 0.0),
)  # fmt: skip
"""Signal, look-back, step, and how often it is asked for."""


def same(ours: Frame, theirs: Frame) -> None:
    assert ours.labels == theirs.labels
    np.testing.assert_array_equal(ours.times, theirs.times)
    # Sums of the same numbers beside more or fewer absent ones differ in their last bit.
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-12, atol=0)


class Plain:
    """Every sample in a list, and every question answered from the beginning."""

    def __init__(self) -> None:
        self.held: dict[Series, list[tuple[int, float]]] = {}

    def append(self, samples: Sequence[Sample]) -> None:
        for series, value, at in samples:
            self.held.setdefault(series, []).append((round(at * 1000), value))

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        return evaluate(signal.expr, self._selection, grid(start, end, step))

    def _selection(self, selectors: Sequence[Selector], after: int, until: int) -> Selection:
        return selection([self._columns(*one, after, until) for one in selectors])

    def _columns(self, name: str, match: tuple[tuple[str, str], ...], after: int, until: int) -> (
        Columns
    ):  # fmt: skip
        pieces = []
        for series, column in self.held.items():
            if series.name == name and all(series.label(label) == value for label, value in match):
                given_times = np.array([at for at, _ in column], np.int64)
                times, values = merged([(given_times, np.array([value for _, value in column]))])
                inside = (times > after) & (times <= until)
                if inside.any():
                    pieces.append(Piece(series.labels, times[inside], values[inside]))
        return side_by_side(pieces)


class Fleet:
    """Replicas that come and go, are read late, twice or not at all, and begin anew."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.counters: dict[Series, float] = {}
        self.waiting: list[Sample] = []

    def batch(self, moment: float) -> list[Sample]:
        """What arrives by *moment*."""
        fresh: list[Sample] = []
        for number in range(9):
            away = (number * 7 + moment // 300) % 5 == 0
            if away or self.rng.random() < 0.05:
                continue
            at = moment - (0.0 if number % 3 else round(self.rng.random() * 4, 3))
            fresh += self.page(f"r{number}", at, ends=self.rng.random() < 0.04)
        late = [one for one in fresh if self.rng.random() < 0.04]
        arrived = [one for one in fresh if one not in late]
        come = [one for one in self.waiting if self.rng.random() < 0.3]
        self.waiting = [one for one in self.waiting if one not in come] + late
        twice = [one._replace(value=one.value + 1.0) for one in arrived if self.rng.random() < 0.02]
        return [*come, *arrived, *twice]

    def page(self, replica: str, at: float, *, ends: bool) -> Iterator[Sample]:
        labels = {"replica": replica, "pool": "p", "model": "m", "vantage": "engine"}
        for metric in (m.REQUESTS_RUNNING, m.KV_CACHE_UTILIZATION):
            value = np.nan if ends else float(self.rng.integers(0, 9))
            yield Sample(Series(metric.name, labels_of(labels)), value, at)
        for status in ("stop", "length"):
            yield self.counted(m.OUTPUT_TOKENS.name, {**labels, "finish_reason": status}, at)
        first = m.TIME_TO_FIRST_TOKEN.name
        yield self.counted(f"{first}_sum", labels, at)
        yield self.counted(f"{first}_count", labels, at)
        for bound in ("0.5", "5.0", "+Inf"):
            yield self.counted(f"{first}_bucket", {**labels, "le": bound}, at)

    def counted(self, name: str, labels: dict[str, str], at: float) -> Sample:
        series = Series(name, labels_of(labels))
        grown = self.counters.get(series, 0.0) + float(self.rng.integers(0, 50))
        self.counters[series] = 0.0 if self.rng.random() < 0.02 else grown
        return Sample(series, self.counters[series], at)


def judged(ask: Callable[..., Frame], now: float) -> Iterator[tuple[tuple[object, ...], Frame]]:
    """Everything that is due at one tick."""
    for signal, lookback, step, every in WATCHED:
        if every and now % every:
            continue
        asked = (signal, now - round(lookback / step) * step, now, step)
        yield asked, ask(*asked)


@pytest.mark.parametrize(
    ("seed", "sealed", "most_cells"),
    [(25, True, 10**7), (29, True, 10**7), (2, False, 10**7), (4, False, 300)],
)
def test_every_tick_shows_what_all_samples_together_show(
    seed: int, sealed: bool, most_cells: int
) -> None:
    fleet, plain = Fleet(seed), Plain()
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory() as folder,
        closing(EmbeddedStore(Path(folder))) as store,
    ):
        if sealed:
            patch.setattr(memory, "SEAL_SAMPLES", 900)
        remembering = Remembering(store, most_cells)
        for tick in range(45):
            now = T0 + STEP * tick
            if fleet.rng.random() < 0.1:
                continue  # nothing is read, and nobody looks
            batch = fleet.batch(now)
            store.append(batch)
            plain.append(batch)
            if tick == 20:  # history comes by another door
                old = Series(m.REQUESTS_RUNNING.name, labels_of({"replica": "old", "pool": "p"}))
                old = old._replace(labels=labels_of((*old.labels, ("vantage", "engine"))))
                store.append_columns([(old, [T0, T0 + 60.0], [1.0, 2.0])])
                plain.append([Sample(old, 1.0, T0), Sample(old, 2.0, T0 + 60.0)])
            for asked, frame in judged(remembering.evaluate, now):
                same(frame, plain.evaluate(*asked))  # type: ignore[arg-type]
            if fleet.rng.random() < 0.2:  # what a tick writes itself is of the moment it judged
                store.append(batch[:1])
                plain.append(batch[:1])


class Counting:
    """A store that counts the moments it evaluates, and how often it is asked."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        self.arrivals = store.arrivals
        self.newest = store.newest
        self.asked: list[tuple[int, int]] = []

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        return self.evaluate_together([signal], start, end, step)[0]

    def evaluate_together(
        self, those: Sequence[Signal], start: float, end: float, step: float
    ) -> list[Frame]:
        self.asked.append((len(those), round((end - start) / step) + 1))
        return self.store.evaluate_together(those, start, end, step)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with closing(EmbeddedStore(tmp_path)) as opened:
        yield opened


def running(at: float, value: float = 1.0, replica: str = "r") -> Sample:
    labels = {"replica": replica, "pool": "p", "model": "m", "vantage": "engine"}
    return Sample(Series(m.REQUESTS_RUNNING.name, labels_of(labels)), value, at)


LOOKS = ((signals.RUNNING, 600.0, 15.0), (signals.RUNNING, 600.0, 30.0),
         (signals.RUNNING_MEAN, 300.0, 15.0))  # fmt: skip


def look(remembering: Remembering, now: float) -> list[Frame]:
    return [remembering.evaluate(one, now - back, now, step) for one, back, step in LOOKS]


def test_a_tick_costs_its_newest_moment_and_one_question_for_all_signals(
    store: EmbeddedStore,
) -> None:
    counting = Counting(store)
    remembering = Remembering(counting)
    for tick in range(60):
        if tick == 59:
            counting.asked.clear()
        store.append([running(T0 + STEP * tick)])
        look(remembering, T0 + STEP * tick)
    assert counting.asked == [(2, 1)]


def test_a_late_sample_makes_the_columns_from_it_on_anew_and_no_others(
    store: EmbeddedStore,
) -> None:
    counting = Counting(store)
    remembering = Remembering(counting)
    for tick in range(60):
        store.append([running(T0 + STEP * tick, float(tick))])
        look(remembering, T0 + STEP * tick)
    shown = remembering.evaluate(signals.RUNNING, T0 + 585.0, T0 + 885.0, 15.0)
    before = shown.values.copy()
    counting.asked.clear()
    now = T0 + 900.0
    store.append([running(now, 60.0), running(now - 61.0, 500.0)])
    frame = look(remembering, now)[0]
    assert frame.values[0, -6:].tolist() == [55.0, 56.0, 57.0, 58.0, 59.0, 60.0]
    assert sum(signals * moments for signals, moments in counting.asked) == 5 + 3 + 5
    assert np.array_equal(shown.values, before), "what was shown stays as it was"


def test_a_late_sample_of_another_metric_costs_nothing(store: EmbeddedStore) -> None:
    counting = Counting(store)
    remembering = Remembering(counting)
    for tick in range(60):
        now = T0 + STEP * tick
        late = running(now - 200.0)
        other = late._replace(series=late.series._replace(name=m.REQUESTS_WAITING.name))
        store.append([running(now)])
        counting.asked.clear()
        look(remembering, now)
        store.append([other])
    assert counting.asked == [(2, 1)]


def test_what_fails_is_told_to_whoever_asks_for_it_and_to_nobody_else(
    store: EmbeddedStore,
) -> None:
    gauge = Last(m.REQUESTS_RUNNING)
    torn = Signal("torn", "1", "", Ratio(gauge, gauge, ("pool",)))
    remembering = Remembering(store)
    for tick in range(20):
        now = T0 + STEP * tick
        store.append([running(now)])
        if tick >= 10:
            store.append([running(now, replica="second")])
            with pytest.raises(StoreError, match="more than one series"):
                remembering.evaluate(torn, now - 60.0, now, 15.0)
        else:
            assert remembering.evaluate(torn, now - 60.0, now, 15.0).values[0, -1] == 1.0
        assert len(remembering.evaluate(signals.RUNNING, now - 60.0, now, 15.0).labels) == 1 + (
            tick >= 10
        )


def test_what_nobody_asks_for_is_let_go_and_what_is_too_much_is_not_kept(
    store: EmbeddedStore,
) -> None:
    remembering = Remembering(store, most_cells=100)
    for tick in range(100):
        store.append([running(T0 + STEP * tick)])
        look(remembering, T0 + STEP * tick)
    held = sum(one.table.cells for one in remembering._kept.values())
    assert 0 < held <= 200
    remembering.evaluate(signals.KV_USAGE, T0 + 9000.0, T0 + 9060.0, 15.0)
    assert {one.signal for one in remembering._kept.values()} == {signals.KV_USAGE}
