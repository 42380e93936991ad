"""NVIDIA GPUs and their MIG instances through NVML, the driver's own library.

A signal that a device, driver or MIG mode does not offer is left out for that device alone. A
device that has fallen off the bus, or whose calls hang, is said to be so and stops no other.
An instance is a `gpu` of its own; what NVML tells of whole devices only is its parent's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from collectors._deadline import Calls
from collectors._event_counts import EventCounts
from collectors._nvml_calls import Fact, Signal, ask, read_signal
from collectors._nvml_gpm import GPM_METRICS, Gpm
from collectors._nvml_mig import Instance, instances
from collectors._nvml_processes import PROCESS_MEMORY, ProcessUse
from collectors._nvml_signals import BAR1, MEMORY, SIGNALS, xid_events
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

_Answer = dict[str, list[Fact]]
"""Uuid of the device and of each MIG instance → what was said of it."""
_Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Metric, uuid, own labels."""

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
    xids: EventCounts[int] = field(default_factory=EventCounts)
    process_use: ProcessUse = field(default_factory=ProcessUse)
    gpm: dict[str, Gpm] = field(default_factory=dict)
    """By uuid, of the device or of its MIG instances."""
    series: "dict[_Key, Series]" = field(default_factory=dict)
    """What the last round said, so that labels are put in order once and not every round."""


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
        m.GPU_MIG_INSTANCE,
        m.GPU_PROCESSES,
        m.GPU_PROCESS_MEMORY,
        m.GPU_PROCESS_UTILIZATION,
        *GPM_METRICS.values(),
        *dict.fromkeys(metric for signal in SIGNALS for metric in signal.metrics),
    )

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        nvml = reach.nvml
        count = self._calls.run({"NVML": partial(_count, nvml)}, self.timeout_seconds)["NVML"]
        if isinstance(count, Exception):
            raise _named(nvml, count)
        devices = [self._devices.setdefault(index, _Device(index)) for index in range(count)]
        reads: Mapping[str, Callable[[], Any]] = {
            f"GPU {one.index}": partial(_read, nvml, one, now) for one in devices
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


def _read(nvml: Any, device: _Device, now: float) -> _Answer:
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
    parts = {one.uuid: one for one in instances(nvml, handle)}
    for gone in device.gpm.keys() - parts.keys() - {device.uuid}:
        device.gpm.pop(gone).free(nvml)
    # processes of a device that is cut belong to its instances: once, not twice
    signals = [*SIGNALS, *([] if parts else [PROCESS_MEMORY]), _process_use(device)]
    answer = {device.uuid: _facts(nvml, handle, signals)}
    answer[device.uuid] += _gpm(nvml, device, handle, None, now)
    for uuid, part in parts.items():
        facts = _facts(nvml, part.handle, [MEMORY, BAR1, PROCESS_MEMORY])
        answer[uuid] = [part.about(device.uuid), *facts, *_gpm(nvml, device, handle, part, now)]
    return answer


def _facts(nvml: Any, handle: Any, signals: Iterable[Signal]) -> list[Fact]:
    return [fact for signal in signals for fact in read_signal(signal, nvml, handle)]


def _process_use(device: _Device) -> Signal:
    return Signal((m.GPU_PROCESS_UTILIZATION,), device.process_use.read)


def _gpm(nvml: Any, device: _Device, handle: Any, part: Instance | None, now: float) -> list[Fact]:
    """Activity of the device, or of one instance of it."""

    def take(sample: Any) -> None:
        if part is None:
            nvml.nvmlGpmSampleGet(handle, sample)
        else:
            nvml.nvmlGpmMigSampleGet(handle, part.gpu_instance, sample)

    gpm = device.gpm.setdefault(part.uuid if part else device.uuid, Gpm())
    return ask(nvml, lambda: gpm.read(nvml, handle, take, now))


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
            device.xids.add(xid_events(nvml, device.events))
    except (nvml.NVMLError, AttributeError):
        return


def _samples(
    device: _Device, answer: _Answer | Exception, labels: dict[str, str], now: float
) -> Iterable[Sample]:
    """One device's samples: whether it answered, what it is, what it said, its Xids so far."""
    target = {"target": f"nvml/{device.uuid or device.index}"}
    before, device.series = device.series, {}

    def sample(
        metric: Metric, own: Mapping[str, str], value: float, gpu: str = device.uuid
    ) -> Sample:
        key = (metric.name, gpu, tuple(own.items()))
        series = before.get(key)
        if series is None:
            series = Series(metric.name, labels_of({**own, **labels, "gpu": gpu}))
        device.series[key] = series
        return Sample(series, value, now)

    if isinstance(answer, Exception):
        verdict = answer.verdict if isinstance(answer, SourceError) else "unreadable"
        yield sample(m.TARGET_UP, {**target, "verdict": verdict}, 0.0)
    else:
        yield sample(m.TARGET_UP, {**target, "verdict": "ok"}, 1.0)
        what = {"index": str(device.index), "product": device.product, "driver": device.driver}
        yield sample(m.GPU_INFO, what, 1.0)
        for uuid, facts in answer.items():
            for metric, own, value in facts:
                yield sample(metric, own, value, uuid)
    if device.uuid:
        for xid, times in device.xids.told():
            yield sample(m.GPU_XID_EVENTS, {"xid": str(xid), "source": "nvml"}, times)


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
