"""Whose part of a GPU is whose: utilisation, memory, power, energy and time, divided by rule.

Every part has an owner, what cannot be told has one too (`unattributed`, for time `idle`), and the
parts of one device sum to what the device itself says. The rules, in the words of docs/attribution:

* the only holder of a device has all of it, its idle draw included, because nobody else could have
  used it; what a process without an allocation is measured to take is that process's;
* holders of a shared device have what their own processes are measured to use;
* a holder of a MIG instance has the instance's memory; power is estimated from its activity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vocabulary.samples import Labels

UNATTRIBUTED = "unattributed"
IDLE = "idle"
_NOTHING = 1e-12
"""A rest below this is rounding."""


class Who(NamedTuple):
    """The owner of a part."""

    owner: str
    """`pod`, `unallocated`, `unattributed` or `idle`."""
    labels: Labels = ()
    """Of the pod and container, where there is one; the command of an unallocated process."""
    mig: str = ""
    """UUID of the MIG instance it is a part of."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process on a device, as measured. None is unknown."""

    who: Who | None
    """Its owner; None where that cannot be told."""
    memory: float | None = None
    """Bytes."""
    busy: float | None = None
    """Share of the time in which it had the SMs, 0..1."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is given to pods as one thing: a whole device, or a MIG instance."""

    holders: tuple[Who, ...] = ()
    processes: tuple[Process, ...] = ()
    told: bool = False
    """The driver named every process; False where it may have left some out."""
    slotted: bool = False
    """Given out in slots (time-slicing, MPS), so that one holder alone has not all of it."""
    mig: str = ""
    memory: float | None = None
    """Bytes in use; of a MIG instance its own."""
    part: float | None = 1.0
    """How much of the device's compute it is, 0..1."""
    active: float | None = None
    """How busy the SMs of a MIG instance were, 0..1."""


@dataclass(frozen=True, slots=True)
class Device:
    """One whole GPU at one moment. None is unknown."""

    units: tuple[Unit, ...]
    cut: bool = False
    """Cut by MIG: its units are instances; none of them is allowed too."""
    utilization: float | None = None
    memory: float | None = None
    power: float | None = None
    idle_power: float | None = None
    """Watts it draws with nothing to do; the lowest seen stands for it."""


class Part(NamedTuple):
    """One owner's part and how it was found: see `basis` in vocabulary/metrics.py."""

    who: Who
    value: float
    basis: str


def divide(total: float, parts: Mapping[Who, float]) -> tuple[dict[Who, float], float]:
    """*parts* as far as *total* goes, and the rest of it: together exactly *total*, none negative.

    Readings are of slightly different moments, so parts may exceed the whole: then all shrink.
    """
    total = max(0.0, total)
    kept = {who: max(0.0, value) for who, value in parts.items()}
    wanted = sum(kept.values())
    if wanted > total:
        shrunk = {who: min(total, value * (total / wanted)) for who, value in kept.items()}
        return shrunk, 0.0
    return kept, total - wanted


def utilization(device: Device) -> list[Part]:
    """Parts of the utilisation; none under MIG, where no driver tells it."""
    if device.cut or device.utilization is None or not device.units:
        return []
    (unit,) = device.units
    return _whole(device.utilization, unit, _measured(unit, "busy"), _busy_told(device, unit))


def memory(device: Device) -> list[Part]:
    """Parts of the memory in use."""
    if device.memory is None:
        return []
    if not device.cut:
        (unit,) = device.units
        return _whole(device.memory, unit, _measured(unit, "memory"), _memory_told(unit))
    found: list[Part] = []
    for unit in device.units:
        if unit.memory is not None:
            found += _whole(unit.memory, unit, _measured(unit, "memory"), _memory_told(unit))
    found = [one for one in found if one.who.owner != UNATTRIBUTED]
    parts, rest = divide(device.memory, {one.who: one.value for one in found})
    bases = {one.who: "instance" if one.basis == "whole" else one.basis for one in found}
    return [*(Part(who, value, bases[who]) for who, value in parts.items()), _rest(rest)]


def power(device: Device) -> list[Part]:
    """Parts of the power draw."""
    return [] if device.power is None else _draw(device, device.power, _dynamic(device))


def energy(device: Device, growth: float) -> list[Part]:
    """Parts of the energy used since the reading before, divided as power is now."""
    dynamic = _dynamic(device)
    share = dynamic / device.power if device.power else 0.0
    return _draw(device, growth, growth * share)


def time(device: Device) -> list[Part]:
    """Parts of the time that is to be paid for; they sum to 1.

    Who uses a shared device pays for the use; time that nobody used is divided evenly among those
    for whom it was kept, and is `idle` where there are none. A MIG instance is worth its part of
    the device's compute.
    """
    found: list[Part] = []
    for unit in device.units:
        worth = (unit.part or 0.0) if device.cut else 1.0
        found += _kept(unit, worth, cut=device.cut)
    parts, rest = divide(1.0, {who: value for who, value, _ in found})
    bases = {who: basis for who, _, basis in found}
    made = [Part(who, value, bases[who]) for who, value in parts.items()]
    return [*made, Part(Who(IDLE), rest, "rest")] if rest > _NOTHING or not made else made


def _kept(unit: Unit, worth: float, *, cut: bool) -> list[Part]:
    count = len(unit.holders)
    used, unused = divide(worth, {} if cut else _measured(unit, "busy"))
    if not count:
        idle = Part(Who(IDLE, mig=unit.mig), unused, "rest")
        return [*(Part(who, value, "processes") for who, value in used.items()), idle]
    basis = "processes" if used else "even"
    if count == 1 and not unit.slotted and used.keys() <= {*unit.holders}:
        basis = "instance" if cut else "whole"
    for holder in unit.holders:
        used[holder] = used.get(holder, 0.0) + unused / count
    return [Part(who, value, basis) for who, value in used.items()]


def _whole(total: float, unit: Unit, measured: Mapping[Who, float], told: bool) -> list[Part]:
    """*total* of one unit among its holders, by what is *measured* of each.

    Where not all is *told*, a holder of whom nothing is known is left out: unknown is not zero.
    """
    if len(unit.holders) == 1 and not unit.slotted:
        (holder,) = unit.holders
        taken, rest = divide(total, _without(measured, holder))
        basis = "processes" if taken else "whole"
        others = [Part(who, value, "processes") for who, value in taken.items()]
        return [Part(holder, rest, basis), *others, _rest(0.0)]
    known = {**dict.fromkeys(unit.holders, 0.0), **measured} if told else measured
    parts, rest = divide(total, known)
    made = [Part(who, value, "processes") for who, value in parts.items()]
    return [*made, _rest(rest)]


def _draw(device: Device, total: float, dynamic: float) -> list[Part]:
    """*total* power or energy, of which *dynamic* is there because somebody works."""
    if device.cut:
        return _draw_of_instances(device, total, dynamic)
    (unit,) = device.units
    busy = _measured(unit, "busy")
    everyone = sum(one.busy or 0.0 for one in unit.processes)
    weights = {who: dynamic * value / everyone for who, value in busy.items() if everyone > 0.0}
    parts = _whole(total, unit, weights, _busy_told(device, unit))
    return [one._replace(basis="estimate") if one.basis == "processes" else one for one in parts]


def _draw_of_instances(device: Device, total: float, dynamic: float) -> list[Part]:
    """By activity times size where each instance tells its activity, else by size alone."""
    known = all(unit.active is not None for unit in device.units)
    weights = [
        (unit.part or 0.0) * ((unit.active or 0.0) if known else 1.0) for unit in device.units
    ]
    whole = sum(weights) if known else 1.0
    wanted = {
        holder: dynamic * weight / whole / len(unit.holders)
        for unit, weight in zip(device.units, weights, strict=True)
        for holder in unit.holders
        if whole > 0.0
    }
    for unit in device.units:
        wanted.update((holder, 0.0) for holder in unit.holders if holder not in wanted)
    parts, rest = divide(total, wanted)
    return [*(Part(who, value, "estimate") for who, value in parts.items()), _rest(rest)]


def _dynamic(device: Device) -> float:
    """Watts above idle; 0 where idle is not known, so that too little is attributed, never more."""
    if device.power is None or device.idle_power is None:
        return 0.0
    return max(0.0, device.power - device.idle_power)


def _measured(unit: Unit, what: str) -> dict[Who, float]:
    """What is measured, by owner: processes whose owner is not known are left out."""
    found: dict[Who, float] = {}
    for one in unit.processes:
        value = one.memory if what == "memory" else one.busy
        if one.who is not None and value is not None:
            found[one.who] = found.get(one.who, 0.0) + value
    return found


def _without(measured: Mapping[Who, float], holder: Who) -> dict[Who, float]:
    return {who: value for who, value in measured.items() if who != holder}


def _memory_told(unit: Unit) -> bool:
    return unit.told and all(
        one.who is not None and one.memory is not None for one in unit.processes
    )


def _busy_told(device: Device, unit: Unit) -> bool:
    """A process without a sample did nothing, once the driver gives samples or nothing runs."""
    sampled = any(one.busy is not None for one in unit.processes)
    named = unit.told and all(one.who is not None for one in unit.processes)
    return named and (sampled or not unit.processes or device.utilization == 0.0)


def _rest(value: float) -> Part:
    return Part(Who(UNATTRIBUTED), value, "rest")
