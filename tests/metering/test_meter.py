"""The meter: growth per counter first, then sums; never negative, never twice, never invented."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.ledger import Ledger
from metering.meter import UsageMeter
from metering.prices import load_book
from vocabulary import metrics as m
from vocabulary.metrics import Metric
from vocabulary.samples import Sample, Series, labels_of

BOOK = load_book(demo=True)
Walks = list[list[int | None]]
T0 = 1_800_000_000.0
DAY = 86_400.0


def series(metric: Metric, **labels: str) -> Series:
    base = {"vantage": "gateway", "replica": "static/gw:4000", "tenant": "acme"}
    return Series(metric.name, labels_of({**base, "model": "chat-70b", **labels}))


def tokens(at: float, value: float, metric: Metric = m.INPUT_TOKENS, **labels: str) -> Sample:
    return Sample(series(metric, **labels), float(value), T0 + at)


def usd(samples: list[Sample], basis: str = "tokens") -> list[float]:
    return [
        s.value for s in samples
        if s.series.name == m.COST.name and s.series.label("basis") == basis
    ]  # fmt: skip


def test_the_first_reading_is_where_counting_begins_and_not_a_cost() -> None:
    meter = UsageMeter(BOOK)
    assert usd(meter.observe([tokens(0, 5_000_000)])) == [0.0]
    assert usd(meter.observe([tokens(15, 6_000_000)])) == [0.6]


def test_the_first_burst_of_a_new_key_is_charged_in_full() -> None:
    meter = UsageMeter(BOOK)
    meter.observe([tokens(0, 7)])
    new_key = meter.observe([tokens(15, 7), tokens(15, 1_000_000, tenant="zeta")])
    assert sorted(usd(new_key)) == [0.0, 0.6]


def test_the_first_burst_of_a_gateway_that_had_no_calls_yet_is_charged_in_full() -> None:
    meter = UsageMeter(BOOK)
    up = Series(m.TARGET_UP.name, labels_of({"replica": "static/gw:4000", "verdict": "ok"}))
    meter.observe([Sample(up, 1.0, T0)])
    assert usd(meter.observe([tokens(15, 1_000_000), Sample(up, 1.0, T0 + 15)])) == [0.6]


def test_a_target_that_could_not_be_read_may_have_counted_before() -> None:
    meter = UsageMeter(BOOK)
    up = Series(m.TARGET_UP.name, labels_of({"replica": "static/gw:4000", "verdict": "hung"}))
    meter.observe([Sample(up, 0.0, T0)])
    assert usd(meter.observe([tokens(15, 1_000_000)])) == [0.0]


def test_a_restart_counts_from_zero_and_takes_nothing_from_the_others() -> None:
    meter = UsageMeter(BOOK)
    labels = ({"replica": "a"}, {"replica": "b"})
    for at, values in ((0, (900, 900)), (15, (1000, 1000)), (30, (40, 1100))):
        found = meter.observe([tokens(at, v, **one) for v, one in zip(values, labels, strict=True)])
    assert usd(found) == [pytest.approx((100 + 100 + 40 + 100) * 0.6e-6, rel=1e-12)]


def test_a_gap_is_bridged_and_a_stale_mark_is_no_value() -> None:
    meter = UsageMeter(BOOK)
    meter.observe([tokens(0, 100)])
    assert meter.observe([tokens(15, float("nan"))]) == []
    assert usd(meter.observe([tokens(3600, 1100)])) == [pytest.approx(0.0006, rel=1e-12)]


def test_late_and_repeated_readings_change_nothing() -> None:
    meter = UsageMeter(BOOK)
    meter.observe([tokens(0, 100)])
    meter.observe([tokens(30, 200)])
    assert usd(meter.observe([tokens(15, 150), tokens(30, 200)])) == [pytest.approx(6e-5)]
    assert meter.late == 1


def test_a_version_that_turns_up_later_is_the_same_counter() -> None:
    meter = UsageMeter(BOOK)
    meter.observe([tokens(0, 5000)])
    assert usd(meter.observe([tokens(15, 5000, version="1.2")])) == [0.0]


def test_cached_tokens_take_back_the_difference_and_the_counter_never_falls() -> None:
    meter = UsageMeter(BOOK)
    cached = m.INPUT_TOKENS_CACHED
    meter.observe([tokens(0, 0), tokens(0, 0, cached)])
    first = usd(meter.observe([tokens(15, 1_000_000), tokens(15, 400_000, cached)]))
    assert first == [pytest.approx(0.6 * 0.6 + 0.4 * 0.15)]
    assert usd(meter.observe([tokens(30, 1_000_000), tokens(30, 900_000, cached)])) == first


def test_an_unpriced_model_has_no_cost_but_a_count() -> None:
    meter = UsageMeter(BOOK)
    meter.observe([tokens(0, 0, model="own-9b")])
    found = meter.observe([tokens(15, 70, model="own-9b")])
    assert [(s.series.name, s.value) for s in found] == [(m.UNPRICED_TOKENS.name, 70.0)]


def test_engines_are_charged_until_a_gateway_is_seen_and_never_beside_it() -> None:
    engine = {"vantage": "engine", "replica": "e1", "tenant": ""}
    meter = UsageMeter(BOOK)
    meter.observe([tokens(0, 0, **engine)])
    assert usd(meter.observe([tokens(15, 1_000_000, **engine)])) == [0.6]
    both = [tokens(30, 2_000_000, **engine), tokens(30, 5)]
    assert [s.series.label("vantage") for s in meter.observe(both)] == ["gateway"]


def allocation(at: float, pool: str = "chat", replica: str = "r1", value: float = 1.0) -> Sample:
    labels = {"gpu": "GPU-1", "pool": pool, "replica": replica, "model": "chat-70b"}
    return Sample(Series(m.GPU_ALLOCATION.name, labels_of(labels)), value, T0 + at)


def test_gpu_time_is_what_was_seen_and_shared_gpus_are_shared() -> None:
    meter = UsageMeter(BOOK)
    meter.observe([allocation(0)])
    assert usd(meter.observe([allocation(60)]), "gpu_time") == [pytest.approx(6.88 / 60, rel=1e-9)]
    alone = usd(
        meter.observe([allocation(120), allocation(120, pool="b", replica="r2")]), "gpu_time"
    )
    assert alone[0] == pytest.approx(6.88 / 60 * 1.5, rel=1e-9)
    assert usd(meter.observe([allocation(7200)]), "gpu_time") == [alone[0]]
    assert meter.observe([allocation(7260, value=float("nan"))]) == []


def test_gpu_time_is_priced_by_what_the_gpu_says_it_is() -> None:
    meter = UsageMeter(BOOK)
    info = Series(m.GPU_INFO.name, labels_of({"gpu": "GPU-1", "product": "NVIDIA L4"}))
    meter.observe([allocation(0), Sample(info, 1.0, T0)])
    assert usd(meter.observe([allocation(60)]), "gpu_time") == [pytest.approx(1.6688 / 60)]


def test_bookings_survive_a_restart_without_loss_or_double_count(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    first = Ledger(path, BOOK)
    meter = UsageMeter(BOOK, first, flush_seconds=0)
    for at, value in ((0, 100), (15, 300), (30, 500)):
        meter.observe([tokens(at, value)])
    first.close()  # no flush: the process died here, what was not committed is read again
    second = Ledger(path, BOOK)
    meter = UsageMeter(BOOK, second)
    meter.observe([tokens(300, 1100)])
    meter.flush()
    (found,) = second.counted(T0 - DAY, T0 + DAY)
    assert (found.tenant, found.used.uncached, found.usd) == ("acme", 1000, Decimal("0.0006"))
    second.close()


def test_a_tenant_renamed_across_a_restart_is_not_charged_its_whole_past(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", BOOK)
    meter = UsageMeter(BOOK, ledger)
    meter.observe([tokens(0, 10**9)])
    meter.flush()
    again = UsageMeter(BOOK, ledger)
    assert usd(again.observe([tokens(15, 10**9, tenant="t-5f3a")])) == [0.0]
    ledger.close()


def test_operations_and_attempts_are_booked_beside_the_money(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.sqlite", BOOK)
    meter = UsageMeter(BOOK, ledger)
    for at, calls, failed, tries in ((0, 0, 0, 0), (15, 90, 10, 140)):
        meter.observe([
            tokens(at, calls, m.GATEWAY_OPERATIONS, status="ok"),
            tokens(at, failed, m.GATEWAY_OPERATIONS, status="error"),
            tokens(at, tries, m.GATEWAY_ATTEMPTS, outcome="ok"),
            tokens(at, 0),
        ])  # fmt: skip
    meter.flush()
    (found,) = ledger.counted(0, T0 + DAY)
    assert (found.operations, found.operations_failed, found.attempts) == (100, 10, 140)
    ledger.close()


WALKS = st.lists(
    st.lists(st.one_of(st.integers(0, 10**6), st.none()), min_size=1, max_size=12),
    min_size=1, max_size=4,
)  # fmt: skip


def as_samples(walks: Walks, metric: Metric) -> Iterator[list[Sample]]:
    for step in range(max(map(len, walks))):
        yield [
            tokens(15 * step, value, metric, replica=f"r{i}")
            for i, walk in enumerate(walks)
            if step < len(walk) and (value := walk[step]) is not None
        ]


@settings(deadline=None)
@given(WALKS)
def test_no_walk_of_resets_and_gaps_makes_a_cost_fall(walks: Walks) -> None:
    meter = UsageMeter(BOOK)
    last = 0.0
    for batch in as_samples(walks, m.OUTPUT_TOKENS):
        for value in usd(meter.observe(batch)):
            assert value >= last
            last = value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(WALKS, WALKS)
def test_history_books_and_shows_what_step_by_step_would(
    tmp_path_factory: pytest.TempPathFactory, inputs: Walks, outputs: Walks
) -> None:
    folder = tmp_path_factory.mktemp("meter")
    live_ledger, past_ledger = Ledger(folder / "a", BOOK), Ledger(folder / "b", BOOK)
    live, past = UsageMeter(BOOK, live_ledger), UsageMeter(BOOK, past_ledger)
    columns: dict[Series, list[tuple[float, float]]] = {}
    shown = {}
    steps = max(len(walk) for walk in inputs + outputs)
    batches = [list(as_samples(inputs, m.INPUT_TOKENS)), list(as_samples(outputs, m.OUTPUT_TOKENS))]
    for step in range(steps):
        batch = [s for side in batches if step < len(side) for s in side[step]]
        for sample in batch:
            columns.setdefault(sample.series, []).append((sample.at, sample.value))
        shown.update({s.series: s.value for s in live.observe(batch)})
    live.flush()
    found = past.history([
        (key, np.array([t for t, _ in points]), np.array([v for _, v in points]))
        for key, points in columns.items()
    ])  # fmt: skip
    assert past_ledger.counted(0, T0 + DAY) == live_ledger.counted(0, T0 + DAY)
    assert {key: float(values[-1]) for key, _, values in found} == pytest.approx(shown)
    assert all(np.all(np.diff(values) >= 0) for _, _, values in found)
    live_ledger.close()
    past_ledger.close()


def test_the_present_goes_on_where_history_ends() -> None:
    meter = UsageMeter(BOOK)
    times = T0 + 60.0 * np.arange(100)
    values = np.cumsum(np.full(100, 333_333.0))
    allocated = allocation(0).series
    columns = [(series(m.INPUT_TOKENS), times, values), (allocated, times, np.ones(100))]
    past = {key.label("basis"): v for key, _, v in meter.history(columns)}
    now = meter.observe([tokens(6000, values[-1] + 1_000_000), allocation(6000)])
    assert usd(now) == [pytest.approx(past["tokens"][-1] + 0.6)]
    assert usd(now, "gpu_time") == [pytest.approx(6.88 * 6000 / 3600)]
    assert past["gpu_time"][-1] == pytest.approx(6.88 * 5940 / 3600)
