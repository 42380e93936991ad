"""How well a device's memories are: errors, remapped rows, retired pages, and what is left."""

from collections.abc import Iterator
from ctypes import byref
from typing import Any

from collectors._nvml_calls import Fact, Signal
from vocabulary import metrics as m


def _errors(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Since the driver was loaded; only on boards with ECC."""
    for kind, count in _ecc(nvml, handle, nvml.NVML_VOLATILE_ECC):
        yield m.GPU_ERRORS, {"error_type": kind}, count


def _errors_lifetime(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Over the board's life, as its InfoROM keeps them."""
    for kind, count in _ecc(nvml, handle, nvml.NVML_AGGREGATE_ECC):
        yield m.GPU_ERRORS_LIFETIME, {"error_type": kind}, count


def _ecc(nvml: Any, handle: Any, since: int) -> Iterator[tuple[str, float]]:
    for name, kind in (
        ("corrected", nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
        ("uncorrected", nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
    ):
        yield name, float(nvml.nvmlDeviceGetTotalEccErrors(handle, kind, since))


def _sram(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Ampere and later; past the threshold NVIDIA asks for a new board."""
    status = nvml.c_nvmlEccSramErrorStatus_v1_t()
    status.version = nvml.nvmlEccSramErrorStatus_v1
    nvml.nvmlDeviceGetSramEccErrorStatus(handle, byref(status))
    for name, count in (
        ("corrected", status.aggregateCor),
        ("uncorrected_parity", status.aggregateUncParity),
        ("uncorrected_sec_ded", status.aggregateUncSecDed),
    ):
        yield m.GPU_SRAM_ERRORS, {"error_type": name}, float(count)
    yield m.GPU_SRAM_THRESHOLD, {}, float(bool(status.bThresholdExceeded))


def _remapped_rows(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Ampere and later; `pending` waits for a reset, `failure` for a new board."""
    names = ("corrected", "uncorrected", "pending", "failure")
    for name, value in zip(names, nvml.nvmlDeviceGetRemappedRows(handle), strict=True):
        yield m.GPU_REMAPPED_ROWS, {"error_type": name}, float(value)


def _remapper_banks(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Ampere and later; a bank with no spare row left fails at its next bad row."""
    banks = nvml.nvmlDeviceGetRowRemapperHistogram(handle)
    for spare in ("max", "high", "partial", "low", "none"):
        yield m.GPU_REMAPPER_BANKS, {"spare": spare}, float(getattr(banks, spare))


def _retired_pages(nvml: Any, handle: Any) -> Iterator[Fact]:
    """Before Ampere; boards since then remap rows and refuse this call."""
    for cause, number in (
        ("single_bit", nvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS),
        ("double_bit", nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR),
    ):
        pages = nvml.nvmlDeviceGetRetiredPages(handle, number)
        yield m.GPU_RETIRED_PAGES, {"cause": cause}, float(len(pages))
    waiting = nvml.nvmlDeviceGetRetiredPagesPendingStatus(handle)
    yield m.GPU_RETIRED_PAGES, {"cause": "pending"}, float(bool(waiting))


MEMORY_HEALTH = (
    Signal((m.GPU_ERRORS,), _errors),
    Signal((m.GPU_ERRORS_LIFETIME,), _errors_lifetime),
    Signal((m.GPU_SRAM_ERRORS, m.GPU_SRAM_THRESHOLD), _sram),
    Signal((m.GPU_REMAPPED_ROWS,), _remapped_rows),
    Signal((m.GPU_REMAPPER_BANKS,), _remapper_banks),
    Signal((m.GPU_RETIRED_PAGES,), _retired_pages),
)
