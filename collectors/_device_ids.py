"""Which GPU a device id of a device plugin or resource driver means. Pure text; NVML settles it."""

import re
from dataclasses import dataclass, replace

_SLOT = re.compile(r"(.+)::([0-9]+)")
"""A slot of a time-sliced or MPS-shared device (NVIDIA k8s-device-plugin)."""
_GKE_SLOT = re.compile(r"(.+)/vgpu[0-9]+")
"""The same of GKE's plugin."""
_HEX = "[0-9a-fA-F]"
_UUID = rf"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_GPU = re.compile(rf"(GPU|MIG)-{_UUID}")
_OLD_MIG = re.compile(rf"MIG-(GPU-{_UUID})/([0-9]{{1,4}})/([0-9]{{1,4}})")
"""As NVML spelt MIG devices before driver 470: GPU, GPU instance, compute instance."""
_GKE = re.compile(r"nvidia([0-9]{1,4})(?:/gi([0-9]{1,4}))?")
_CLAIMED_GPU = re.compile(r"gpu-([0-9]{1,4})")
_DYNAMIC_MIG = re.compile(
    r"gpu-([0-9]{1,4})-mig-(?:([0-9]c)-?)?([0-9]g)([0-9]+gb)[a-z0-9-]*?-([0-9]+)-([0-9]+)"
)
"""`gpu-<minor>-mig-<profile without dots>-<profile id>-<placement>` (NVIDIA k8s-dra-driver-gpu)."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a device id says; nothing is set where the id is opaque."""

    gpu: str = ""
    """UUID of the GPU or MIG device."""
    parent: str = ""
    """UUID of the GPU that a MIG device is a part of."""
    minor: int | None = None
    """Minor number of the GPU: N of /dev/nvidiaN."""
    gpu_instance: int | None = None
    compute_instance: int | None = None
    profile: str = ""
    """MIG profile: `1g.10gb`."""
    placement: int | None = None
    """First memory slice of the instance."""
    slot: bool = False
    """It is one slot among sharers."""


def parse_device_id(text: str) -> Device:
    """The device that *text*, a device plugin's id, means."""
    for pattern in (_SLOT, _GKE_SLOT):
        if found := pattern.fullmatch(text):
            return replace(_whole(found[1]), slot=True)
    return _whole(text)


def _whole(text: str) -> Device:
    if _GPU.fullmatch(text):
        return Device(gpu=text)
    if found := _OLD_MIG.fullmatch(text):
        return Device(text, found[1], None, int(found[2]), int(found[3]))
    if found := _GKE.fullmatch(text):
        return Device(minor=int(found[1]), gpu_instance=int(found[2]) if found[2] else None)
    return Device()


def parse_claimed_name(text: str) -> Device:
    """The device that *text*, a name in NVIDIA's resource slices, means."""
    if found := _CLAIMED_GPU.fullmatch(text):
        return Device(minor=int(found[1]))
    if found := _DYNAMIC_MIG.fullmatch(text):
        minor, compute, size, memory, _, placement = found.groups()
        profile = ".".join(part for part in (compute, size, memory) if part)
        return Device(minor=int(minor), profile=profile, placement=int(placement))
    return Device()


def uuid_of(text: str) -> str:
    """A uuid as NVML spells it; newer resource drivers write it in lower case."""
    kind, dash, rest = text.partition("-")
    return f"{kind.upper()}-{rest}" if dash and kind.lower() in {"gpu", "mig"} else text
