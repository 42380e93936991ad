"""MIG: whether a device is cut into instances, and which there are now."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from collectors._nvml_calls import Fact, Signal, ask
from vocabulary import metrics as m


@dataclass(frozen=True, slots=True)
class Instance:
    """One MIG device, good for the round in which it was found.

    Its handle dies when the layout changes, so none is ever kept.
    """

    handle: Any
    uuid: str
    gpu_instance: int
    compute_instance: int
    product: str

    def about(self, parent: str) -> Fact:
        """What it is, and of which device it is a part."""
        labels = {
            "parent": parent,
            "product": self.product,
            "gpu_instance": str(self.gpu_instance),
            "compute_instance": str(self.compute_instance),
        }
        return m.GPU_MIG_INSTANCE, labels, 1.0


def instances(nvml: Any, device: Any) -> list[Instance]:
    """MIG devices of *device* now; none where it has no MIG or does not use it."""
    return [
        instance
        for place in ask(nvml, lambda: _places(nvml, device))
        for instance in ask(nvml, partial(_instance, nvml, device, place))
    ]


def _places(nvml: Any, device: Any) -> Iterator[int]:
    if nvml.nvmlDeviceGetMigMode(device)[0] == nvml.NVML_DEVICE_MIG_ENABLE:
        yield from range(nvml.nvmlDeviceGetMaxMigDeviceCount(device))


def _instance(nvml: Any, device: Any, place: int) -> Iterator[Instance]:
    """The one at *place*, of which many are empty (`NOT_FOUND`)."""
    handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, place)
    yield Instance(
        handle=handle,
        uuid=nvml.nvmlDeviceGetUUID(handle),
        gpu_instance=nvml.nvmlDeviceGetGpuInstanceId(handle),
        compute_instance=nvml.nvmlDeviceGetComputeInstanceId(handle),
        product="".join(ask(nvml, lambda: [nvml.nvmlDeviceGetName(handle)])),
    )


def _mode(nvml: Any, device: Any) -> Iterator[Fact]:
    for when, mode in zip(("current", "pending"), nvml.nvmlDeviceGetMigMode(device), strict=True):
        yield m.GPU_MIG_MODE, {"when": when}, float(mode == nvml.NVML_DEVICE_MIG_ENABLE)


MIG_MODE = Signal((m.GPU_MIG_MODE,), _mode)
