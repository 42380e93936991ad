"""GPU performance monitoring (GPM): how busy SMs, tensor pipes and memory were, Hopper and later.

GPM tells the mean between two samples. The earlier one is kept from the round before, so that no
round has to wait; the first round of a device therefore says nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from collectors._nvml_calls import Fact, ask
from vocabulary import metrics as m

GPM_METRICS = {
    2: m.GPU_SM_ACTIVE,
    3: m.GPU_SM_OCCUPANCY,
    5: m.GPU_TENSOR_ACTIVE,
    10: m.GPU_DRAM_ACTIVE,
}
"""nvmlGpmMetricId_t (nvml.h) → our word; all are percentages."""

_LEAST_SECONDS = 0.1
"""Samples nearer to each other give noise (nvml.h asks for 100 ms)."""
_MOST_SECONDS = 120.0
"""An earlier sample than this tells of a past that nobody asked for; our judgement."""


@dataclass(slots=True)
class Gpm:
    """The earlier sample of one device or MIG instance."""

    _earlier: Any = None
    _at: float = 0.0

    def read(
        self, nvml: Any, device: Any, take: Callable[[Any], object], now: float
    ) -> Iterator[Fact]:
        """Means since the round before.

        Args:
            nvml: The module.
            device: Handle of the whole device, which says whether there is GPM.
            take: Fills a sample, of the device or of an instance.
            now: Seconds of a clock that may be set back.
        """
        if self._earlier is not None and 0.0 <= now - self._at < _LEAST_SECONDS:
            return
        if not nvml.nvmlGpmQueryDeviceSupport(device).isSupportedDevice:
            return
        earlier, since = self._earlier, now - self._at
        later = nvml.nvmlGpmSampleAlloc()
        try:
            take(later)
        except nvml.NVMLError:
            nvml.nvmlGpmSampleFree(later)
            raise
        self._earlier, self._at = later, now
        if earlier is None:
            return
        try:
            if 0.0 < since <= _MOST_SECONDS:
                yield from _means(nvml, earlier, later)
        finally:
            nvml.nvmlGpmSampleFree(earlier)

    def free(self, nvml: Any) -> None:
        """Give the sample back, when its instance is no more."""
        sample, self._earlier = self._earlier, None
        if sample is not None:
            ask(nvml, lambda: [nvml.nvmlGpmSampleFree(sample)])


def _means(nvml: Any, earlier: Any, later: Any) -> Iterator[Fact]:
    wanted = nvml.c_nvmlGpmMetricsGet_t()
    wanted.version = nvml.NVML_GPM_METRICS_GET_VERSION
    wanted.numMetrics = len(GPM_METRICS)
    wanted.sample1, wanted.sample2 = earlier, later
    for place, number in enumerate(GPM_METRICS):
        wanted.metrics[place].metricId = number
    nvml.nvmlGpmMetricsGet(wanted)
    for place, metric in enumerate(GPM_METRICS.values()):
        answer = wanted.metrics[place]
        # NaN fails the comparison too; a reset between the samples may give anything
        if answer.nvmlReturn == nvml.NVML_SUCCESS and 0.0 <= answer.value <= 100.0:
            yield metric, {}, answer.value / 100
