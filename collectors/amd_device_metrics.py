"""AMD GPUs as ROCm's device-metrics-exporter tells of them: `:5000/metrics`.

A GPU is its UUID; a series that names none is passed over (the exporter's configuration has to keep
that label). Of a partitioned board the largest value is taken.

Proven on the project's own excerpt: utilisation, power and total memory under the names of 2024,
where a megabyte is a million bytes (68,702 of them are the 64 GiB of an MI210). Under today's names
it is taken for a mebibyte. Those names, the unit of energy and every type are from the
documentation alone; no page of a running exporter was recorded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import PageLabels, Word, clean
from vocabulary import metrics as m
from vocabulary.metrics import Kind, Metric

_MIB = 2.0**20


def _named(page: PageLabels) -> Mapping[str, str] | None:
    """Who a series is about; None when it names no GPU."""
    gpu = page.get("GPU_UUID") or page.get("gpu_uuid", "")
    if not gpu:
        return None
    return {"gpu": clean(gpu), "node": clean(page.get("hostname", ""))}


def _word(
    metric: Metric,
    *names: str,
    scale: float = 1.0,
    typed: Kind | None = None,
    **fixed: str,
) -> Word:
    return Word(
        metric,
        names,
        fixed=tuple(fixed.items()),
        label=_named,
        how=max,
        typed=typed,
        scale=scale,
    )


_WORDS = (
    _word(m.GPU_UTILIZATION, "gpu_gfx_activity", "gpu_usage", scale=0.01),
    _word(m.GPU_MEMORY_BUSY, "gpu_umc_activity", scale=0.01),
    _word(m.GPU_MEMORY_USAGE, "gpu_used_vram", scale=_MIB),
    _word(m.GPU_MEMORY_LIMIT, "gpu_total_vram", scale=_MIB),
    _word(m.GPU_MEMORY_LIMIT, "gpu_total_memory", scale=1e6),
    _word(m.GPU_POWER, "gpu_package_power", "gpu_average_package_power", "gpu_power_usage"),
    _word(m.GPU_ENERGY, "gpu_energy_consumed", scale=1e-6, typed=Kind.GAUGE),
    _word(m.GPU_TEMPERATURE, "gpu_junction_temperature", "gpu_edge_temperature"),
    _word(m.GPU_ERRORS, "gpu_ecc_correct_total", typed=Kind.GAUGE, error_type="corrected"),
    _word(m.GPU_ERRORS, "gpu_ecc_uncorrect_total", typed=Kind.GAUGE, error_type="uncorrected"),
)


@dataclass(frozen=True, slots=True)
class AmdDeviceMetrics(PageCollector):
    """The page of ROCm's device-metrics-exporter: every GPU of one node."""

    engine: ClassVar[str] = ""
    vantage: ClassVar[str] = "device"
    marks: ClassVar[tuple[str, ...]] = (
        "gpu_gfx_activity",
        "gpu_umc_activity",
        "gpu_usage",
        "gpu_used_vram",
        "gpu_total_vram",
        "gpu_total_memory",
        "gpu_package_power",
        "gpu_average_package_power",
        "gpu_power_usage",
        "gpu_energy_consumed",
        "gpu_junction_temperature",
        "gpu_edge_temperature",
        "gpu_ecc_",
        "gpu_nodes_total",
    )
    model_labels: ClassVar[tuple[str, ...]] = ()
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
