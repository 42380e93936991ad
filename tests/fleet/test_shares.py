"""Shares of a GPU: they sum to the device, none is negative, unknown is not zero."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.shares import (
    IDLE,
    UNATTRIBUTED,
    Device,
    Part,
    Process,
    Unit,
    Who,
    divide,
    energy,
    memory,
    power,
    time,
    utilization,
)

A, B = (Who("pod", (("pod", name),)) for name in "ab")
SPY = Who("unallocated", (("command", "python3"),))
GIB = 2.0**30


def of(parts: Sequence[Part]) -> dict[Who, Any]:
    assert len({one.who for one in parts}) == len(parts), "one part for each owner"
    return {one.who: pytest.approx(one.value) for one in parts}


def basis(parts: Sequence[Part], who: Who) -> str:
    return next(one.basis for one in parts if one.who == who)


def instance(number: int, *holders: str, **more: object) -> Unit:
    mig = f"MIG-{number}"
    owners = tuple(Who("pod", (("pod", name),), mig) for name in holders)
    return Unit(owners, mig=mig, part=more.pop("part", 1 / 7), **more)  # type: ignore[arg-type]


def test_the_only_holder_has_all_and_its_idle_draw_too() -> None:
    unit = Unit((A,), (Process(A, 10 * GIB, 0.2),), told=True)
    device = Device((unit,), utilization=0.3, memory=11 * GIB, power=100.0, idle_power=70.0)
    assert of(utilization(device)) == {A: 0.3, Who(UNATTRIBUTED): 0.0}
    assert of(memory(device)) == {A: 11 * GIB, Who(UNATTRIBUTED): 0.0}
    assert of(power(device)) == {A: 100.0, Who(UNATTRIBUTED): 0.0}
    assert of(energy(device, 5.0)) == {A: 5.0, Who(UNATTRIBUTED): 0.0}
    assert of(time(device)) == {A: 1.0}
    assert basis(memory(device), A) == "whole"


def test_what_an_intruder_takes_of_an_exclusive_device_is_the_intruders() -> None:
    unit = Unit((A,), (Process(A, 10 * GIB, 0.6), Process(SPY, 4 * GIB, 0.2)), told=True)
    device = Device((unit,), utilization=0.8, memory=15 * GIB, power=470.0, idle_power=70.0)
    assert of(memory(device))[SPY] == 4 * GIB
    assert of(memory(device))[A] == 11 * GIB
    assert of(power(device))[SPY] == 100.0
    assert of(power(device))[A] == 370.0
    assert of(time(device)) == {A: 0.8, SPY: 0.2}


def test_holders_of_a_shared_device_have_what_their_processes_use() -> None:
    unit = Unit((A, B), (Process(A, 10 * GIB, 0.3), Process(A, GIB, 0.1)), told=True)
    device = Device((unit,), utilization=0.5, memory=12 * GIB, power=270.0, idle_power=70.0)
    assert of(utilization(device)) == {A: 0.4, B: 0.0, Who(UNATTRIBUTED): 0.1}
    assert of(memory(device)) == {A: 11 * GIB, B: 0.0, Who(UNATTRIBUTED): GIB}
    assert of(power(device)) == {A: 200.0, B: 0.0, Who(UNATTRIBUTED): 70.0}
    assert of(energy(device, 27.0)) == {A: 20.0, B: 0.0, Who(UNATTRIBUTED): 7.0}
    assert of(time(device)) == {A: 0.7, B: 0.3}
    assert basis(power(device), A) == "estimate"
    assert basis(memory(device), A) == "processes"


def test_where_processes_cannot_be_told_holders_are_unknown_and_not_zero() -> None:
    stranger = Process(None, 10 * GIB, 0.5)
    device = Device((Unit((A, B), (stranger,), told=True),), utilization=0.5, memory=12 * GIB)
    assert of(utilization(device)) == {Who(UNATTRIBUTED): 0.5}
    assert of(memory(device)) == {Who(UNATTRIBUTED): 12 * GIB}
    assert of(time(device)) == {A: 0.5, B: 0.5}
    blind = Device((Unit((A, B), (), told=False),), memory=12 * GIB)
    assert of(memory(blind)) == {Who(UNATTRIBUTED): 12 * GIB}


def test_no_sample_of_a_busy_device_is_unknown_and_of_an_idle_one_zero() -> None:
    unit = Unit((A, B), (Process(A, GIB), Process(B, GIB)), told=True)
    busy, idle = (Device((unit,), utilization=level) for level in (0.5, 0.0))
    assert of(utilization(busy)) == {Who(UNATTRIBUTED): 0.5}
    assert of(utilization(idle)) == {A: 0.0, B: 0.0, Who(UNATTRIBUTED): 0.0}


def test_one_holder_of_a_slot_has_not_the_whole_device() -> None:
    unit = Unit((A,), (Process(A, GIB, 0.1),), told=True, slotted=True)
    device = Device((unit,), utilization=0.1, memory=2 * GIB)
    assert of(memory(device)) == {A: GIB, Who(UNATTRIBUTED): GIB}


def test_a_free_device_is_nobodys_and_idle() -> None:
    device = Device((Unit(told=True),), utilization=0.0, memory=GIB, power=70.0, idle_power=70.0)
    assert of(power(device)) == {Who(UNATTRIBUTED): 70.0}
    assert of(time(device)) == {Who(IDLE): 1.0}


def test_instances_have_their_memory_their_part_of_the_time_and_power_by_activity() -> None:
    units = (
        instance(1, "a", memory=3 * GIB, active=0.5, part=3 / 7),
        instance(2, "b", memory=GIB, active=0.5, part=1 / 7),
        instance(3, memory=GIB, active=0.0, part=2 / 7),
    )
    device = Device(units, cut=True, memory=6 * GIB, power=470.0, idle_power=70.0)
    a, b = units[0].holders[0], units[1].holders[0]
    assert utilization(device) == []
    assert of(memory(device)) == {a: 3 * GIB, b: GIB, Who(UNATTRIBUTED): 2 * GIB}
    assert basis(memory(device), a) == "instance"
    assert of(power(device)) == {a: 300.0, b: 100.0, Who(UNATTRIBUTED): 70.0}
    assert of(time(device)) == {a: 3 / 7, b: 1 / 7, Who(IDLE, mig="MIG-3"): 2 / 7, Who(IDLE): 1 / 7}


def test_without_activity_an_instances_power_goes_by_its_size() -> None:
    units = (instance(1, "a", part=3 / 7), instance(2, part=4 / 7))
    device = Device(units, cut=True, power=770.0, idle_power=70.0)
    assert of(power(device)) == {units[0].holders[0]: 300.0, Who(UNATTRIBUTED): 470.0}


def test_a_shared_instance_is_divided_by_memory_and_evenly_by_time() -> None:
    unit = instance(1, "a", "b", part=2 / 7, memory=5 * GIB, told=True)
    a, b = unit.holders
    unit = Unit(unit.holders, (Process(a, 3 * GIB), Process(b, GIB)), True, mig="MIG-1",
                memory=5 * GIB, part=2 / 7)  # fmt: skip
    device = Device((unit,), cut=True, memory=5 * GIB)
    assert of(memory(device)) == {a: 3 * GIB, b: GIB, Who(UNATTRIBUTED): GIB}
    assert of(time(device)) == {a: 1 / 7, b: 1 / 7, Who(IDLE): 5 / 7}


def test_a_device_that_says_nothing_has_no_shares() -> None:
    silent = Device((Unit((A,)),))
    assert utilization(silent) == memory(silent) == power(silent) == []


amounts = st.floats(0.0, 1e12)
ratios = st.floats(0.0, 1.0)
unknown = st.none()
WHO = st.sampled_from([A, B, SPY, None])
processes = st.lists(
    st.builds(Process, WHO, st.one_of(unknown, amounts), st.one_of(unknown, ratios)), max_size=6
).map(tuple)


def units(mig: str) -> st.SearchStrategy[Unit]:
    owners = [Who(who.owner, who.labels, mig) for who in (A, B)]
    return st.builds(
        Unit, st.lists(st.sampled_from(owners), unique=True).map(tuple),
        processes.map(lambda found: tuple(_within(one, mig) for one in found)), st.booleans(),
        st.booleans(), st.just(mig), st.one_of(unknown, amounts), st.one_of(unknown, ratios),
        st.one_of(unknown, ratios),
    )  # fmt: skip


def _within(one: Process, mig: str) -> Process:
    who = None if one.who is None else Who(one.who.owner, one.who.labels, mig)
    return Process(who, one.memory, one.busy)


readings = (st.one_of(unknown, ratios), *[st.one_of(unknown, amounts)] * 3)
whole = st.builds(Device, st.tuples(units("")), st.just(False), *readings)
cut = st.builds(
    Device,
    st.integers(0, 7).flatmap(lambda n: st.tuples(*(units(f"MIG-{i}") for i in range(n)))),
    st.just(True),
    *readings,
)


@given(st.one_of(whole, cut), amounts)
def test_parts_sum_to_the_device_and_none_is_negative(device: Device, growth: float) -> None:
    for total, parts in (
        (device.utilization if not device.cut else None, utilization(device)),
        (device.memory, memory(device)),
        (device.power, power(device)),
        (growth, energy(device, growth)),
        (1.0, time(device)),
    ):
        if total is None:
            assert parts == []
            continue
        of(parts)
        assert all(one.value >= 0.0 for one in parts)
        assert sum(one.value for one in parts) == pytest.approx(total, rel=1e-9, abs=1e-9)


@given(st.floats(-1.0, 1e300), st.dictionaries(st.sampled_from([A, B, SPY]), amounts))
def test_dividing_gives_all_and_no_more(total: float, wanted: dict[Who, float]) -> None:
    parts, rest = divide(total, wanted)
    assert rest >= 0.0
    assert all(0.0 <= parts[who] <= max(wanted[who], 0.0) * (1 + 1e-12) for who in parts)
    assert sum(parts.values()) + rest == pytest.approx(max(0.0, total), rel=1e-9)
