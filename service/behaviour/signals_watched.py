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
    least: float
    """A movement of this much, in the signal's unit, is nothing: clocks step by 15 MHz, and a
    queue of one is no queue. Our judgement."""


def _of(family: str, *signals: tuple[Signal, float]) -> tuple[Followed, ...]:
    return tuple(Followed(one, FAMILIES.index(family), least) for one, least in signals)


FOLLOWED = (
    *_of("traffic", (s.FINISHED_RATE, 0.1), (s.INPUT_TOKEN_RATE, 50.0),
         (s.OUTPUT_TOKEN_RATE, 10.0)),
    *_of("latency", (s.TTFT_MEAN, 0.02), (s.ITL_MEAN, 0.001), (s.QUEUE_MEAN, 0.05)),
    *_of("saturation", (s.RUNNING, 1.0), (s.WAITING, 2.0), (s.KV_USAGE, 0.02),
         (s.PREEMPTION_RATE, 0.02)),
    *_of("errors", (s.FAILED_RATE, 0.02)),
    *_of("work", (s.GPU_UTILIZATION, 0.05), (s.GPU_POWER, 10.0)),
    *_of("heat", (s.GPU_TEMPERATURE, 2.0), (s.GPU_SM_CLOCK, 5e7)),
)  # fmt: skip
"""A series' kin are those of the same signal."""
BY_SIGNAL = {one.signal.name: index for index, one in enumerate(FOLLOWED)}


def entity_of(labels: dict[str, str]) -> Entity | None:
    """Whom a row is about; None for rows about nobody we know."""
    if labels.get("replica"):
        return identity.replica(labels["replica"])
    return identity.gpu(labels["gpu"]) if labels.get("gpu") else None
