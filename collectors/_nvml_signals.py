"""What NVML says about one device, signal by signal, each of which may be missing alone."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from collectors._nvml_calls import Fact, Signal, ask, first_of
from collectors._nvml_fabric import FABRIC, LINKS
from collectors._nvml_fields import FIELD_SIGNALS
from collectors._nvml_memory_health import MEMORY_HEALTH
from collectors._nvml_mig import MIG_MODE
from vocabulary import metrics as m

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

_TEMPERATURE_LIMITS = {
    "shutdown": "SHUTDOWN",
    "slowdown": "SLOWDOWN",
    "gpu_max": "GPU_MAX",
    "memory_max": "MEM_MAX",
}
"""Our word → nvmlTemperatureThresholds_t (nvml.h)."""

_XIDS_AT_ONCE = 1000


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


def _utilization(nvml: Any, handle: Any) -> Iterator[Fact]:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    yield m.GPU_UTILIZATION, {}, rates.gpu / 100
    yield m.GPU_MEMORY_BUSY, {}, rates.memory / 100


def _memory(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Version 2, because version 1 counts what the driver reserves as used."""
    memory = first_of(
        nvml,
        lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2),
        lambda: nvml.nvmlDeviceGetMemoryInfo(handle),
    )
    yield m.GPU_MEMORY_USAGE, {}, float(memory.used)
    yield m.GPU_MEMORY_LIMIT, {}, float(memory.total)
    if hasattr(memory, "reserved"):
        yield m.GPU_MEMORY_RESERVED, {}, float(memory.reserved)


def _bar1(nvml: Any, handle: Any) -> Iterator[Fact]:
    window = nvml.nvmlDeviceGetBAR1MemoryInfo(handle)
    yield m.GPU_BAR1, {"part": "used"}, float(window.bar1Used)
    yield m.GPU_BAR1, {"part": "limit"}, float(window.bar1Total)


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


def _memory_clock(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_MEMORY_CLOCK, {}, nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM) * 1e6


def _memory_clock_max(nvml: Any, handle: Any) -> Iterator[Fact]:
    megahertz = nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)
    yield m.GPU_MEMORY_CLOCK_MAX, {}, megahertz * 1e6


def _temperature(nvml: Any, handle: Any) -> Iterator[Fact]:
    value = first_of(
        nvml,
        lambda: nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU),
        lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
    )
    yield m.GPU_TEMPERATURE, {}, float(value)


def _temperature_limits(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Each threshold may be refused alone: older boards have no limit for memory."""
    for threshold, name in _TEMPERATURE_LIMITS.items():
        number = getattr(nvml, f"NVML_TEMPERATURE_THRESHOLD_{name}")
        for degrees in ask(nvml, partial(_temperature_limit, nvml, handle, number)):
            yield m.GPU_TEMPERATURE_LIMIT, {"threshold": threshold}, degrees


def _temperature_limit(nvml: Any, handle: Any, number: int) -> Iterator[float]:
    yield float(nvml.nvmlDeviceGetTemperatureThreshold(handle, number))


def _temperature_margin(nvml: Any, handle: Any) -> Iterator[Fact]:
    yield m.GPU_TEMPERATURE_MARGIN, {}, float(nvml.nvmlDeviceGetMarginTemperature(handle))


def _throttled(nvml: Any, handle: Any) -> Iterator[Fact]:
    bits = first_of(
        nvml,
        lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
        lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),  # its name before 535
    )
    for reason, bit in THROTTLE_REASONS.items():
        yield m.GPU_THROTTLED, {"reason": reason}, float(bool(bits & bit))


def _codecs(nvml: Any, handle: Any) -> Iterator[Fact]:
    for task, percent in (
        ("encoder", nvml.nvmlDeviceGetEncoderUtilization(handle)[0]),
        ("decoder", nvml.nvmlDeviceGetDecoderUtilization(handle)[0]),
    ):
        yield m.GPU_CODEC_UTILIZATION, {"task": task}, percent / 100


def _pcie_replays(nvml: Any, handle: Any) -> Iterator[Fact]:
    replays = nvml.nvmlDeviceGetPcieReplayCounter(handle)
    yield m.GPU_PCIE_ERRORS, {"error_type": "replay"}, float(replays)


MEMORY = Signal((m.GPU_MEMORY_USAGE, m.GPU_MEMORY_LIMIT, m.GPU_MEMORY_RESERVED), _memory)
BAR1 = Signal((m.GPU_BAR1,), _bar1)
SIGNALS = (
    Signal((m.GPU_UTILIZATION, m.GPU_MEMORY_BUSY), _utilization),
    MEMORY,
    BAR1,
    Signal((m.GPU_POWER,), _power),
    Signal((m.GPU_POWER_LIMIT,), _power_limit),
    Signal((m.GPU_ENERGY,), _energy),
    Signal((m.GPU_SM_CLOCK,), _clock),
    Signal((m.GPU_SM_CLOCK_MAX,), _clock_max),
    Signal((m.GPU_MEMORY_CLOCK,), _memory_clock),
    Signal((m.GPU_MEMORY_CLOCK_MAX,), _memory_clock_max),
    Signal((m.GPU_TEMPERATURE,), _temperature),
    Signal((m.GPU_TEMPERATURE_LIMIT,), _temperature_limits),
    Signal((m.GPU_TEMPERATURE_MARGIN,), _temperature_margin),
    Signal((m.GPU_THROTTLED,), _throttled),
    *MEMORY_HEALTH,
    Signal((m.GPU_CODEC_UTILIZATION,), _codecs),
    Signal((m.GPU_PCIE_ERRORS,), _pcie_replays),
    *FIELD_SIGNALS,
    LINKS,
    FABRIC,
    MIG_MODE,
)
