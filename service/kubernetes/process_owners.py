"""Gives what is measured of GPU processes the pod that each belongs to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fleet.identity import pod_labels
from service.kubernetes.cgroups import Place, place_of
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.pods import Pod
from vocabulary.samples import Sample, Series, labels_of

OF_PROCESSES = frozenset({m.GPU_PROCESS_MEMORY.name, m.GPU_PROCESS_UTILIZATION.name})


@dataclass(frozen=True, slots=True)
class ProcessOwners(Collector):
    """Another collector's samples; those of processes named by pod and replica.

    `owner` is `pod`, or `unallocated` where the process uses a GPU that Kubernetes gave nobody: one
    of the host, or of a pod that asked for none; such a process bears its `command` too. It is
    absent where a process cannot be told.
    """

    inner: Collector
    proc: Path
    """Where the host's /proc is seen: NVML counts processes as the host does."""

    scope: ClassVar[Scope] = Scope.NODE
    produces: ClassVar[tuple[m.Metric, ...]] = (m.GPU_PROCESS_MEMORY, m.GPU_PROCESS_UTILIZATION)

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        pods = {one.host_uid: one for one in reach.pods}
        cluster = dict(target.labels).get("cluster", "")
        for sample in self.inner.collect(target, reach, now):
            pid = sample.series.label("pid") if sample.series.name in OF_PROCESSES else ""
            if not pid or not pods:
                yield sample
                continue
            owner = self._owner(pid, pods, cluster)
            labels = labels_of({**dict(sample.series.labels), **owner})
            yield sample._replace(series=Series(sample.series.name, labels))

    def _owner(self, pid: str, pods: Mapping[str, Pod], cluster: str) -> Mapping[str, str]:
        place = self._place(pid)
        if place is None:
            return {}
        if not place.pod_uid:
            return {"owner": "unallocated", "command": self._command(pid)}
        pod = pods.get(place.pod_uid)
        if pod is None:
            return {}
        named = [one for one in pod.containers if one.runtime_id == place.container_id]
        labels = pod_labels(pod, named[0].name if named else "", cluster)
        if not named:
            del labels["replica"]
        if pod.asks_for_gpu:
            return {**labels, "owner": "pod"}
        return {**labels, "owner": "unallocated", "command": self._command(pid)}

    def _place(self, pid: str) -> Place | None:
        """None when the process has ended, or /proc is hidden from us."""
        if not pid.isascii() or not pid.isdecimal():
            return None
        text = self._read(pid, "cgroup", 64 * 1024)
        return None if text is None else place_of(text)

    def _command(self, pid: str) -> str:
        """The kernel's name of the process: 15 bytes that the process may choose itself."""
        text = self._read(pid, "comm", 64) or ""
        return "".join(one if one.isprintable() else "?" for one in text.strip())[:15]

    def _read(self, pid: str, name: str, most: int) -> str | None:
        try:
            with (self.proc / pid / name).open("rb") as file:
                return file.read(most).decode("utf-8", "replace")
        except OSError:
            return None
