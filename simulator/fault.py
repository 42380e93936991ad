"""The contract of faults and benign look-alikes: what they do to parameters, and the truth.

A fault changes parameters of the model (a step time, a clock, a retry policy), never a figure on a
page, so that everything that hangs together moves together.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from simulator.traffic import Bend
from simulator.victims import pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.samples import Array

if TYPE_CHECKING:
    from simulator.world import World

_RANGE = "range"
_OPTIONS = "options"


def sampled(low: float, high: float, default: float) -> Any:
    """A parameter that drills draw evenly between *low* and *high*, and that is *default* else."""
    return dataclasses.field(default=default, metadata={_RANGE: (low, high)})


def log_sampled(low: float, high: float, default: float) -> Any:
    """As `sampled`, drawn evenly on a logarithmic scale."""
    return dataclasses.field(default=default, metadata={_RANGE: (low, high), "log": True})


def chosen(*options: str, default: str) -> Any:
    """A parameter that drills choose from *options*, and that is *default* else."""
    return dataclasses.field(default=default, metadata={_OPTIONS: options})


def options_of(field: "dataclasses.Field[Any]") -> tuple[str, ...]:
    """What drills choose this parameter from; nothing for the others."""
    return tuple(field.metadata.get(_OPTIONS, ()))


def range_of(field: "dataclasses.Field[Any]") -> tuple[float, float] | None:
    """What drills draw this parameter between; None for the others."""
    return field.metadata.get(_RANGE)


class Fault(ABC):
    """One thing that goes wrong, or only looks so, with its parameters as fields.

    Subclasses are frozen dataclasses with a field `duration` in seconds.
    """

    failure_mode: ClassVar[FailureMode]
    benign: ClassVar[bool] = False
    """True for look-alikes: nobody must be paged."""
    detect_within: ClassVar[float] = 0.0
    """Seconds after onset in which it should be found; nothing to find when benign."""
    severity: ClassVar[Severity] = Severity.WARNING
    """How loud an honest incident of it may be at most: critical pages, warning is a ticket."""
    first_cards: ClassVar[tuple[str, ...]] = ()
    """Action cards that a seasoned on-call engineer would take first; any of them is right."""
    history_days: ClassVar[float] = 1.0
    """Days of calm past that telling it from normal needs."""
    from_the_past: ClassVar[bool] = False
    """Whether it began long before the world does: history shows it (`earlier`), and it is there
    from the first second."""
    only_on: ClassVar[str] = ""
    """Name of the only cluster that has what it is about; empty for what happens anywhere."""
    also_on: ClassVar[tuple[str, ...]] = ()
    """Others that have it too, for who asks for one of them."""
    needs: ClassVar[str] = ""
    """Field of a pool's specification, or of its nodes', without which nothing would happen."""
    without_replicas: ClassVar[bool] = False
    """Whether it can happen behind a route that a provider serves, to no replica of ours."""
    unsimulated: ClassVar[str] = ""
    """Why its effect cannot be simulated honestly; it is then left out of every score."""
    duration: float

    @property
    def code(self) -> str:
        """The catalogue's number: `F01`, `B09`."""
        return self.failure_mode.code

    @classmethod
    def draw(cls, rng: np.random.Generator, **fixed: object) -> Self:
        """One with every sampled parameter drawn from its range and *fixed* ones as given."""
        values: dict[str, Any] = dict(fixed)
        for one in dataclasses.fields(cls):  # type: ignore[arg-type]
            if _RANGE in one.metadata and one.name not in values:
                low, high = one.metadata[_RANGE]
                if one.metadata.get("log"):
                    value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
                else:
                    value = float(rng.uniform(low, high))
                values[one.name] = round(value) if one.type in (int, "int") else value
            elif _OPTIONS in one.metadata and one.name not in values:
                values[one.name] = str(rng.choice(one.metadata[_OPTIONS]))
        return cls(**values)

    def aim(self, world: "World") -> Self:  # noqa: ARG002
        """This fault with its victims named, chosen when it begins."""
        return self

    def earlier(self, world: "World", since: Array) -> Mapping[int, Bend]:  # noqa: ARG002
        """By `id` of a stream: what it did *since* seconds after onset, negative ones."""
        return {}

    @abstractmethod
    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:
        """Set the parameters as they are *elapsed* seconds after onset.

        Called at every tick while the fault lasts, the first time with exactly 0.
        """

    @abstractmethod
    def clear(self, world: "World") -> None:
        """Set the parameters back; called once, when the fault is over."""

    @abstractmethod
    def entities(self) -> tuple[Entity, ...]:
        """Whom an honest finding may name, the best answer first."""

    def truth(self) -> dict[str, Any]:
        """What really happened, for scoring; `pool` is where it happened, empty if everywhere."""
        pool = getattr(self, "pool", "")
        return {
            "code": self.code,
            "failure_mode": self.failure_mode.word,
            "benign": self.benign,
            "entities": [str(entity) for entity in self.entities()],
            "pool": str(pool_of(pool)) if pool else "",
            "detect_within": self.detect_within,
            "duration": self.duration,
            "severity": self.severity.value,
            "first_cards": list(self.first_cards),
            "parameters": {
                one.name: getattr(self, one.name)
                for one in dataclasses.fields(self)  # type: ignore[arg-type]
                if _RANGE in one.metadata or _OPTIONS in one.metadata
            },
        }


@dataclass(slots=True, eq=False)
class Injection:
    """A fault placed in time."""

    fault: Fault
    at: float
    """Onset, Unix seconds."""
    rng: np.random.Generator
    began: bool = False
    ended: bool = False

    @property
    def until(self) -> float:
        """When it is over."""
        return self.at + self.fault.duration

    def step(self, world: "World", now: float) -> None:
        """Begin, go on or end, as the time asks."""
        if self.ended or now < self.at:
            return
        if not self.began:
            self.began = True
            self.fault = self.fault.aim(world)
            self.fault.apply(world, 0.0, self.rng)
        elif now >= self.until:
            self.ended = True
            self.fault.clear(world)
        else:
            self.fault.apply(world, now - self.at, self.rng)

    def truth(self) -> dict[str, Any]:
        """The fault's truth with its times; entities are known once it has begun."""
        return {**self.fault.truth(), "at": self.at, "until": self.until, "began": self.began}
