"""What is missing to say whose a GPU is: each right, what it costs, and how it is granted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from collectors._nvml_calls import ask
from collectors._nvml_mig import instances
from collectors.kubelet import Kubelet
from service.checks import Check, Verdict
from service.kubernetes.api_server import ApiServer
from service.kubernetes.resource_slices import ResourceSlices
from service.settings import Settings
from vocabulary.contracts import Reach, Target
from vocabulary.errors import SourceError, SourceUnauthorised
from vocabulary.pods import Pod
from vocabulary.samples import Sample

_WITHOUT_KUBELET = "GPUs of pods, their shares and their price stay unknown"
_WITHOUT_PROC = "shared GPUs are not divided among their pods, and intruders are not found"


@dataclass(frozen=True, slots=True)
class GpuNode:
    """What was found out of this node before."""

    settings: Settings
    reach: Reach
    api: ApiServer | None
    node: str
    pods: Sequence[Pod]

    @property
    def wanted(self) -> bool:
        """Whether pods of this node ask for GPUs."""
        return any(pod.asks_for_gpu for pod in self.pods)


def attribution(here: GpuNode) -> Iterator[Check]:
    """GPUs, who holds them, whose processes run on them, and devices given out by claim."""
    handles, check = _gpus(here)
    yield check
    if here.api is None or not here.settings.gpus or not (handles or here.wanted):
        yield Check("kubelet", Verdict.ABSENT, "not asked: no Kubernetes node with GPUs to read")
        return
    held, check = _kubelet(here)
    yield check
    yield _processes(here.settings.host_proc)
    yield from _cut(here.reach.nvml, handles)
    yield _claims(here.api, here.node, held)


def _gpus(here: GpuNode) -> tuple[list[Any], Check]:
    if not here.settings.gpus:
        return [], Check("gpus", Verdict.ABSENT, "switched off (gpus: false)")
    nvml = here.reach.nvml
    try:
        nvml.nvmlInit()
        count = int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as error:
        if here.wanted:
            return [], Check(
                "gpus", Verdict.BLIND,
                f"NVML: {error}, and pods of this node hold GPUs: none is read",
                "give the agent the driver's libraries (the chart does with "
                "agent.runtimeClassName: nvidia)",
            )  # fmt: skip
        return [], Check(
            "gpus", Verdict.ABSENT, f"NVML: {error}",
            "on a GPU node install the driver; in a container ask for the utility capability",
        )  # fmt: skip
    handles = [handle for index in range(count) for handle in _handle(nvml, index)]
    return handles, Check("gpus", Verdict.OK, f"{count} through NVML")


def _handle(nvml: Any, index: int) -> list[Any]:
    try:
        return ask(nvml, lambda: [nvml.nvmlDeviceGetHandleByIndex(index)])
    except SourceError:
        return []


def _kubelet(here: GpuNode) -> tuple[list[Sample], Check]:
    """Whether the kubelet tells who holds which GPU, asked as the agent asks it."""
    target = Target("kubelet", (("node", here.node),))
    try:
        held = list(Kubelet().collect(target, here.reach, 0.0))
    except SourceError as error:
        what, _, mend = str(error).partition(": ")
        return [], Check("kubelet", Verdict.BLIND, f"{what}: {_WITHOUT_KUBELET}", mend)
    return held, Check("kubelet", Verdict.OK, f"{len(held)} GPU allocations of pods")


def _processes(proc: Path | None) -> Check:
    """Whether processes of the host, as NVML counts them, can be led back to pods."""
    name = "processes"
    mend = "mount the host's /proc and set host_proc (the chart does with agent.hostProc)"
    if proc is None:
        return Check(name, Verdict.ABSENT, f"the host's /proc is not given: {_WITHOUT_PROC}", mend)
    try:
        (proc / "1" / "cgroup").read_bytes()
    except OSError as error:
        what = f"{proc} cannot be read ({error.strerror}): {_WITHOUT_PROC}"
        return Check(name, Verdict.BLIND, what, mend)
    return Check(name, Verdict.OK, f"processes of the host are seen in {proc}")


def _cut(nvml: Any, handles: Iterable[Any]) -> Iterator[Check]:
    """GPUs cut by MIG, of which drivers tell less."""
    for number, handle in enumerate(handles):
        try:
            parts = instances(nvml, handle)
            gpm = ask(nvml, lambda: [nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice])  # noqa: B023
        except SourceError as error:
            yield Check(f"gpu {number}", Verdict.BLIND, str(error), "reset it or drain the node")
            continue
        if not parts:
            continue
        known = bool(gpm and gpm[0])
        how = (
            "power goes by each one's activity"
            if known
            else ("activity is not told here (it needs Hopper or later), so power goes by size")
        )
        what = f"cut into {len(parts)} MIG instances: no utilisation of the whole or of processes; "
        yield Check(f"gpu {number}", Verdict.OK if known else Verdict.ABSENT, what + how)


def _claims(api: ApiServer, node: str, held: Sequence[Sample]) -> Check:
    """Whether devices given out by claim can be named; costs those alone."""
    name = "resource claims"
    claimed = [one for one in held if one.series.label("claim")]
    try:
        offered = ResourceSlices(replace(api), node).read()
    except SourceUnauthorised as error:
        what, _, mend = str(error).partition(": ")
        verdict = Verdict.BLIND if claimed else Verdict.ABSENT
        cost = f"which GPU a claim got stays unknown; {len(claimed)} are held by claim here"
        return Check(name, verdict, f"{what}: {cost}", mend)
    except SourceError as error:
        return Check(name, Verdict.BLIND, str(error), "is the API reachable from here?")
    if not offered:
        return Check(name, Verdict.ABSENT, "nothing on this node is given out by claim")
    return Check(name, Verdict.OK, f"{offered} devices are offered to claims")
