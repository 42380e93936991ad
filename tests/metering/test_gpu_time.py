"""GPU time by share: pods, idle and intruders together are the GPU's hours, to the last digit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.gpu_time import GpuClock, Held
from metering.meter import UsageMeter
from metering.prices import load_book
from vocabulary import metrics as m
from vocabulary.samples import Sample, Series, labels_of

T0 = 1_800_000_000.0


def share(at: float, value: float, pool: str = "", mig: str = "", gpu: str = "GPU-1",
          owner: str = "pod", **more: str) -> Sample:  # fmt: skip
    labels = {"cluster": "c", "gpu": gpu, "mig": mig, "owner": owner, "pool": pool, **more}
    return Sample(Series(m.GPU_SHARE_TIME.name, labels_of(labels)), value, T0 + at)


def allocation(at: float, gpu: str = "GPU-1") -> Sample:
    labels = {"cluster": "c", "gpu": gpu, "pool": "a", "replica": "r"}
    return Sample(Series(m.GPU_ALLOCATION.name, labels_of(labels)), 1.0, T0 + at)


def by_pool(found: list[Held]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in found:
        pool = dict(one.charged_to)["pool"]
        sums[pool] = sums.get(pool, Decimal(0)) + one.seconds
    return sums


def test_shares_are_charged_instead_of_allocations_and_idle_is_a_line_of_its_own() -> None:
    clock = GpuClock()
    for at in (0.0, 15.0):
        found = clock.held(
            [allocation(at), allocation(at, "MIG-1")],
            [share(at, 0.25, "a"), share(at, 0.25, "b", "MIG-1"), share(at, 0.5, owner="idle")],
        )
    assert by_pool(found) == {"a": Decimal("3.75"), "b": Decimal("3.75"), "idle": Decimal("7.5")}


def test_a_round_that_comes_in_two_batches_counts_once() -> None:
    clock = GpuClock()
    clock.held([], [share(0.0, 0.5, "a"), share(0.0, 0.5, "b")])
    first = clock.held([], [share(15.0, 0.5, "a")])
    second = clock.held([allocation(15.0)], [share(15.0, 0.5, "b")])
    assert by_pool(first + second) == {"a": Decimal("7.5"), "b": Decimal("7.5")}
    assert clock.held([], [share(10.0, 1.0, "a")]) == [], "late"


def test_a_new_owner_pays_from_the_round_in_which_it_is_seen() -> None:
    clock = GpuClock()
    clock.held([], [share(0.0, 1.0, owner="idle")])
    found = clock.held([], [share(15.0, 1.0, "a")])
    assert by_pool(found) == {"a": Decimal(15)}


def test_where_no_shares_are_told_any_more_allocations_are_charged_again() -> None:
    clock = GpuClock()
    clock.held([allocation(0.0)], [share(0.0, 1.0, "a")])
    assert clock.held([allocation(45.0)]) == []
    assert by_pool(clock.held([allocation(60.0)])) == {"a": Decimal(15)}


def test_a_gap_longer_than_the_lookback_is_nobodys_time() -> None:
    clock = GpuClock()
    clock.held([], [share(0.0, 1.0, "a")])
    assert by_pool(clock.held([], [share(301.0, 1.0, "a")])) == {"a": Decimal(0)}
    assert clock.held([], [share(302.0, float("nan"), "a")]) == []


@given(
    st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=9),
    st.lists(st.floats(0.001, 300.0), min_size=1, max_size=20),
)
def test_all_shares_sum_to_the_gpus_seconds_exactly(
    weights: list[float], steps: list[float]
) -> None:
    clock, at, spent = GpuClock(), 0.0, Decimal(0)
    for step in [0.0, *steps]:
        at += round(step, 3)
        parts = [
            share(at, weight / sum(weights), f"p{n}", owner="pod" if n else "idle")
            for n, weight in enumerate(weights)
        ]
        spent += sum((one.seconds for one in clock.held([], parts)), Decimal(0))
    assert float(spent) == pytest.approx(at, abs=1e-3 * len(steps))
    assert spent == spent.quantize(Decimal("0.001")), "not a digit is lost in dividing"


def test_a_mig_slice_costs_its_part_of_the_gpus_price() -> None:
    meter = UsageMeter(load_book())
    info = Series(m.GPU_INFO.name, labels_of({"gpu": "GPU-1", "product": "NVIDIA H100 80GB HBM3"}))
    meter.observe([Sample(info, 1.0, T0)])
    found: list[Sample] = []
    for at in (0.0, 60.0):
        found = meter.observe(
            [
                share(at, 2 / 7, "a", "MIG-1"),
                share(at, 5 / 7, owner="idle"),
                allocation(at, "MIG-1"),
            ]
        )
    usd = {one.series.label("pool"): one.value for one in found}
    assert usd["idle"] / usd["a"] == pytest.approx(2.5)
    whole = UsageMeter(load_book())
    whole.observe([Sample(info, 1.0, T0), share(0.0, 1.0, "a")])
    (alone,) = whole.observe([share(60.0, 1.0, "a")])
    assert sum(usd.values()) == pytest.approx(alone.value)
