"""NVIDIA GPUs through NVML, the driver's own library.

A signal that a device, driver or MIG mode does not offer is left out for that device alone. A
device that has fallen off the bus, or whose calls hang, is said to be so and stops no other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from collectors._deadline import Calls
from collectors._nvml_signals import SIGNALS, Fact, read_signal, xid_events
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.errors import (
    SourceError,
    SourceLost,
    SourceUnauthorised,
    SourceUnreadable,
    SourceUnsupported,
)
from vocabulary.metrics import Metric
from vocabulary.samples import Sample, Series, labels_of

_NO_DRIVER = (
    "no NVIDIA driver here: in a container, set NVIDIA_DRIVER_CAPABILITIES=utility and "
    "NVIDIA_VISIBLE_DEVICES=all, or the nvidia runtime class; without GPUs, set gpus: false"
)


@dataclass(slots=True)
class _Device:
    """What is remembered of one device, for the time when it no longer answers."""

    index: int
    uuid: str = ""
    product: str = ""
    driver: str = ""
    events: Any = None
    """NVML event set in which its Xids arrive; False where it has none."""
    xids: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Nvml(Collector):
    """Every GPU of this node."""

    timeout_seconds: float = 2.0
    """Seconds all devices have to answer, beside each other. A healthy one takes milliseconds."""
    _calls: Calls[Any] = field(default_factory=Calls, init=False, repr=False, compare=False)
    _devices: dict[int, _Device] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    scope: ClassVar[Scope] = Scope.NODE
    produces: ClassVar[tuple[Metric, ...]] = (
        m.TARGET_UP,
        m.GPU_INFO,
        m.GPU_XID_EVENTS,
        *(metric for signal in SIGNALS for metric in signal.metrics),
    )

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        nvml = reach.nvml
        count = self._calls.run({"NVML": partial(_count, nvml)}, self.timeout_seconds)["NVML"]
        if isinstance(count, Exception):
            raise _named(nvml, count)
        devices = [self._devices.setdefault(index, _Device(index)) for index in range(count)]
        reads: Mapping[str, Callable[[], Any]] = {
            f"GPU {one.index}": partial(_read, nvml, one) for one in devices
        }
        answers = self._calls.run(reads, self.timeout_seconds)
        return [
            sample
            for device, answer in zip(devices, answers.values(), strict=True)
            for sample in _samples(device, answer, dict(target.labels), now)
        ]


def _count(nvml: Any) -> int:
    """How many devices there are; starts NVML when it has not been, or no longer is."""
    try:
        return int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as error:
        if error.value != nvml.NVML_ERROR_UNINITIALIZED:
            raise
    nvml.nvmlInit()
    return int(nvml.nvmlDeviceGetCount())


def _read(nvml: Any, device: _Device) -> list[Fact]:
    """Everything one device says now; runs in a thread of its own."""
    _count_xids(nvml, device)  # first: the last word of a lost device is an Xid
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(device.index)
        device.uuid = nvml.nvmlDeviceGetUUID(handle)
        device.product = nvml.nvmlDeviceGetName(handle)
        device.driver = nvml.nvmlSystemGetDriverVersion()
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise SourceLost(f"GPU {device.index} has fallen off the bus") from error
        raise
    return [fact for signal in SIGNALS for fact in read_signal(signal, nvml, handle)]


def _count_xids(nvml: Any, device: _Device) -> None:
    try:
        if device.events is None:
            handle = nvml.nvmlDeviceGetHandleByIndex(device.index)
            wanted = nvml.nvmlEventTypeXidCriticalError
            offered = nvml.nvmlDeviceGetSupportedEventTypes(handle)
            device.events = False
            if offered & wanted:
                events = nvml.nvmlEventSetCreate()
                nvml.nvmlDeviceRegisterEvents(handle, wanted, events)
                device.events = events
        if device.events:
            device.xids.update(xid_events(nvml, device.events))
    except (nvml.NVMLError, AttributeError):
        return


def _samples(
    device: _Device, answer: list[Fact] | Exception, labels: dict[str, str], now: float
) -> Iterable[Sample]:
    """One device's samples: whether it answered, what it is, what it said, its Xids so far."""
    about = {**labels, "gpu": device.uuid}
    target = {"target": f"nvml/{device.uuid or device.index}"}

    def sample(metric: Metric, own: Mapping[str, str], value: float) -> Sample:
        return Sample(Series(metric.name, labels_of({**own, **about})), value, now)

    if isinstance(answer, Exception):
        verdict = answer.verdict if isinstance(answer, SourceError) else "unreadable"
        yield sample(m.TARGET_UP, {**target, "verdict": verdict}, 0.0)
    else:
        yield sample(m.TARGET_UP, {**target, "verdict": "ok"}, 1.0)
        what = {"index": str(device.index), "product": device.product, "driver": device.driver}
        yield sample(m.GPU_INFO, what, 1.0)
        for metric, own, value in answer:
            yield sample(metric, own, value)
    if device.uuid:
        for xid, times in sorted(device.xids.items()):
            yield sample(m.GPU_XID_EVENTS, {"xid": str(xid)}, float(times))


def _named(nvml: Any, error: Exception) -> SourceError:
    """Why NVML as a whole cannot be asked."""
    if isinstance(error, SourceError):
        return error
    code = getattr(error, "value", None)
    if code in {nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED}:
        return SourceUnsupported(_NO_DRIVER)
    if code == nvml.NVML_ERROR_NO_PERMISSION:
        return SourceUnauthorised("NVML may not be used by this user: run as root or relax it")
    return SourceUnreadable(f"NVML cannot be asked: {error}")
