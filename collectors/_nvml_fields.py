"""What NVML keeps in numbered fields: time throttled, bytes and errors of its links, advice.

Each group is asked by itself, and each field of it may be missing alone. Numbers and units are
those of NVIDIA's public nvml.h; names are nvidia-ml-py's without `NVML_FI_DEV_`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collectors._nvml_calls import Fact, Signal
from vocabulary import metrics as m
from vocabulary.metrics import Metric

RECOVERY_ACTIONS = {
    0: "none",
    1: "gpu_reset",
    2: "node_reboot",
    3: "drain_p2p",
    4: "drain_and_reset",
    5: "recover_imex_domain",
    6: "bus_reset",
    7: "system_reboot",
}
"""Values of nvmlDeviceGpuRecoveryAction_t (nvml.h, API 13); newer ones become `unknown_8`, …
Anything but `none` asks for something to be done, the unknown ones too."""

_ALL_LINKS = 0xFFFFFFFF
"""The scope in which NVLink fields are totals over all links of a device."""
_NOT_AVAILABLE = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})
"""NVML_VALUE_NOT_AVAILABLE (-1) as an unsigned number of either width."""
_MEMBERS = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}
"""nvmlValueType_t → which member of the union holds the value."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """Fields that become one metric, told apart by one label."""

    metric: Metric
    label: str
    names: dict[str, str]
    """Label value → name of the field."""
    scale: float = 1.0
    """Of the field's unit in the metric's."""
    scope: int = 0

    def __call__(self, nvml: Any, handle: Any) -> Iterator[Fact]:
        for name, value in _values(nvml, handle, self.names, self.scope):
            own = {self.label: name} if self.label else {}
            yield self.metric, own, value * self.scale

    @property
    def signal(self) -> Signal:
        """These fields as a signal of the device."""
        return Signal((self.metric,), self)


def _values(
    nvml: Any, handle: Any, names: dict[str, str], scope: int
) -> Iterator[tuple[str, float]]:
    """Those of the fields that the package knows and the device answers."""
    numbers = {
        name: number
        for name, field in names.items()
        if (number := getattr(nvml, f"NVML_FI_DEV_{field}", None)) is not None
    }
    wanted = [(number, scope) for number in numbers.values()]
    for name, answer in zip(numbers, nvml.nvmlDeviceGetFieldValues(handle, wanted), strict=True):
        member = _MEMBERS.get(answer.valueType)
        if answer.nvmlReturn != nvml.NVML_SUCCESS or member is None:
            continue
        value = getattr(answer.value, member)
        if value not in _NOT_AVAILABLE:
            yield name, float(value)


def _recovery_action(nvml: Any, handle: Any) -> Iterator[Fact]:
    for _, value in _values(nvml, handle, {"": "GET_GPU_RECOVERY_ACTION"}, 0):
        action = RECOVERY_ACTIONS.get(int(value), f"unknown_{int(value)}")
        yield m.GPU_RECOVERY_ACTION, {"action": action}, 1.0


def _nvlink_io(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Bytes over all links: the data of NVLink up to 4, else the counters of NVLink 5."""
    facts = list(_NVLINK_DATA(nvml, handle))
    yield from facts or _NVLINK_5_BYTES(nvml, handle)


_NANOSECONDS = 1e-9
_KIBIBYTES = 1024.0

_POLICIES = {
    "sw_power_cap": "PERF_POLICY_POWER",
    "thermal": "PERF_POLICY_THERMAL",
    "board_limit": "PERF_POLICY_BOARD_LIMIT",
    "reliability": "PERF_POLICY_RELIABILITY",
}
"""Every driver of today; `thermal` is software's and hardware's together."""
_SLOWDOWNS = {
    "sw_thermal": "CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN",
    "hw_thermal": "CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN",
    "hw_power_brake": "CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN",
}
_PCIE = {
    "correctable": "PCIE_COUNT_CORRECTABLE_ERRORS",
    "nak_received": "PCIE_COUNT_NAKS_RECEIVED",
    "receiver": "PCIE_COUNT_RECEIVER_ERROR",
    "bad_tlp": "PCIE_COUNT_BAD_TLP",
    "nak_sent": "PCIE_COUNT_NAKS_SENT",
    "bad_dllp": "PCIE_COUNT_BAD_DLLP",
    "non_fatal": "PCIE_COUNT_NON_FATAL_ERROR",
    "fatal": "PCIE_COUNT_FATAL_ERROR",
    "unsupported_request": "PCIE_COUNT_UNSUPPORTED_REQ",
    "lcrc": "PCIE_COUNT_LCRC_ERROR",
    "lane": "PCIE_COUNT_LANE_ERROR",
}
_NVLINK = {
    "crc_flit": "NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
    "crc_data": "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
    "replay": "NVLINK_REPLAY_ERROR_COUNT_TOTAL",
    "recovery": "NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
}
"""Up to NVLink 4 (Hopper)."""
_NVLINK_5 = {
    "malformed_packet": "NVLINK_COUNT_MALFORMED_PACKET_ERRORS",
    "buffer_overrun": "NVLINK_COUNT_BUFFER_OVERRUN_ERRORS",
    "receive": "NVLINK_COUNT_RCV_ERRORS",
    "receive_remote": "NVLINK_COUNT_RCV_REMOTE_ERRORS",
    "link_integrity": "NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS",
    "link_recovered": "NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS",
    "link_recovery_failed": "NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS",
    "effective": "NVLINK_COUNT_EFFECTIVE_ERRORS",
    "symbol": "NVLINK_COUNT_SYMBOL_ERRORS",
}
"""NVLink 5 (Blackwell); `symbol` counts what error correction has mended, and is seldom 0."""

_NVLINK_DATA = _Fields(
    m.GPU_NVLINK_IO,
    "direction",
    {"transmit": "NVLINK_THROUGHPUT_DATA_TX", "receive": "NVLINK_THROUGHPUT_DATA_RX"},
    _KIBIBYTES,
    _ALL_LINKS,
)
_NVLINK_5_BYTES = _Fields(
    m.GPU_NVLINK_IO,
    "direction",
    {"transmit": "NVLINK_COUNT_XMIT_BYTES", "receive": "NVLINK_COUNT_RCV_BYTES"},
    scope=_ALL_LINKS,
)

FIELD_SIGNALS = (
    Signal((m.GPU_RECOVERY_ACTION,), _recovery_action),
    _Fields(m.GPU_THROTTLED_TIME, "reason", _POLICIES, _NANOSECONDS).signal,
    _Fields(m.GPU_THROTTLED_TIME, "reason", _SLOWDOWNS, _NANOSECONDS).signal,
    _Fields(m.GPU_MEMORY_TEMPERATURE, "", {"": "MEMORY_TEMP"}).signal,
    _Fields(
        m.GPU_POWER_READING,
        "window",
        {"average": "POWER_AVERAGE", "instant": "POWER_INSTANT"},
        1e-3,
    ).signal,
    _Fields(m.GPU_PCIE_ERRORS, "error_type", _PCIE).signal,
    _Fields(
        m.GPU_IO,
        "direction",
        {"transmit": "PCIE_COUNT_TX_BYTES", "receive": "PCIE_COUNT_RX_BYTES"},
    ).signal,
    _Fields(m.GPU_NVLINK_ERRORS, "error_type", _NVLINK).signal,
    _Fields(m.GPU_NVLINK_ERRORS, "error_type", _NVLINK_5, scope=_ALL_LINKS).signal,
    Signal((m.GPU_NVLINK_IO,), _nvlink_io),
)
