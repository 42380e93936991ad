"""The simulated GPUs behind the interface of nvidia-ml-py's `pynvml`, its errors included."""

# Names and unused arguments are pynvml's.
# ruff: noqa: ARG002, N802

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import pynvml

from simulator.gpus import GpuBank

_NEVER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Handle:
    """An opaque device handle."""

    position: int


@dataclass(slots=True)
class EventSet:
    """Devices somebody listens to."""

    positions: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SimulatedNvml:
    """What `import pynvml` would give on one node (or on all, without a node).

    Functions not written here raise NVMLError_NotSupported, as an older driver would; constants
    and classes are pynvml's own.
    """

    bank: GpuBank
    positions: Sequence[int]
    pids: Callable[[str], int]
    """Process id of the pod with this uid."""

    def __getattr__(self, name: str) -> Any:
        return _of_pynvml(name)

    def nvmlInit(self) -> None:
        """Nothing to start."""

    def nvmlInitWithFlags(self, flags: int) -> None:
        """Nothing to start."""

    def nvmlShutdown(self) -> None:
        """Nothing to stop."""

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.95.05"

    def nvmlSystemGetNVMLVersion(self) -> str:
        return "13.580.95.05"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.positions)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Handle:
        if not 0 <= index < len(self.positions):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return Handle(self.positions[index])

    def nvmlDeviceGetHandleByUUID(self, uuid: str | bytes) -> Handle:
        wanted = uuid.decode() if isinstance(uuid, bytes) else uuid
        for position in self.positions:
            if self.bank.places[position].uuid == wanted:
                return Handle(position)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetIndex(self, handle: Handle) -> int:
        return self.bank.places[self._at(handle)].index

    def nvmlDeviceGetUUID(self, handle: Handle) -> str:
        return self.bank.places[self._at(handle)].uuid

    def nvmlDeviceGetName(self, handle: Handle) -> str:
        return self.bank.places[self._at(handle)].model.name

    def nvmlDeviceGetUtilizationRates(self, handle: Handle) -> Any:
        at = self._at(handle)
        return pynvml.c_nvmlUtilization_t(
            gpu=round(100 * self.bank.shown("utilization", at)),
            memory=round(100 * self.bank.shown("memory_activity", at)),
        )

    def nvmlDeviceGetMemoryInfo(self, handle: Handle, version: int | None = None) -> Any:
        at = self._at(handle)
        total = self.bank.places[at].model.memory_bytes
        reserved = int(total * 0.006)
        used = int(total * self.bank.shown("memory_share", at)) - reserved
        if version:
            return pynvml.c_nvmlMemory_v2_t(
                version=version,
                total=total,
                reserved=reserved,
                free=total - used - reserved,
                used=used,
            )
        taken = used + reserved  # version 1 counts what the driver reserves as used
        return pynvml.c_nvmlMemory_t(total=total, free=total - taken, used=taken)

    def nvmlDeviceGetPowerUsage(self, handle: Handle) -> int:
        return round(1000 * self.bank.shown("power", self._at(handle)))

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Handle) -> int:
        return round(1000 * self.bank.places[self._at(handle)].model.power_limit)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Handle) -> int:
        return int(1000 * self.bank.shown("energy", self._at(handle)))

    def nvmlDeviceGetClockInfo(self, handle: Handle, kind: int) -> int:
        at = self._at(handle)
        if kind == pynvml.NVML_CLOCK_MEM:
            return self.bank.places[at].model.memory_clock
        return round(self.bank.shown("clock", at))

    def nvmlDeviceGetMaxClockInfo(self, handle: Handle, kind: int) -> int:
        model = self.bank.places[self._at(handle)].model
        return model.memory_clock if kind == pynvml.NVML_CLOCK_MEM else model.sm_clock

    def nvmlDeviceGetTemperature(self, handle: Handle, sensor: int) -> int:
        if sensor != pynvml.NVML_TEMPERATURE_GPU:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return round(self.bank.shown("temperature", self._at(handle)))

    def nvmlDeviceGetTemperatureV(self, handle: Handle, sensor: int, version: int = 0) -> int:
        return self.nvmlDeviceGetTemperature(handle, sensor)

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: Handle) -> int:
        return self.bank.reasons(self._at(handle))

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Handle) -> int:
        return self.bank.reasons(self._at(handle))

    def nvmlDeviceGetTotalEccErrors(self, handle: Handle, kind: int, counter: int) -> int:
        at = self._at(handle)
        bad = kind == pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
        return self.bank.memory_errors[at] if bad else 0

    def nvmlDeviceGetRemappedRows(self, handle: Handle) -> tuple[int, int, int, int]:
        at = self._at(handle)
        pending = int(self.bank.rows_pending[at])
        return (0, pending, pending, 0)

    def nvmlDeviceGetNvLinkState(self, handle: Handle, link: int) -> int:
        at = self._at(handle)
        links = self.bank.places[at].model.nvlinks
        if not 0 <= link < links:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return int(link < links - self.bank.links_down[at])

    def nvmlDeviceGetPcieReplayCounter(self, handle: Handle) -> int:
        return int(self.bank.shown("pcie_replays", self._at(handle)))

    def nvmlDeviceGetFieldValues(self, handle: Handle, fields: Sequence[Any]) -> list[Any]:
        at = self._at(handle)
        known = {
            pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL: int(1e9 * self.bank.throttled_seconds[at]),
            pynvml.NVML_FI_DEV_PERF_POLICY_POWER: 0,
            pynvml.NVML_FI_DEV_MEMORY_TEMP: round(self.bank.shown("temperature", at)) + 8,
            pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: self.bank.recovery[at],
        }
        if self.bank.places[at].model.nvlinks:
            known[pynvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL] = self.bank.link_errors[at]
        out = []
        for wanted in fields:
            number = wanted[0] if isinstance(wanted, tuple) else wanted
            if number not in known:
                out.append(_refused(number))
                continue
            value = _field(number, pynvml.NVML_SUCCESS)
            value.value.ullVal = known[number]
            out.append(value)
        return out

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Handle) -> list[Any]:
        at = self._at(handle)
        holder, guest = self.bank.holders[at], self.bank.guests.get(at)
        total, share = self.bank.places[at].model.memory_bytes, self.bank.shown("memory_share", at)
        held = {holder: share} if holder else {}
        if guest is not None:
            held = {uid: max(0.0, own - guest.memory) for uid, own in held.items()}
            held[guest.uid] = guest.memory
        return [
            SimpleNamespace(
                pid=self.pids(uid),
                usedGpuMemory=int(total * own),
                gpuInstanceId=_NEVER,
                computeInstanceId=_NEVER,
            )
            for uid, own in held.items()
        ]

    def nvmlDeviceGetProcessUtilization(self, handle: Handle, since: int) -> list[Any]:
        """Of boards that are given out in slots; elsewhere there is one process to tell of."""
        at = self._at(handle)
        guest, holder = self.bank.guests.get(at), self.bank.holders[at]
        if guest is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        now = int(1e6 * self.bank.driver_seconds)
        times = {holder: guest.left, guest.uid: guest.taken}
        return [
            SimpleNamespace(
                pid=self.pids(uid), timeStamp=now, smUtil=round(100 * share), memUtil=0, encUtil=0,
                decUtil=0,
            )
            for uid, share in times.items()
            if uid and now > since
        ]  # fmt: skip

    def nvmlDeviceGetSupportedEventTypes(self, handle: Handle) -> int:
        self._at(handle)
        return int(pynvml.nvmlEventTypeXidCriticalError)

    def nvmlEventSetCreate(self) -> EventSet:
        return EventSet()

    def nvmlEventSetFree(self, events: EventSet) -> None:
        events.positions.clear()

    def nvmlDeviceRegisterEvents(self, handle: Handle, mask: int, events: EventSet) -> None:
        events.positions.append(self._at(handle))

    def nvmlEventSetWait_v2(self, events: EventSet, milliseconds: int) -> Any:
        for position in events.positions:
            if self.bank.xid_events[position]:
                return SimpleNamespace(
                    device=Handle(position),
                    eventType=pynvml.nvmlEventTypeXidCriticalError,
                    eventData=self.bank.xid_events[position].pop(0),
                    gpuInstanceId=_NEVER,
                    computeInstanceId=_NEVER,
                )
        raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)

    def _at(self, handle: Handle) -> int:
        if self.bank.lost[handle.position]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return handle.position


@cache
def _of_pynvml(name: str) -> Any:
    """What pynvml itself has under this name; asked for a hundred times a GPU and round."""
    real = getattr(pynvml, name)
    return _unsupported if name.startswith("nvml") and callable(real) else real


def _field(number: int, answer: int) -> Any:
    value = pynvml.c_nvmlFieldValue_t(fieldId=number)
    value.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
    value.nvmlReturn = answer
    return value


@cache
def _refused(number: int) -> Any:
    """What a driver says of a field that this device does not have."""
    return _field(number, pynvml.NVML_ERROR_NOT_SUPPORTED)


def _unsupported(*_arguments: object, **_named: object) -> Any:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
