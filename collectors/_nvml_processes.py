"""Processes on a device: the memory each holds, and the SM time it took."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collectors._nvml_calls import Fact, Signal
from vocabulary import metrics as m


def _memory(nvml: Any, handle: Any) -> Iterator[Fact]:
    """By process id of the host; a process whose memory the driver will not tell is left out."""
    held: dict[int, float] = {}
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
        if process.usedGpuMemory is not None:
            held[process.pid] = held.get(process.pid, 0.0) + process.usedGpuMemory
    for pid, memory in held.items():
        yield m.GPU_PROCESS_MEMORY, {"pid": str(pid)}, memory


PROCESS_MEMORY = Signal((m.GPU_PROCESS_MEMORY,), _memory)


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
