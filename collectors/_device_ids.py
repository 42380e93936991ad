"""Which GPU a device id of a Kubernetes device plugin means. Pure text; NVML settles the rest."""

import re
from dataclasses import dataclass

_SHARED = re.compile(r"(.+)::(\d+)")
"""A slot of a time-sliced or MPS-shared device (NVIDIA k8s-device-plugin)."""
_GKE_SLOT = re.compile(r"(.+)/vgpu\d+")
"""The same of GKE's plugin."""
_HEX = "[0-9a-fA-F]"
_UUID = rf"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_GPU = re.compile(rf"(GPU|MIG)-{_UUID}|MIG-GPU-{_UUID}/\d+/\d+")
"""As NVML spells uuids of GPUs and MIG devices; the last is how drivers before 470 did."""
_GKE = re.compile(r"nvidia(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Device:
    """What a device id says. At most one field is set; none where the id is opaque."""

    gpu: str = ""
    """UUID of the GPU or MIG device."""
    minor: int | None = None
    """Minor number of the GPU: N of /dev/nvidiaN."""


def parse_device_id(text: str) -> Device:
    """The device that *text* means, its slot among sharers left off."""
    for slot in (_SHARED, _GKE_SLOT):
        if found := slot.fullmatch(text):
            text = found[1]
    if _GPU.fullmatch(text):
        return Device(gpu=text)
    if found := _GKE.fullmatch(text):
        return Device(minor=int(found[1]))
    return Device()
