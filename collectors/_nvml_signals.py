"""What NVML says about one device, signal by signal, each of which may be missing alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vocabulary import metrics as m
from vocabulary.errors import SourceLost
from vocabulary.metrics import Metric

Fact = tuple[Metric, Mapping[str, str], float]
"""A metric, its own labels, its value."""

THROTTLE_REASONS = {
    "idle": 0x1,
    "app_clocks": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
}
"""Bits of nvmlClocksEventReasons (nvml.h). `idle`, `app_clocks` and mostly `sw_power_cap` are how a
healthy GPU works: whoever looks for harm leaves them out by name."""

RECOVERY_ACTIONS = {
    0: "none",
    1: "gpu_reset",
    2: "node_reboot",
    3: "drain_p2p",
    4: "drain_and_reset",
    5: "recover_imex_domain",
    6: "bus_reset",
    7: "system_reboot",
}
"""Values of nvmlDeviceGpuRecoveryAction_t (nvml.h, API 13); newer ones become `unknown_8`, …"""

_XIDS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Signal:
    """One call and what becomes of its answer."""

    metrics: tuple[Metric, ...]
    read: Callable[[Any, Any], Iterable[Fact]]
    """Of the module and a device handle."""


def read_signal(signal: Signal, nvml: Any, handle: Any) -> list[Fact]:
    """What the signal says; nothing where the device, the driver or the package lacks it.

    Raises:
        SourceLost: The device is gone.
    """
    try:
        return list(signal.read(nvml, handle))
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise SourceLost("the GPU has fallen off the bus") from error
        return []
    except AttributeError:  # a package older than the call
        return []


def xid_events(nvml: Any, events: Any) -> Iterator[int]:
    """Codes of the Xids that came since the last time."""
    for _ in range(_XIDS_AT_ONCE):
        try:
            event = nvml.nvmlEventSetWait_v2(events, 0)
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_TIMEOUT:
                return
            raise
        yield int(event.eventData)


def _first(nvml: Any, newer: Callable[[], Any], older: Callable[[], Any]) -> Any:
    """The newer call's answer, or the older one's where driver or package lack the newer."""
    try:
        return newer()
    except AttributeError:
        return older()
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise
        return older()


def _utilization(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_UTILIZATION, {}, nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100


def _memory(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Version 2, because version 1 counts what the driver reserves as used."""
    memory = _first(
        nvml,
        lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2),
        lambda: nvml.nvmlDeviceGetMemoryInfo(handle),
    )
    yield m.GPU_MEMORY_USAGE, {}, float(memory.used)
    yield m.GPU_MEMORY_LIMIT, {}, float(memory.total)


def _power(nvml: Any, handle: Any) -> Iterator[Fact]:
    """A mean of one second on Ampere and later except A100, which tells the instant."""
    yield m.GPU_POWER, {}, nvml.nvmlDeviceGetPowerUsage(handle) / 1000


def _power_limit(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_POWER_LIMIT, {}, nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000


def _energy(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_ENERGY, {}, nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000


def _clock(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_SM_CLOCK, {}, nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6


def _clock_max(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_SM_CLOCK_MAX, {}, nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6


def _temperature(nvml: Any, handle: Any) -> Iterator[Fact]:
    value = _first(
        nvml,
        lambda: nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU),
        lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
    )
    yield m.GPU_TEMPERATURE, {}, float(value)


def _throttled(nvml: Any, handle: Any) -> Iterator[Fact]:
    bits = _first(
        nvml,
        lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
        lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),  # its name before 535
    )
    for reason, bit in THROTTLE_REASONS.items():
        yield m.GPU_THROTTLED, {"reason": reason}, float(bool(bits & bit))


def _memory_errors(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Since the driver was loaded; only on boards with ECC."""
    for name, kind in (
        ("corrected", nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
        ("uncorrected", nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
    ):
        count = nvml.nvmlDeviceGetTotalEccErrors(handle, kind, nvml.NVML_VOLATILE_ECC)
        yield m.GPU_ERRORS, {"error_type": name}, float(count)


def _remapped_rows(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Ampere and later; `pending` waits for a reset, `failure` for a new board."""
    names = ("corrected", "uncorrected", "pending", "failure")
    for name, value in zip(names, nvml.nvmlDeviceGetRemappedRows(handle), strict=True):
        yield m.GPU_REMAPPED_ROWS, {"error_type": name}, float(value)


def _recovery_action(nvml: Any, handle: Any) -> Iterator[Fact]:
    wanted = nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
    field = nvml.nvmlDeviceGetFieldValues(handle, [wanted])[0]
    if field.nvmlReturn == nvml.NVML_SUCCESS:
        value = int(field.value.uiVal)
        action = RECOVERY_ACTIONS.get(value, f"unknown_{value}")
        yield m.GPU_RECOVERY_ACTION, {"action": action}, 1.0


def _processes(nvml: Any, handle: Any) -> Iterator[Fact]:
    """By process id of the host; a process whose memory the driver will not tell is left out."""
    held: dict[int, float] = {}
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
        if process.usedGpuMemory is not None:
            held[process.pid] = held.get(process.pid, 0.0) + process.usedGpuMemory
    for pid, memory in held.items():
        yield m.GPU_PROCESS_MEMORY, {"pid": str(pid)}, memory


SIGNALS = (
    Signal((m.GPU_UTILIZATION,), _utilization),
    Signal((m.GPU_MEMORY_USAGE, m.GPU_MEMORY_LIMIT), _memory),
    Signal((m.GPU_POWER,), _power),
    Signal((m.GPU_POWER_LIMIT,), _power_limit),
    Signal((m.GPU_ENERGY,), _energy),
    Signal((m.GPU_SM_CLOCK,), _clock),
    Signal((m.GPU_SM_CLOCK_MAX,), _clock_max),
    Signal((m.GPU_TEMPERATURE,), _temperature),
    Signal((m.GPU_THROTTLED,), _throttled),
    Signal((m.GPU_ERRORS,), _memory_errors),
    Signal((m.GPU_REMAPPED_ROWS,), _remapped_rows),
    Signal((m.GPU_RECOVERY_ACTION,), _recovery_action),
    Signal((m.GPU_PROCESS_MEMORY,), _processes),
)
