"""Which GPUs and MIG instances there are, so that ids which are no uuid can be told."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from collectors._device_ids import Device
from collectors._nvml_calls import ask
from collectors._nvml_mig import instances
from vocabulary.errors import SourceLost


@dataclass(frozen=True, slots=True)
class Slice:
    """One MIG instance."""

    uuid: str
    parent: str
    gpu_instance: int
    compute_instance: int
    product: str
    """Ends in its profile: `… MIG 1g.10gb`."""
    placement: int | None
    """First memory slice; None where the driver tells it to privileged users only."""


@dataclass(frozen=True, slots=True)
class Layout:
    """This node's devices at one moment."""

    minors: dict[int, str]
    """UUID by minor number."""
    indices: dict[int, str]
    slices: tuple[Slice, ...]

    def uuid(self, device: Device) -> str:
        """UUID of *device*; empty where it cannot be told for certain."""
        parent = device.parent
        if device.minor is not None:
            parent = self.minors.get(device.minor, "")
        if device.gpu_instance is None and not device.profile:
            return device.gpu or parent
        fitting = [one for one in self.slices if one.parent == parent and _fits(one, device)]
        if len(fitting) == 1 or (fitting and not device.profile):
            return fitting[0].uuid
        return ""

    def numbered(self, number: int) -> str:
        """UUID of GPU *number*, where minor number and index agree on it."""
        found = self.minors.get(number, "")
        return found if found == self.indices.get(number) else ""


def read_layout(nvml: Any) -> Layout:
    """Ask the driver.

    Raises:
        Exception: Of NVML: there is no driver.
    """
    nvml.nvmlInit()
    minors: dict[int, str] = {}
    indices: dict[int, str] = {}
    slices: list[Slice] = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            for minor, uuid, found in ask(nvml, partial(_device, nvml, index)):
                indices[index] = uuid
                minors.update({} if minor is None else {minor: uuid})
                slices += found
        except SourceLost:
            continue
    return Layout(minors, indices, tuple(slices))


def _device(nvml: Any, index: int) -> Iterator[tuple[int | None, str, list[Slice]]]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid = str(nvml.nvmlDeviceGetUUID(handle))
    minors = ask(nvml, lambda: [int(nvml.nvmlDeviceGetMinorNumber(handle))])
    found = [
        Slice(
            one.uuid, uuid, one.gpu_instance, one.compute_instance, one.product,
            next(iter(ask(nvml, partial(_placement, nvml, handle, one.gpu_instance))), None),
        )
        for one in instances(nvml, handle)
    ]  # fmt: skip
    yield (minors[0] if minors else None), uuid, found


def _placement(nvml: Any, device: Any, gpu_instance: int) -> Iterator[int]:
    instance = nvml.nvmlDeviceGetGpuInstanceById(device, gpu_instance)
    yield int(nvml.nvmlGpuInstanceGetInfo(instance).placement.start)


def _fits(one: Slice, device: Device) -> bool:
    """Unknown fits anything: whether that leaves one instance alone is the caller's to see."""
    wanted = (
        (device.gpu_instance, one.gpu_instance),
        (device.compute_instance, one.compute_instance),
        (device.placement, one.placement),
    )
    profile = one.product.rpartition("MIG ")[2].split("+")[0]
    return (not device.profile or profile == device.profile) and all(
        told is None or seen is None or told == seen for told, seen in wanted
    )
