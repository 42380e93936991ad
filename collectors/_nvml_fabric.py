"""Whether a GPU's NVLinks are up, whether it has joined its fabric, and what ails the fabric."""

from collections.abc import Iterator
from ctypes import byref
from functools import partial
from typing import Any

from collectors._nvml_calls import Fact, Signal, ask
from vocabulary import metrics as m

_STATES = {1: "not_started", 2: "in_progress", 3: "completed"}
"""nvmlGpuFabricState_t (nvml.h); 0 says that there is no fabric, and so nothing."""
_FAULTS = {
    "degraded_bandwidth": 0,
    "route_recovery": 2,
    "route_unhealthy": 4,
    "access_timeout_recovery": 6,
}
"""Fault → its lowest bit of two in the health mask; 1 is true, 2 false, 0 unknown (nvml.h)."""
_TRUE, _FALSE = 1, 2
_CONFIGURATION = 8
"""Lowest bit of the four that tell what is wrong with the configuration; 1 is nothing."""
_NOTHING_WRONG = 1


def _fabric(nvml: Any, handle: Any) -> Iterator[Fact]:
    info = nvml.c_nvmlGpuFabricInfoV_t()
    nvml.nvmlDeviceGetGpuFabricInfoV(handle, byref(info))
    if info.state == nvml.NVML_GPU_FABRIC_STATE_NOT_SUPPORTED:
        return
    state = _STATES.get(info.state, f"unknown_{info.state}")
    if state == "completed" and info.status != nvml.NVML_SUCCESS:
        state = "failed"  # probing has come to its end, and to no good one
    yield m.GPU_FABRIC_STATE, {"state": state}, 1.0
    for fault, shift in _FAULTS.items():
        told = info.healthMask >> shift & 0x3
        if told in {_TRUE, _FALSE}:
            yield m.GPU_FABRIC_FAULT, {"fault": fault}, float(told == _TRUE)
    told = info.healthMask >> _CONFIGURATION & 0xF
    if told:
        wrong = float(told != _NOTHING_WRONG)
        yield m.GPU_FABRIC_FAULT, {"fault": "incorrect_configuration"}, wrong


def _links(nvml: Any, handle: Any) -> Iterator[Fact]:
    """How many links are up and down; a GPU without NVLink has none of either.

    Which link carries nothing by design the driver does not tell: a board that uses twelve of
    eighteen links shows six as down from its first day. Whoever judges looks for a change.
    """
    found = {"up": 0, "down": 0}
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        for active in ask(nvml, partial(_link, nvml, handle, link)):
            found["up" if active == nvml.NVML_FEATURE_ENABLED else "down"] += 1
    if sum(found.values()):
        for state, count in found.items():
            yield m.GPU_NVLINKS, {"state": state}, float(count)


def _link(nvml: Any, handle: Any, link: int) -> Iterator[int]:
    yield int(nvml.nvmlDeviceGetNvLinkState(handle, link))


LINKS = Signal((m.GPU_NVLINKS,), _links)
FABRIC = Signal((m.GPU_FABRIC_STATE, m.GPU_FABRIC_FAULT), _fabric)
