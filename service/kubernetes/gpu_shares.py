"""Shares of GPUs out of one round's readings: the driver's devices, the kubelet's allocations.

They are made only where both answered: who holds nothing is not known without the kubelet.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors._reading import Reading
from fleet import shares
from fleet.shares import Device, Part, Process, Unit, Who
from vocabulary import metrics as m
from vocabulary.metrics import Metric
from vocabulary.samples import Sample, Series, labels_of

SLOT = "slot"
"""`sharing` of an allocation that is one slot of a time-sliced or MPS-shared device."""
LONGEST_GAP_SECONDS = 300.0
"""Energy used over a longer time without readings is nobody's; Prometheus' look-back."""
_POD = ("namespace", "pod", "pool", "replica")
_PROFILE = re.compile(r"MIG (?:(\d)c\.)?(\d)g\.\d+gb")
_FOUR_SLICES = re.compile(r"\bA30\b|\bRTX PRO\b")
"""Products whose compute is cut in four; all others in seven (NVIDIA MIG user guide)."""

_Facts = dict[str, float]
_Place = tuple[str, str]
"""Namespace and name of a pod."""


@dataclass(slots=True)
class _Seen:
    """What the driver said of one device or MIG instance."""

    labels: Mapping[str, str] = field(default_factory=dict)
    facts: _Facts = field(default_factory=dict)
    processes: dict[str, dict[str, str]] = field(default_factory=dict)
    memory: _Facts = field(default_factory=dict)
    busy: _Facts = field(default_factory=dict)


@dataclass(slots=True)
class _Holders:
    """Who holds what, as the kubelet said."""

    of: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    slotted: set[str] = field(default_factory=set)
    elsewhere: set[_Place] = field(default_factory=set)
    """Pods that hold something the driver does not show: it may be any device."""


@dataclass(slots=True)
class GpuShares:
    """Remembers each device's lowest draw and energy from round to round."""

    _lowest: _Facts = field(default_factory=dict)
    _read: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Energy counter and time of the round before."""
    _used: dict[tuple[str, Who], float] = field(default_factory=dict)

    def of(self, readings: Mapping[str, Reading], now: float) -> list[Sample]:
        """Shares of every device that the driver showed in this round."""
        told = [readings.get(name) for name in ("nvml", "kubelet")]
        nvml, kubelet = (one.samples if one and one.verdict == "ok" else None for one in told)
        if nvml is None or kubelet is None:
            return []
        seen = _seen(nvml)
        holders = _holders(kubelet, seen)
        found: list[Sample] = []
        for gpu, one in seen.items():
            if "parent" not in one.labels and m.GPU_INFO.name in one.facts:
                found += self._shares(gpu, seen, holders, now)
        return found

    def _shares(
        self, gpu: str, seen: Mapping[str, _Seen], holders: _Holders, now: float
    ) -> Iterable[Sample]:
        one = seen[gpu]
        device = self._device(gpu, seen, holders)
        where = {name: one.labels.get(name, "") for name in ("cluster", "node")}
        for metric, parts in (
            (m.GPU_SHARE_UTILIZATION, shares.utilization(device)),
            (m.GPU_SHARE_MEMORY, shares.memory(device)),
            (m.GPU_SHARE_POWER, shares.power(device)),
            (m.GPU_SHARE_ENERGY, self._energy(gpu, device, one.facts, now)),
            (m.GPU_SHARE_TIME, shares.time(device)),
        ):
            yield from (_sample(metric, part, where, gpu, now) for part in parts)

    def _device(self, gpu: str, seen: Mapping[str, _Seen], holders: _Holders) -> Device:
        one = seen[gpu]
        facts = one.facts
        power = facts.get(m.GPU_POWER.name)
        if power:
            self._lowest[gpu] = min(power, self._lowest.get(gpu, power))
        instances = {name: part for name, part in seen.items() if part.labels.get("parent") == gpu}
        cut = bool(instances) or facts.get(m.GPU_MIG_MODE.name, 0.0) > 0.0
        return Device(
            tuple(_instances(one, instances, holders)) if cut else (_unit(gpu, one, holders),),
            cut,
            facts.get(m.GPU_UTILIZATION.name),
            facts.get(m.GPU_MEMORY_USAGE.name),
            power,
            self._lowest.get(gpu),
        )

    def _energy(self, gpu: str, device: Device, facts: _Facts, now: float) -> list[Part]:
        """Counters since this agent began, which grow as the device's own does."""
        value = facts.get(m.GPU_ENERGY.name)
        if value is None:
            self._read.pop(gpu, None)
            return []
        before, at = self._read.get(gpu, (value, now))
        self._read[gpu] = (value, now)
        growth = value - before if value >= before else value
        watched = now - at <= LONGEST_GAP_SECONDS
        parts = shares.energy(device, growth if watched else 0.0)
        if not watched:
            parts = [*parts[:-1], parts[-1]._replace(value=parts[-1].value + growth)]
        present = {(gpu, one.who) for one in parts}
        for key in [key for key in self._used if key[0] == gpu and key not in present]:
            del self._used[key]
        for one in parts:
            self._used[gpu, one.who] = self._used.get((gpu, one.who), 0.0) + one.value
        return [Part(one.who, self._used[gpu, one.who], "") for one in parts]


def _seen(samples: Iterable[Sample]) -> dict[str, _Seen]:
    """By uuid of device or instance."""
    found: dict[str, _Seen] = defaultdict(_Seen)
    for series, value, _ in samples:
        labels = dict(series.labels)
        one = found[labels.get("gpu", "")]
        if series.name in {m.GPU_INFO.name, m.GPU_MIG_INSTANCE.name}:
            one.labels = labels
        pid = labels.get("pid", "")
        if pid:
            one.processes.setdefault(pid, {}).update(labels)
            kept = one.memory if series.name == m.GPU_PROCESS_MEMORY.name else one.busy
            kept[pid] = value
        elif labels.get("when", "current") == "current":
            one.facts[series.name] = value
    return found


def _holders(samples: Iterable[Sample], seen: Mapping[str, _Seen]) -> _Holders:
    holders = _Holders()
    for series, *_ in samples:
        labels = dict(series.labels)
        if series.name != m.GPU_ALLOCATION.name:
            continue
        if labels["gpu"] not in seen:
            holders.elsewhere.add(_place(labels))
            continue
        holders.of[labels["gpu"]].append(labels)
        if labels.get("sharing") == SLOT:
            holders.slotted.add(labels["gpu"])
    return holders


def _unit(gpu: str, one: _Seen, holders: _Holders, mig: str = "") -> Unit:
    owners = [*dict.fromkeys(_who("pod", labels, mig) for labels in holders.of.get(gpu, ()))]
    return Unit(
        tuple(owners),
        tuple(
            Process(
                _owner(labels, owners, holders.elsewhere, mig),
                one.memory.get(pid),
                one.busy.get(pid),
            )
            for pid, labels in one.processes.items()
        ),
        one.facts.get(m.GPU_PROCESSES.name, -1.0) == len(one.memory),
        gpu in holders.slotted,
        mig,
        one.facts.get(m.GPU_MEMORY_USAGE.name),
    )


def _instances(device: _Seen, instances: Mapping[str, _Seen], holders: _Holders) -> Iterable[Unit]:
    together: dict[str, int] = defaultdict(int)
    for one in instances.values():
        together[one.labels.get("gpu_instance", "")] += 1
    for mig, one in instances.items():
        unit = _unit(mig, one, holders, mig)
        memory = unit.memory
        if together[one.labels.get("gpu_instance", "")] > 1:  # each tells that of all of them
            memory = sum(one.memory.values()) if unit.told else None
        yield Unit(
            unit.holders, unit.processes, unit.told, unit.slotted, mig, memory,
            _part(device, one), one.facts.get(m.GPU_SM_ACTIVE.name),
        )  # fmt: skip


def _part(device: _Seen, instance: _Seen) -> float | None:
    """Compute slices over the device's; where no profile is told, memory over the device's."""
    if found := _PROFILE.search(instance.labels.get("product", "")):
        slices = 4 if _FOUR_SLICES.search(device.labels.get("product", "")) else 7
        return min(1.0, int(found[1] or found[2]) / slices)
    own, all_of_it = (one.facts.get(m.GPU_MEMORY_LIMIT.name) for one in (instance, device))
    return min(1.0, own / all_of_it) if own and all_of_it else None


def _owner(
    labels: Mapping[str, str], owners: Sequence[Who], elsewhere: set[_Place], mig: str
) -> Who | None:
    """Whose a process is. One of a pod that was given another device is an intruder here."""
    kind = labels.get("owner", "")
    if kind == "pod":
        own = [who for who in owners if _place(dict(who.labels)) == _place(labels)]
        replica = labels.get("replica", "")
        for who in [one for one in own if dict(one.labels).get("replica") == replica] or own:
            return who
    if not kind or (kind == "pod" and _place(labels) in elsewhere):
        return None
    return _who("unallocated", labels, mig)


def _who(owner: str, labels: Mapping[str, str], mig: str) -> Who:
    names = _POD if owner == "pod" else ("namespace", "pod", "command")
    return Who(owner, labels_of((name, labels.get(name, "")) for name in names), mig)


def _place(labels: Mapping[str, str]) -> _Place:
    return labels.get("namespace", ""), labels.get("pod", "")


def _sample(metric: Metric, part: Part, where: Mapping[str, str], gpu: str, now: float) -> Sample:
    who = part.who
    about = {"gpu": gpu, "mig": who.mig, "owner": who.owner, "basis": part.basis}
    return Sample(Series(metric.name, labels_of({**dict(who.labels), **where, **about})),
                  part.value, now)  # fmt: skip
