"""Which signals the live engine follows, and which kind of figure each is.

Two families must agree before behaviour counts as unusual: signals of one family move together
because they measure one thing.
"""

from dataclasses import dataclass

from fleet import identity
from vocabulary import signals as s
from vocabulary.entities import Entity
from vocabulary.expressions import Signal

FAMILIES = ("traffic", "latency", "saturation", "errors", "work", "heat")


@dataclass(frozen=True, slots=True)
class Followed:
    """One signal and its family."""

    signal: Signal
    family: int
    """Index into FAMILIES."""


def _of(family: str, *signals: Signal) -> tuple[Followed, ...]:
    return tuple(Followed(one, FAMILIES.index(family)) for one in signals)


FOLLOWED = (
    *_of("traffic", s.FINISHED_RATE, s.INPUT_TOKEN_RATE, s.OUTPUT_TOKEN_RATE),
    *_of("latency", s.TTFT_MEAN, s.ITL_MEAN, s.QUEUE_MEAN),
    *_of("saturation", s.RUNNING, s.WAITING, s.KV_USAGE, s.PREEMPTION_RATE),
    *_of("errors", s.FAILED_RATE),
    *_of("work", s.GPU_UTILIZATION, s.GPU_POWER),
    *_of("heat", s.GPU_TEMPERATURE, s.GPU_SM_CLOCK),
)
"""A series' kin are those of the same signal."""
BY_SIGNAL = {one.signal.name: index for index, one in enumerate(FOLLOWED)}


def entity_of(labels: dict[str, str]) -> Entity | None:
    """Whom a row is about; None for rows about nobody we know."""
    if labels.get("replica"):
        return identity.replica(labels["replica"])
    return identity.gpu(labels["gpu"]) if labels.get("gpu") else None
