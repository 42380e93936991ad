"""Xids of NVIDIA GPUs and SXids of NVLink switches, from the kernel's log.

The log tells what NVML cannot: what happened while nobody listened, while the driver hung, and
those Xids that NVML keeps to itself. Events are counted, never held: a counter stands still when
nothing happens. The same event heard through NVML too is another source of the same count, and
the signal takes the larger of the two.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from collectors._deadline import Calls
from collectors._event_counts import EventCounts
from collectors._kernel_messages import KernelMessages, Message
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.errors import SourceUnauthorised, SourceUnreadable, SourceUnsupported
from vocabulary.metrics import Metric
from vocabulary.samples import Sample, Series, labels_of

_PCI = r"(?:PCI:)?([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})(?:\.[0-7])?"
_XID = re.compile(rf"NVRM: Xid \({_PCI}\): (\d{{1,4}})\b")
"""Drivers of all ages: `NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has …`, once `(0000:3b:00)`."""
_NAMED = re.compile(
    rf"NVRM: GPU at {_PCI}: (GPU-[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})"
)
"""The driver's own word on which uuid sits where, written before the first Xid of a GPU."""
_SXID = re.compile(
    rf"(nvidia-nvswitch\d{{1,3}}): SXid \({_PCI}\): (\d{{1,6}}), (Non-fatal|Fatal)", re.IGNORECASE
)
_NO_LOG = (
    "{path} is not there: mount the host's kernel log into the agent (the chart does with "
    "agent.kernelLog.path)"
)
_NO_RIGHT = (
    "{path} may not be read by user {user}: for /dev/kmsg grant CAP_SYSLOG or set "
    "kernel.dmesg_restrict=0, and in a container allow the device; a log file needs its group"
)


@dataclass(slots=True)
class _State:
    """What is remembered from round to round."""

    messages: KernelMessages = field(default_factory=KernelMessages)
    uuids: dict[str, str] = field(default_factory=dict)
    """PCI address → uuid."""
    xids: EventCounts[tuple[str, int]] = field(default_factory=EventCounts)
    """By PCI address and code."""
    sxids: EventCounts[tuple[str, int, str]] = field(default_factory=EventCounts)
    """By switch, code and severity."""
    calls: Calls[dict[str, str]] = field(default_factory=Calls)


@dataclass(frozen=True, slots=True)
class KernelLog(Collector):
    """Xids that this node's kernel writes down."""

    path: str = ""
    """Log to read: `/dev/kmsg`, or a file such as `/var/log/kern.log`; not read when empty, since
    the right to read it must be granted."""
    backlog_seconds: float = 300.0
    """How old a record of `/dev/kmsg` may be when it is first read: what happened before is
    history and no event of now. As long as a restart of the agent may take; our judgement."""
    timeout_seconds: float = 2.0
    """Seconds NVML has to say which GPU sits at which PCI address."""
    _uptime: Callable[[], float] = field(
        default_factory=lambda: partial(time.clock_gettime, time.CLOCK_MONOTONIC),
        repr=False,
        compare=False,
    )
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    scope: ClassVar[Scope] = Scope.NODE
    produces: ClassVar[tuple[Metric, ...]] = (m.GPU_XID_EVENTS, m.NVSWITCH_SXID_EVENTS)

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        state = self._state
        for message in self._new(state):
            _take(state, message)
        if any(place not in state.uuids for place, _ in state.xids):
            self._name(state, reach.nvml)
        return list(_samples(state, dict(target.labels), now))

    def _new(self, state: _State) -> Iterator[Message]:
        try:
            found = state.messages.new(self.path)
        except FileNotFoundError as error:
            raise SourceUnsupported(_NO_LOG.format(path=self.path)) from error
        except PermissionError as error:
            raise SourceUnauthorised(_NO_RIGHT.format(path=self.path, user=os.geteuid())) from error
        except OSError as error:
            raise SourceUnreadable(f"{self.path} cannot be read: {error.strerror}") from error
        oldest = self._uptime() - self.backlog_seconds
        for message in found:
            named = _NAMED.search(message.text)
            if named is not None:  # however old it is: who sits where stays true
                state.uuids[_place(*named.group(1, 2, 3))] = named[4]
            elif message.uptime is None or message.uptime >= oldest:
                yield message

    def _name(self, state: _State, nvml: Any) -> None:
        """Ask NVML who sits where; a driver that hangs leaves the addresses as they are."""
        answer = state.calls.run({"NVML": lambda: _places(nvml)}, self.timeout_seconds)["NVML"]
        if isinstance(answer, dict):
            state.uuids.update(answer)


def _take(state: _State, message: Message) -> None:
    found = _XID.search(message.text)
    if found is not None:
        state.xids.add([(_place(*found.group(1, 2, 3)), int(found[4]))])
    found = _SXID.search(message.text)
    if found is not None:
        severity = "fatal" if found[6].lower() == "fatal" else "non_fatal"
        state.sxids.add([(found[1].lower(), int(found[5]), severity)])


def _samples(state: _State, own: dict[str, str], now: float) -> Iterator[Sample]:
    def sample(metric: Metric, value: float, **labels: str) -> Sample:
        return Sample(Series(metric.name, labels_of({**labels, **own})), value, now)

    for (place, xid), times in state.xids.told():
        gpu = state.uuids.get(place, f"{own.get('node', '')}/pci-{place}")
        yield sample(m.GPU_XID_EVENTS, times, gpu=gpu, xid=str(xid), source="kernel_log")
    for (switch, sxid, severity), times in state.sxids.told():
        yield sample(
            m.NVSWITCH_SXID_EVENTS, times, switch=switch, sxid=str(sxid), severity=severity
        )


def _places(nvml: Any) -> dict[str, str]:
    """PCI address → uuid of every device that answers; a lost one is passed over."""
    try:
        count = int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError:
        nvml.nvmlInit()
        count = int(nvml.nvmlDeviceGetCount())
    found = {}
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            told = nvml.nvmlDeviceGetPciInfo(handle).busId
            text = told.decode() if isinstance(told, bytes) else str(told)
            domain, bus, rest = text.split(":")
            found[_place(domain, bus, rest.split(".")[0])] = str(nvml.nvmlDeviceGetUUID(handle))
        except (nvml.NVMLError, ValueError):
            continue
    return found


def _place(domain: str, bus: str, device: str) -> str:
    """A PCI address in one form: NVML writes the domain with eight digits, the kernel with four."""
    return f"{int(domain, 16):04x}:{bus.lower()}:{device.lower()}"
