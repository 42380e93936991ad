"""NVIDIA GPUs as dcgm-exporter's page tells of them, where NVML cannot be asked.

A GPU is its UUID. Where several pods share one, the exporter repeats its values for each: they
count once. Series of MIG instances are passed over, since their sum is not the board. The Xid
field holds the last Xid for ever: a change of it is told as one event, the first sight and a
repetition are not. Let either this page or NVML speak for a GPU, not both: counters of one board
from two sources are two series.

Values were read on a recorded page of a T4 that Datadog completed with dummies: clocks, power,
energy, temperature, utilisation, memory and throttle reasons are real there; ECC, remapped rows
and the tensor pipe were never seen with a value. Their names are DCGM's own, and so are the marks
for "blank".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from collectors._event_counts import EventCounts
from collectors._exposition import Exposition, absent
from collectors._nvml_signals import THROTTLE_REASONS
from collectors._reading import PageCollector
from collectors._words import PageLabels, Word, clean
from vocabulary import metrics as m
from vocabulary.metrics import Kind, Metric
from vocabulary.samples import Labels, Sample, Series, labels_of

_BLANK, _BLANK_DOUBLE = float(0x7FFFFFF0), 140737488355328.0
"""From where up a value is DCGM's mark for "no value" (dcgm_structs.h); the first is for 32 bits,
which an energy in millijoules passes in two hours."""
_XID = "DCGM_FI_DEV_XID_ERRORS"
_MIB = 2.0**20
_TAKE = (("gpu", "UUID"), ("node", "Hostname"))
_WHOLE_GPU = (("GPU_I_ID", ""),)


def _named(page: PageLabels) -> Mapping[str, str] | None:
    """Who a series is about; None when it names no GPU."""
    if not page.get("UUID"):
        return None
    return {ours: clean(page.get(theirs, "")) for ours, theirs in _TAKE}


def _word(
    metric: Metric,
    *fields: str,
    scale: float = 1.0,
    typed: Kind | None = None,
    blank_from: float = _BLANK,
    **fixed: str,
) -> Word:
    names = tuple(f"DCGM_FI_{name}" for name in fields)
    own = tuple(fixed.items())
    plain = Word(metric, names, take=_TAKE, where=_WHOLE_GPU, fixed=own, scale=scale)
    return Word(
        metric,
        names,
        where=_WHOLE_GPU,
        fixed=own,
        label=_named,
        how=max,
        typed=typed,
        scale=scale,
        blank_from=blank_from,
        raw=(plain,),
    )


def _sensed(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """A temperature; boards without the sensor are said to be at 0 degrees."""
    return max(value for _, value in found) or None


def _held_down(bit: int) -> Callable[[Sequence[tuple[PageLabels, float]]], float | None]:
    return lambda found: float(any(int(value) & bit for _, value in found))


def _throttled(reason: str, bit: int) -> Word:
    return Word(
        m.GPU_THROTTLED,
        ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"),
        where=_WHOLE_GPU,
        fixed=(("reason", reason),),
        label=_named,
        whole=_held_down(bit),
        blank_from=_BLANK,
    )


_WORDS = (
    _word(m.GPU_UTILIZATION, "DEV_GPU_UTIL", scale=0.01),
    _word(m.GPU_MEMORY_USAGE, "DEV_FB_USED", scale=_MIB),
    _word(m.GPU_MEMORY_LIMIT, "DEV_FB_TOTAL", scale=_MIB),  # not among the exporter's defaults
    _word(m.GPU_POWER, "DEV_POWER_USAGE"),
    _word(m.GPU_POWER_LIMIT, "DEV_ENFORCED_POWER_LIMIT", "DEV_POWER_MGMT_LIMIT"),
    _word(
        m.GPU_ENERGY, "DEV_TOTAL_ENERGY_CONSUMPTION", scale=0.001, blank_from=_BLANK_DOUBLE
    ),
    _word(m.GPU_TEMPERATURE, "DEV_GPU_TEMP"),
    _word(m.GPU_SM_CLOCK, "DEV_SM_CLOCK", scale=1e6),
    _word(m.GPU_SM_CLOCK_MAX, "DEV_MAX_SM_CLOCK", scale=1e6),
    _word(m.GPU_MEMORY_RESERVED, "DEV_FB_RESERVED", scale=_MIB),
    _word(m.GPU_MEMORY_BUSY, "DEV_MEM_COPY_UTIL", scale=0.01),
    _word(m.GPU_MEMORY_CLOCK, "DEV_MEM_CLOCK", scale=1e6),
    replace(_word(m.GPU_MEMORY_TEMPERATURE, "DEV_MEMORY_TEMP"), whole=_sensed),
    _word(m.GPU_TEMPERATURE_LIMIT, "DEV_SLOWDOWN_TEMP", threshold="slowdown"),
    _word(m.GPU_TEMPERATURE_LIMIT, "DEV_SHUTDOWN_TEMP", threshold="shutdown"),
    _word(m.GPU_CODEC_UTILIZATION, "DEV_ENC_UTIL", scale=0.01, task="encoder"),
    _word(m.GPU_CODEC_UTILIZATION, "DEV_DEC_UTIL", scale=0.01, task="decoder"),
    _word(m.GPU_PCIE_ERRORS, "DEV_PCIE_REPLAY_COUNTER", error_type="replay"),
    _word(m.GPU_SM_ACTIVE, "PROF_SM_ACTIVE"),
    _word(m.GPU_SM_OCCUPANCY, "PROF_SM_OCCUPANCY"),
    _word(m.GPU_TENSOR_ACTIVE, "PROF_PIPE_TENSOR_ACTIVE"),
    _word(m.GPU_DRAM_ACTIVE, "PROF_DRAM_ACTIVE"),
    _word(m.GPU_ERRORS, "DEV_ECC_SBE_VOL_TOTAL", error_type="corrected"),
    _word(m.GPU_ERRORS, "DEV_ECC_DBE_VOL_TOTAL", error_type="uncorrected"),
    _word(m.GPU_REMAPPED_ROWS, "DEV_CORRECTABLE_REMAPPED_ROWS", typed=Kind.COUNTER,
          error_type="corrected"),
    _word(m.GPU_REMAPPED_ROWS, "DEV_UNCORRECTABLE_REMAPPED_ROWS", typed=Kind.COUNTER,
          error_type="uncorrected"),
    _word(m.GPU_REMAPPED_ROWS, "DEV_ROW_REMAP_FAILURE", error_type="failure"),
    *(_throttled(reason, bit) for reason, bit in THROTTLE_REASONS.items()),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dcgm(PageCollector):
    """dcgm-exporter's page: every GPU of one node."""

    _last: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _seen: dict[str, EventCounts[int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    engine: ClassVar[str] = ""
    vantage: ClassVar[str] = "device"
    marks: ClassVar[tuple[str, ...]] = ("DCGM_FI_",)
    model_labels: ClassVar[tuple[str, ...]] = ()
    produces: ClassVar[tuple[Metric, ...]] = (
        *{word.metric: None for word in _WORDS},
        m.GPU_XID_EVENTS,
    )

    def words(self) -> Iterable[Word]:
        return _WORDS

    def translate(self, exposition: Exposition, identity: Labels, now: float) -> list[Sample]:
        said = PageCollector.translate(self, exposition, identity, now)
        return [*said, *self._xids(exposition, identity, now)]

    def _xids(self, exposition: Exposition, identity: Labels, now: float) -> Iterable[Sample]:
        """Xids that were seen to come, by GPU: a lower bound, as far as a sticky field can tell."""
        shown: dict[str, tuple[int, Mapping[str, str]]] = {}
        for row, value in zip(exposition.layout.rows, exposition.values, strict=True):
            own = _named(dict(row.labels)) if row.name == _XID else None
            if own is not None and not absent(value) and value < _BLANK:
                shown[own["gpu"]] = (int(value), own)
        for gpu, (xid, own) in shown.items():
            times = self._seen.setdefault(gpu, EventCounts())
            if xid and self._last.get(gpu, xid) != xid:
                times.add([xid])
            self._last[gpu] = xid
            for code, count in times.told():
                about = labels_of(
                    {
                        **own,
                        "vantage": self.vantage,
                        "xid": str(code),
                        "source": "dcgm",
                        **dict(identity),
                    }
                )
                yield Sample(Series(m.GPU_XID_EVENTS.name, about), count, now)
