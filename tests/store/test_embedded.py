"""The embedded store: what goes in comes out, restarted, sealed, read elsewhere and limited."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import memory
from store.embedded import EmbeddedStore
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.errors import StoreError
from vocabulary.expressions import By, Increase, Last, Rate, Signal
from vocabulary.samples import Frame, Sample, Series, labels_of

T0 = 1_750_000_000.0
TOKENS = m.OUTPUT_TOKENS.name
BY_REPLICA = Signal("x", "1", "", By("sum", Rate(m.OUTPUT_TOKENS, 60.0), ("replica",)))
NEWEST_VALUE = Signal("x", "1", "", Last(m.OUTPUT_TOKENS))


def tokens(replica: str = "r", **labels: str) -> Series:
    return Series(TOKENS, labels_of({"replica": replica, "vantage": "engine", **labels}))


def counting(series: Series, count: int, start: float = T0, step: float = 15.0) -> list[Sample]:
    return [Sample(series, 10.0 * n, start + step * n) for n in range(count)]


def same(one: Frame, other: Frame) -> None:
    assert one.labels == other.labels
    np.testing.assert_allclose(one.values, other.values, rtol=1e-12, atol=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with closing(EmbeddedStore(tmp_path)) as opened:
        yield opened


@pytest.fixture
def small_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are made every few samples, so that a test sees many of them."""
    monkeypatch.setattr(memory, "SEAL_SAMPLES", 7)


def test_an_empty_store_knows_nothing(store: EmbeddedStore) -> None:
    assert store.newest() is None
    assert store.series(TOKENS) == []
    assert store.evaluate(BY_REPLICA, T0, T0 + 60, 15).labels == ()
    assert store.append([]) == 0


def test_what_is_appended_is_evaluated(store: EmbeddedStore) -> None:
    assert store.append(counting(tokens(), 20)) == 20
    assert store.newest() == T0 + 19 * 15
    assert store.series(TOKENS) == [tokens()]
    frame = store.evaluate(BY_REPLICA, T0 + 120, T0 + 240, 15)
    np.testing.assert_allclose(frame.row(replica="r"), np.full(9, 10 / 15))


@pytest.mark.parametrize("signal", signals.ALL, ids=str)
def test_every_signal_can_be_asked_of_an_empty_store(store: EmbeddedStore, signal: Signal) -> None:
    assert store.evaluate(signal, T0, T0 + 60, 15).empty


def test_selectors_demand_equality_and_an_empty_value_demands_absence(
    store: EmbeddedStore,
) -> None:
    store.append([Sample(tokens("a", tenant="t"), 1.0, T0), Sample(tokens("b"), 2.0, T0)])

    def replicas(*match: tuple[str, str]) -> list[str]:
        signal = Signal("x", "1", "", Last(m.OUTPUT_TOKENS, match))
        frame = store.evaluate(signal, T0, T0, 1)
        return [dict(labels)["replica"] for labels in frame.labels]

    for _ in range(2):
        assert replicas(("tenant", "t")) == ["a"]
        assert replicas(("tenant", "")) == ["b"]
        assert replicas(("tenant", "t"), ("replica", "b")) == []
        assert replicas() == ["a", "b"]
    store.append([Sample(tokens("c", tenant="t"), 3.0, T0)])
    assert replicas(("tenant", "t")) == ["a", "c"], "a remembered selector learns of new series"


def test_late_samples_take_their_place(store: EmbeddedStore) -> None:
    samples = counting(tokens(), 20)
    random.Random(1).shuffle(samples)
    for sample in samples:
        store.append([sample])
    frame = store.evaluate(BY_REPLICA, T0 + 120, T0 + 240, 15)
    np.testing.assert_allclose(frame.row(replica="r"), np.full(9, 10 / 15))


@pytest.mark.usefixtures("small_heads")
def test_of_two_samples_at_one_moment_the_later_arrival_stays(store: EmbeddedStore) -> None:
    for value in range(30):
        store.append([Sample(tokens(), float(value), T0)])
    assert store.evaluate(NEWEST_VALUE, T0, T0, 1).values.tolist() == [[29.0]]


def test_a_mark_of_staleness_survives_a_restart(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.append([Sample(tokens(), 1.0, T0), Sample(tokens(), np.nan, T0 + 15)])
    with closing(EmbeddedStore(tmp_path)) as store:
        frame = store.evaluate(NEWEST_VALUE, T0, T0 + 30, 15)
    assert np.array_equal(frame.values, [[1.0, np.nan, np.nan]], equal_nan=True)


# -- restarts and batches --------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 400), st.integers(0, 50)),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=25)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 60), max_size=6), seal=st.sampled_from([5, 10**6]))
def test_neither_batches_nor_restarts_nor_chunks_change_an_answer(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, int, int]],
    cuts: list[int],
    seal: int,
) -> None:
    samples = [Sample(tokens(name), float(value), T0 + at) for name, at, value in rows]
    edges = sorted({0, len(samples), *(cut for cut in cuts if cut < len(samples))})
    folder = tmp_path_factory.mktemp("store")

    def asked(store: EmbeddedStore) -> Frame:
        return store.evaluate(BY_REPLICA, T0, T0 + 420, 7)

    with pytest.MonkeyPatch.context() as patch, closing(EmbeddedStore(folder / "one")) as store:
        store.append(samples)
        expected = asked(store)
        patch.setattr(memory, "SEAL_SAMPLES", seal)
        for first, last in itertools.pairwise(edges):
            with closing(EmbeddedStore(folder / "many")) as restarted:
                restarted.append(samples[first:last])
                if last == len(samples):
                    same(asked(restarted), expected)
                    assert restarted.newest() == store.newest()
        with closing(EmbeddedStore(folder / "many")) as restarted:
            same(asked(restarted), expected)
            assert restarted.newest() == store.newest()
            assert restarted.alarms == ()


@pytest.mark.usefixtures("small_heads")
def test_chunks_and_memory_are_one_series(store: EmbeddedStore) -> None:
    for sample in counting(tokens(), 100):
        store.append([sample])
    frame = store.evaluate(BY_REPLICA, T0 + 120, T0 + 99 * 15, 15)
    np.testing.assert_allclose(frame.row(replica="r"), np.full(92, 10 / 15))


def test_an_hour_of_samples_becomes_chunks_and_the_log_is_cut(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        for sample in counting(tokens(), 500):
            store.append([sample])
        rows = store._reading._rows
        assert rows("SELECT samples FROM chunk") == [(241,), (240,)]
        assert rows("SELECT count(*) FROM batch") == [(19,)]


# -- history ---------------------------------------------------------------------------------------


def test_loaded_columns_are_history_like_any_other(tmp_path: Path) -> None:
    samples = counting(tokens(), 3000)
    times, values = [one.at for one in samples], [one.value for one in samples]
    with closing(EmbeddedStore(tmp_path)) as store:
        store.append(counting(tokens("now"), 2, start=T0 + 3000 * 15))
        assert store.append_columns([(tokens(), times, values), (tokens("void"), [], [])]) == 3000
        store.append([Sample(tokens(), 30_000.0, T0 + 3000 * 15)])
        found = store.evaluate(BY_REPLICA, T0 + 120, T0 + 3000 * 15, 60)
        np.testing.assert_allclose(found.row(replica="r"), np.full(749, 10 / 15))
    with closing(EmbeddedStore(tmp_path)) as store:
        same(store.evaluate(BY_REPLICA, T0 + 120, T0 + 3000 * 15, 60), found)
        assert store.newest() == T0 + 3001 * 15


def test_history_may_come_in_any_order(store: EmbeddedStore) -> None:
    store.append_columns([(tokens(), [T0 + 30, T0, T0 + 15], [3.0, 1.0, 2.0])])
    assert store.evaluate(NEWEST_VALUE, T0, T0 + 30, 15).values.tolist() == [[1.0, 2.0, 3.0]]


# -- births ----------------------------------------------------------------------------------------

BURST = Signal("x", "1", "", By("sum", Increase(m.OUTPUT_TOKENS, 60.0), ("tenant",)))


def burst(store: EmbeddedStore, at: float) -> np.ndarray | None:
    return store.evaluate(BURST, at, at, 1, first_values=True).row(tenant="new")


def test_the_first_burst_of_a_new_key_counts_where_asked_for(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.append([Sample(tokens(tenant="old"), 1e9, T0)])
        store.append([Sample(tokens(tenant="new"), 500.0, T0 + 15)])
        assert store.evaluate(BURST, T0 + 20, T0 + 20, 1).empty, "Prometheus would not know"
        assert burst(store, T0 + 20) == [500.0]
        unknown = store.evaluate(BURST, T0 + 20, T0 + 20, 1, first_values=True)
        assert unknown.row(tenant="old") is None, "nobody saw the first source begin"
    with closing(EmbeddedStore(tmp_path)) as store:
        assert burst(store, T0 + 20) == [500.0]


def test_what_a_source_shows_after_nobody_looked_is_no_burst(store: EmbeddedStore) -> None:
    store.append([Sample(tokens(tenant="old"), 1e9, T0)])
    store.append([Sample(tokens(tenant="new"), 500.0, T0 + 900)])
    assert burst(store, T0 + 900) is None


def test_a_new_replica_with_a_past_is_no_burst(store: EmbeddedStore) -> None:
    store.append([Sample(tokens("r1", tenant="old"), 1e9, T0)])
    store.append([Sample(tokens("r2", tenant="new"), 1e9, T0 + 15)])
    assert burst(store, T0 + 15) is None


def test_loaded_history_is_no_burst(store: EmbeddedStore) -> None:
    store.append([Sample(tokens(tenant="old"), 1e9, T0)])
    store.append_columns([(tokens(tenant="new"), [T0 + 15], [500.0])])
    assert burst(store, T0 + 15) is None


# -- readers ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_heads")
def test_a_reader_sees_everything_as_it_is_written(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.append(counting(tokens(), 3))
        with closing(EmbeddedStore(tmp_path, read_only=True)) as reader:
            for n in range(3, 60):
                store.append([Sample(tokens(f"r{n % 5}"), 10.0 * n, T0 + 15 * n)])
                assert reader.newest() == store.newest()
                end = T0 + 15 * n
                same(
                    reader.evaluate(NEWEST_VALUE, T0, end, 15),
                    store.evaluate(NEWEST_VALUE, T0, end, 15),
                )
                assert reader.series(TOKENS) == store.series(TOKENS)
            with pytest.raises(StoreError, match="read only"):
                reader.append([])


def test_a_reader_needs_something_to_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has a store been made there"):
        EmbeddedStore(tmp_path, read_only=True)


def test_a_closed_store_takes_nothing_and_says_so(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append([])


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    with (
        closing(EmbeddedStore(tmp_path)),
        pytest.raises(StoreError, match="another process writes"),
    ):
        EmbeddedStore(tmp_path)
    EmbeddedStore(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        EmbeddedStore(tmp_path / "file")


# -- limits ----------------------------------------------------------------------------------------


def test_series_beyond_the_limit_are_dropped_and_counted(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path, max_series=2)) as store:
        assert store.append([Sample(tokens(f"r{n}"), 1.0, T0) for n in range(5)]) == 2
        assert store.append_columns([(tokens("r9"), [T0, T0 + 1], [1, 2])]) == 0
        assert store.append([Sample(tokens("r0"), 2.0, T0 + 1)]) == 1
        assert store.dropped == {"series": 5}


@pytest.mark.parametrize("at", [np.nan, np.inf, -np.inf, 1e300])
def test_impossible_times_are_dropped_and_counted(store: EmbeddedStore, at: float) -> None:
    assert store.append([Sample(tokens(), 1.0, at), Sample(tokens(), 1.0, T0)]) == 1
    assert store.dropped == {"time": 1}
    assert store.newest() == T0


def test_a_sample_from_the_future_does_not_make_the_present_old(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path, now=lambda: T0)) as store:
        assert store.append([Sample(tokens(), 1.0, T0 + 599), Sample(tokens(), 1.0, T0 + 601)]) == 1
        assert store.dropped == {"time": 1}
        assert store.newest() == T0 + 599


def test_late_samples_make_no_chunks_of_their_own(store: EmbeddedStore) -> None:
    store.append([Sample(tokens("now"), 1.0, T0 + 86_400)])
    for sample in counting(tokens("late"), 20):
        store.append([sample])
    assert store._reading._rows("SELECT count(*) FROM chunk") == [(0,)]


@pytest.mark.usefixtures("small_heads")
def test_what_is_older_than_the_retention_goes_with_its_series(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path, retention_seconds=600)) as store:
        store.append(counting(tokens("gone"), 10))
        store.append(counting(tokens("here"), 10, start=T0 + 7200))
        assert store.series(TOKENS) == [tokens("here")]
        assert store.dropped["retention"] == 10
        assert store.evaluate(NEWEST_VALUE, T0, T0 + 150, 15).empty
        store.append(counting(tokens("gone"), 10, start=T0 + 7200))
        assert store.series(TOKENS) == [tokens("here"), tokens("gone")]
    with closing(EmbeddedStore(tmp_path, retention_seconds=600)) as store:
        assert len(store.evaluate(NEWEST_VALUE, T0 + 7200, T0 + 7200, 1).labels) == 2


@pytest.mark.usefixtures("small_heads")
def test_a_number_is_never_given_to_another_series(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path, retention_seconds=600)) as store:
        store.append(counting(tokens("a"), 10))
        with closing(EmbeddedStore(tmp_path, read_only=True)) as reader:
            store.append(counting(tokens("b"), 10, start=T0 + 7200))
            store.close()
            with closing(EmbeddedStore(tmp_path, retention_seconds=600)) as again:
                again.append(counting(tokens("c"), 3, start=T0 + 7300))
                labels = reader.evaluate(NEWEST_VALUE, T0 + 7300, T0 + 7300, 1).labels
                assert [dict(one)["replica"] for one in labels] == ["b", "c"]


def test_the_file_stays_within_its_bytes_and_the_oldest_go_first(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def history(day: int) -> Iterator[tuple[Series, np.ndarray, np.ndarray]]:
        for number in range(10):
            times = T0 + 86_400 * day + 15 * np.arange(5000)
            yield tokens(str(number)), times, noise.random(5000)

    with closing(EmbeddedStore(tmp_path, max_bytes=1_000_000)) as store:
        for day in range(6):
            store.append_columns(history(day))
        assert store.dropped["bytes"] > 100_000
        assert (tmp_path / "samples.sqlite").stat().st_size < 2_500_000
        assert store.evaluate(NEWEST_VALUE, T0, T0 + 3600, 600).empty
        recent = T0 + 86_400 * 5 + 70_000
        assert len(store.evaluate(NEWEST_VALUE, recent, recent, 1).labels) == 10


# -- threads ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_heads")
def test_threads_may_append_and_ask_at_once(store: EmbeddedStore) -> None:
    def write(replica: str) -> None:
        for sample in counting(tokens(replica), 40):
            store.append([sample])

    def ask() -> None:
        for _ in range(40):
            frame = store.evaluate(NEWEST_VALUE, T0, T0 + 39 * 15, 15)
            for _, row in frame.rows():
                written = np.minimum(10.0 * np.arange(40), np.nanmax(row))
                np.testing.assert_array_equal(row, np.where(np.isnan(row), np.nan, written))

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(write, "a"), threads.submit(write, "b"), threads.submit(ask)]:
            done.result()
    frame = store.evaluate(NEWEST_VALUE, T0, T0 + 39 * 15, 15)
    assert frame.values.tolist() == [[10.0 * n for n in range(40)]] * 2
