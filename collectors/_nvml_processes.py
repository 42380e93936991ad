"""Processes on a device: how many, the memory each holds, and the SM time it took."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from collectors._nvml_calls import Fact, Signal, ask
from vocabulary import metrics as m

_MORE_LISTS = (
    "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses",
)
"""Beside the list of compute processes; a client of MPS is in its own list, or in both."""


def _memory(nvml: Any, handle: Any) -> Iterator[Fact]:
    """By process id of the host; a process whose memory the driver will not tell is counted only.

    One that is in several lists is told the same memory in each, which is not to be summed.
    """
    lists = [
        nvml.nvmlDeviceGetComputeRunningProcesses(handle),
        *(ask(nvml, partial(_listed, nvml, name, handle)) for name in _MORE_LISTS),
    ]
    held: dict[int, float | None] = {}
    for found in lists:
        for pid, memory in _summed(found).items():
            known = held.get(pid)
            held[pid] = memory if known is None else max(known, memory or 0.0)
    yield m.GPU_PROCESSES, {}, float(len(held))
    for pid, memory in held.items():
        if memory is not None:
            yield m.GPU_PROCESS_MEMORY, {"pid": str(pid)}, memory


def _listed(nvml: Any, name: str, handle: Any) -> Iterator[Any]:
    yield from getattr(nvml, name)(handle)


def _summed(processes: Any) -> dict[int, float | None]:
    """Memory by process id within one list, where one process may have several contexts."""
    held: dict[int, float | None] = {}
    for one in processes:
        before, memory = held.get(one.pid), one.usedGpuMemory
        known = [float(value) for value in (before, memory) if value is not None]
        held[one.pid] = sum(known) if known else None
    return held


PROCESS_MEMORY = Signal((m.GPU_PROCESSES, m.GPU_PROCESS_MEMORY), _memory)


@dataclass(slots=True)
class ProcessUse:
    """SM time of processes since the round before; refused by devices cut by MIG."""

    _seen: int = 0
    """Time of the newest sample seen, in the driver's microseconds."""

    def read(self, nvml: Any, handle: Any) -> Iterator[Fact]:
        """Mean of what is new; the first samples of all only say from when on.

        That nothing is new (`NOT_FOUND`) is how an idle device answers.
        """
        since = self._seen
        shares: defaultdict[int, list[int]] = defaultdict(list)
        for sample in nvml.nvmlDeviceGetProcessUtilization(handle, since):
            # drivers have given samples that are old, of no process, or of more than all time
            if sample.timeStamp > since and sample.pid and sample.smUtil <= 100:
                shares[sample.pid].append(sample.smUtil)
                self._seen = max(self._seen, sample.timeStamp)
        if since:
            for pid, percents in shares.items():
                share = sum(percents) / len(percents) / 100
                yield m.GPU_PROCESS_UTILIZATION, {"pid": str(pid)}, share
