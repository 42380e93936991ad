"""GPUs whose utilisation, memory, clock, power, temperature and energy move together.

First-order physics: power follows activity and the square of the clock, temperature follows power
through one thermal resistance and one time constant, energy is the integral of power.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.guests import Guest
from vocabulary.samples import Array

_AMBIENT = 30.0
_FULL_LOAD_RISE = 42.0
"""Degrees above the inlet at the power limit; a well cooled data-centre GPU. Our judgement."""
_THERMAL_SECONDS = 45.0
_SMOOTHING_SECONDS = 1.0
"""Power is a one-second average on Hopper and Ada; utilisation has a period of about that."""

_SAMPLED = ("utilization", "memory_activity", "memory_share", "power", "clock", "temperature",
            "energy", "pcie_replays")  # fmt: skip
"""What a sampler reads off the board again and again."""

IDLE = 0x1
SW_POWER_CAP = 0x4
SW_THERMAL = 0x20
HW_THERMAL = 0x40
HW_POWER_BRAKE = 0x80


@dataclass(frozen=True, slots=True)
class GpuModel:
    """Data-sheet figures of one kind of GPU."""

    name: str
    """As NVML spells it."""
    memory_bytes: int
    power_limit: float
    """Watts."""
    idle_power: float
    sm_clock: int
    """Highest SM clock, MHz."""
    idle_clock: int
    memory_clock: int
    nvlinks: int = 0


H100 = GpuModel("NVIDIA H100 80GB HBM3", 85_520_809_984, 700.0, 72.0, 1980, 345, 2619, 18)
L40S = GpuModel("NVIDIA L40S", 48_305_799_168, 350.0, 36.0, 2520, 210, 9001)
L4 = GpuModel("NVIDIA L4", 24_152_899_584, 72.0, 12.0, 2040, 210, 6251)
H200 = GpuModel("NVIDIA H200", 150_754_820_096, 700.0, 76.0, 1980, 345, 3201, 18)
A100 = GpuModel("NVIDIA A100-SXM4-80GB", 85_899_345_920, 400.0, 60.0, 1410, 210, 1593, 12)
RTX4090 = GpuModel("NVIDIA GeForce RTX 4090", 25_757_220_864, 450.0, 18.0, 3105, 210, 10_501)
GPU_KINDS = {
    "H100": H100, "H200": H200, "A100": A100, "L40S": L40S, "L4": L4, "RTX4090": RTX4090,
}  # fmt: skip
"""Kinds by the short name that scenario files use."""


@dataclass(frozen=True, slots=True)
class GpuPlace:
    """Which GPU sits where."""

    uuid: str
    node: str
    index: int
    """Index on its node, as NVML counts."""
    model: GpuModel


@dataclass(slots=True)
class GpuBank:
    """All GPUs of the cluster as arrays, one element each."""

    places: tuple[GpuPlace, ...]
    rng: np.random.Generator
    holders: list[str] = field(default_factory=list)
    """Who holds each GPU, a pod's uid; empty when free."""
    memory_share: Array = field(init=False)
    """Share of device memory that its holder took."""
    clock_share: Array = field(init=False)
    """What a thermal or power brake leaves of the SM clock; 1 when nothing brakes."""
    power_cap: Array = field(init=False)
    """What the software power cap leaves of the SM clock. It costs compute-bound steps little and
    memory-bound ones nothing, so that it does not slow the group."""
    forced_heat: Array = field(init=False)
    """Temperature that broken cooling drives to; NaN when cooling works."""
    brake: list[int] = field(init=False)
    """Reason bits of the brake."""
    lost: list[bool] = field(init=False)
    effort: Array = field(init=False)
    """What a spinning collective leaves of the power that its utilisation would take; 1 is work."""
    recovery: list[int] = field(init=False)
    """Recovery action that the driver asks for, as NVML numbers them; 0 is none."""
    memory_errors: list[int] = field(init=False)
    """Uncorrectable memory errors since the driver was loaded."""
    rows_pending: list[bool] = field(init=False)
    """Whether a remapped row waits for a reset."""
    links_down: list[int] = field(init=False)
    """NVLinks that are down, of those the board has."""
    link_errors: list[int] = field(init=False)
    """NVLinks that had to be trained anew."""
    pcie_replay_rate: Array = field(init=False)
    """PCIe packets sent again a second: a link that was trained badly."""
    pcie_replays: Array = field(init=False)
    """PCIe packets sent again since the driver was loaded."""
    xid_events: list[list[int]] = field(init=False)
    """Xids raised and not yet read by whoever listens."""
    utilization: Array = field(init=False)
    memory_activity: Array = field(init=False)
    power: Array = field(init=False)
    clock: Array = field(init=False)
    temperature: Array = field(init=False)
    energy: Array = field(init=False)
    """Joules since the driver was loaded."""
    throttled_seconds: Array = field(init=False)
    """Seconds under the thermal brake."""
    stuck: dict[int, dict[str, float]] = field(init=False)
    """GPU → the readings that whoever is asked repeats from then on, whatever the board does."""
    guests: dict[int, Guest] = field(default_factory=dict)
    """GPU → who works there beside its holder."""
    driver_seconds: float = 1e6
    """Seconds since the driver was loaded."""
    _limit: Array = field(init=False)
    _idle: Array = field(init=False)
    _top: Array = field(init=False)
    _low: Array = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.places)
        models = [place.model for place in self.places]
        self._limit = np.array([model.power_limit for model in models])
        self._idle = np.array([model.idle_power for model in models])
        self._top = np.array([float(model.sm_clock) for model in models])
        self._low = np.array([float(model.idle_clock) for model in models])
        self.holders = [""] * count
        self.brake = [0] * count
        self.lost = [False] * count
        self.effort = np.ones(count)
        self.recovery = [0] * count
        self.memory_errors = [0] * count
        self.rows_pending = [False] * count
        self.links_down = [0] * count
        self.link_errors = [0] * count
        self.pcie_replay_rate = np.zeros(count)
        self.pcie_replays = np.zeros(count)
        self.xid_events = [[] for _ in range(count)]
        self.stuck = {}
        self.memory_share = np.full(count, 0.006)
        for gpu, guest in self.guests.items():
            self.memory_share[gpu] += guest.memory
        self.clock_share = np.ones(count)
        self.power_cap = np.ones(count)
        self.forced_heat = np.full(count, np.nan)
        self.utilization = np.zeros(count)
        self.memory_activity = np.zeros(count)
        self.power = self._idle.copy()
        self.clock = self._low.copy()
        self.temperature = np.full(count, _AMBIENT + 4.0)
        self.energy = self._limit * self.rng.uniform(2e6, 6e6, count)  # a month or two of work
        self.throttled_seconds = np.zeros(count)

    def advance(self, seconds: float, busy: Array, prefill: Array) -> None:
        """Move on by *seconds* in which each GPU was *busy* (share of time), *prefill* of it."""
        self.driver_seconds += seconds
        for gpu, guest in self.guests.items():
            busy[gpu], prefill[gpu] = guest.share(seconds, busy[gpu], prefill[gpu])
        keep = float(np.exp(-seconds / _SMOOTHING_SECONDS))
        held = np.array([bool(holder) for holder in self.holders])
        held[list(self.guests)] = True
        self.utilization = keep * self.utilization + (1 - keep) * np.minimum(1.0, busy)
        # decoding is bound by memory, prefill by the tensor cores
        reads = np.minimum(1.0, busy) * (0.72 - 0.4 * prefill)
        self.memory_activity = keep * self.memory_activity + (1 - keep) * reads
        noise = self.rng.normal(0.0, 1.0, (2, len(self.places)))
        wanted = np.where(held, self._top, self._low) * self.clock_share * self.power_cap
        wanted -= np.where(held, np.rint(np.abs(noise[0])) * 15.0, 0.0)
        drive = _drive(self._idle, self._limit, busy, prefill)
        target = drive * (0.3 + 0.7 * (wanted / self._top) ** 2)
        target = np.where(held, target * self.effort, self._idle)
        over = target > self._limit
        self.clock = np.where(over, wanted * 0.95, wanted)
        target = np.minimum(target * (1 + 0.01 * noise[1]), self._limit)
        self.power = keep * self.power + (1 - keep) * target
        self._heat(seconds)
        self.energy += self.power * seconds
        self.pcie_replays += self.pcie_replay_rate * seconds
        braked = np.array([bool(bits & (SW_THERMAL | HW_THERMAL)) for bits in self.brake])
        self.throttled_seconds += np.where(braked, seconds, 0.0)

    def drive(self, gpu: int, busy: Array, prefill: Array, *, held: bool) -> Array:
        """Watts that one GPU settles at under steady work, without brakes."""
        idle, limit = float(self._idle[gpu]), float(self._limit[gpu])
        if not held:
            return np.full(len(busy), idle)
        return np.minimum(limit, _drive(idle, limit, busy, prefill))

    def settled_temperature(self, gpu: int, power: Array) -> Array:
        """Degrees that one GPU settles at when it draws *power* watts."""
        return _settled(power, float(self._limit[gpu]))

    def _heat(self, seconds: float) -> None:
        goal = _settled(self.power, self._limit)
        goal = np.where(np.isnan(self.forced_heat), goal, self.forced_heat)
        share = 1 - float(np.exp(-seconds / _THERMAL_SECONDS))
        self.temperature += (goal - self.temperature) * share

    def pace(self, gpus: Sequence[int]) -> float:
        """Speed of a tensor-parallel group against its nominal speed: its slowest member's."""
        if not self.guests:
            return min(float(self.clock_share[gpu]) for gpu in gpus)
        guests = self.guests
        return min(
            float(self.clock_share[gpu]) * (guests[gpu].leaves if gpu in guests else 1.0)
            for gpu in gpus
        )

    def stick(self, gpu: int) -> None:
        """From now on the readings of *gpu* are those of this moment."""
        self.stuck[gpu] = {name: float(getattr(self, name)[gpu]) for name in _SAMPLED}

    def shown(self, name: str, gpu: int) -> float:
        """A sampled figure of *gpu* as whoever asks is told it."""
        held = self.stuck.get(gpu)
        return float(getattr(self, name)[gpu]) if held is None else held[name]

    def reasons(self, gpu: int) -> int:
        """Bits of the reasons that hold the clocks down now, as NVML numbers them."""
        bits = self.brake[gpu]
        if self.utilization[gpu] < 0.01:
            bits |= IDLE
        elif self.power[gpu] > 0.985 * self._limit[gpu] or self.power_cap[gpu] < 1.0:
            bits |= SW_POWER_CAP
        return bits

    def index_of(self, uuid: str) -> int:
        """Position of the GPU with this uuid.

        Raises:
            KeyError: There is none.
        """
        for position, place in enumerate(self.places):
            if place.uuid == uuid:
                return position
        raise KeyError(uuid)


def _drive(idle: Array | float, limit: Array | float, busy: Array, prefill: Array) -> Array:
    """Watts at the full clock: decoding is bound by memory, prefill by the tensor cores."""
    active = np.minimum(1.0, busy) * (0.52 + 0.38 * prefill)
    return np.asarray(1.5 * idle + (limit - 1.5 * idle) * active, dtype=np.float64)


def _settled(power: Array, limit: Array | float) -> Array:
    return np.asarray(_AMBIENT + 3.0 + _FULL_LOAD_RISE * power / limit, dtype=np.float64)
