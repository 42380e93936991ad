"""Cases of a drill: what is placed in which world, from which seed, and how long it is watched."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import simulator.faults
import simulator.look_alikes
from service.drill.hardship import HARDSHIPS, Trial
from simulator.cluster import DEMO, ClusterSpec
from simulator.clusters import CLUSTERS
from simulator.fault import Fault
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.places import fitted
from simulator.scenario_file import Written
from simulator.schedule import WEEK_START, Event
from vocabulary.discovery import discover
from vocabulary.errors import NotFound

WEEK = 7 * 86400.0
CALM_SECONDS = 900.0
"""Shortest calm before a fault: the chain must be quiet while nothing is wrong."""
AFTER_SECONDS = 900.0
"""How long a fault is watched after it should have been found; pages count until then."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the whole chain over one world."""

    name: str
    """`F01`, `B03`, `F27 during B03`, `calm`."""
    seed: int
    start: float
    """Unix seconds, a multiple of the interval."""
    events: tuple[Event, ...]
    seconds: float
    """How long the world is watched."""
    days: float = 1.0
    """Days of simulated history it begins with."""
    cluster: str = "demo"
    """Which cluster, by name; or the name of a scenario that brings its own."""
    spec: ClusterSpec | None = None
    """The scenario's own cluster, when it brings one."""
    hardship: str = ""
    """What befalls the product meanwhile, by its name in `HARDSHIPS`; empty when nothing does."""
    one_incident: bool = False
    """Whether the first fault is the cause of all others, so that one incident is right."""

    @property
    def id(self) -> str:
        """What its result file is called."""
        return f"{self.name} {self.cluster} seed {self.seed}".replace(" ", "-").lower()

    @property
    def world(self) -> ClusterSpec:
        """The cluster it happens in."""
        return self.spec if self.spec is not None else CLUSTERS[self.cluster]

    @property
    def trial(self) -> Trial | None:
        """The hardship, before it begins; None without one, or without a fault."""
        onset = next((one.after for one in self.events), None)
        if not self.hardship or onset is None:
            return None
        one = HARDSHIPS[self.hardship]
        return Trial(one, self.start + max(0.0, _rounded(onset + one.after)))

    def under(self, hardship: str) -> "Case":
        """The same case while *hardship* befalls the product."""
        blind = HARDSHIPS[hardship].blind
        return replace(
            self,
            name=f"{self.name} with {hardship}",
            hardship=hardship,
            seconds=self.seconds + blind,
        )

    def batches(self) -> list[tuple[float, NightlyBatch]]:
        """Nightly batches with their onset: history shows them at the same hour."""
        return [
            (one.after, one.fault) for one in self.events if isinstance(one.fault, NightlyBatch)
        ]


def known_cluster(name: str) -> str:
    """*name*, when there is a cluster of this name.

    Raises:
        NotFound: With those that there are.
    """
    if name not in CLUSTERS:
        raise NotFound(f"no cluster {name!r} in the simulator; known: {', '.join(CLUSTERS)}")
    return name


@dataclass(frozen=True, slots=True)
class Corpus:
    """Every fault and look-alike that the simulator has, by code."""

    faults: Mapping[str, type[Fault]] = field(default_factory=dict)
    look_alikes: Mapping[str, type[Fault]] = field(default_factory=dict)

    @classmethod
    def found(cls) -> "Corpus":
        """What stands in the simulator's two folders."""
        return cls(
            _by_code(discover(simulator.faults, Fault)),  # type: ignore[type-abstract]
            _by_code(discover(simulator.look_alikes, Fault)),  # type: ignore[type-abstract]
        )

    @property
    def left_out(self) -> dict[str, str]:
        """Why what cannot be simulated honestly is not, by code."""
        return {
            code: kind.unsimulated
            for code, kind in {**self.faults, **self.look_alikes}.items()
            if kind.unsimulated
        }

    def named(self, word: str) -> type[Fault]:
        """The fault or look-alike of this code (`F01`) or word (`engine_stalled`).

        Raises:
            NotFound: With the ones that there are.
        """
        everything = {**self.faults, **self.look_alikes}
        for code, kind in everything.items():
            if word.upper() == code or word.lower() == kind.failure_mode.word:
                return kind
        raise NotFound(f"no fault {word!r} in the simulator; known: {', '.join(everything)}")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two troubles at once."""

    fault: str
    other: str
    """What goes on already when the fault begins."""
    after: float
    """Seconds the fault begins after that."""
    here: bool = False
    """Whether both are about the pool that the other one takes."""
    caused: bool = False
    """Whether the other one is the cause, so that one incident is right, and names it first."""
    most: int = 1
    """How many of the fault begin, each on a GPU of its own while there are GPUs."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the fault that are not drawn."""

    @property
    def name(self) -> str:
        """`F27 during B03`, `F11 caused by F03`."""
        return f"{self.fault} {'caused by' if self.caused else 'during'} {self.other}"


OVERLAPS: tuple[Overlap, ...] = (
    Overlap("F27", "B03", 300.0),
    Overlap("F11", "F01", 420.0),
    Overlap("F24", "F30", 300.0),
    Overlap("F01", "B09", 60.0),
    Overlap("F52", "F01", 300.0),
    Overlap("F14", "B04", 300.0, here=True),
    Overlap("F24", "F45", 60.0, caused=True, most=20),
    # a policy that does no harm until calls are refused
    Overlap("F11", "F03", 15.0, here=True, caused=True, fixed={"timeout": 40.0}),
    Overlap("F01", "F56", 600.0),
    Overlap("F24", "B13", 300.0),
)
"""Pairs in which one trouble could hide, imitate or multiply the other."""


def cases(
    wanted: Sequence[type[Fault]],
    seeds: Sequence[int],
    cluster: str = DEMO.name,
    *,
    elsewhere: bool | None = None,
) -> Iterator[Case]:
    """A case for each of *wanted* and each seed; those that cannot be simulated are left out.

    What happens on a cluster of its own is drilled there, when *elsewhere*, or beside what is
    drilled on the demo's.
    """
    elsewhere = cluster == DEMO.name if elsewhere is None else elsewhere
    for seed in seeds:
        for kind in wanted:
            where = _home(kind, cluster)
            if not kind.unsimulated and (elsewhere or cluster == where):
                yield alone(kind, seed, where)


def _home(kind: type[Fault], cluster: str) -> str:
    """Where *kind* is drilled when *cluster* is: there, or where there is what it is about."""
    return cluster if not kind.only_on or cluster in kind.also_on else kind.only_on


def alone(kind: type[Fault], seed: int, cluster: str) -> Case:
    """One fault, drawn from its ranges, after a calm beginning at a random hour of the week.

    What began long before is there from the first second.
    """
    code = kind.failure_mode.code
    rng = _rng(code, seed)
    fault = kind.draw(rng, **_places(kind, code, seed, cluster))
    calm_seconds = CALM_SECONDS + float(rng.uniform(0.0, 600.0))
    onset = 0.0 if kind.from_the_past else _rounded(calm_seconds)
    watched = fault.duration + AFTER_SECONDS if fault.benign else kind.detect_within + AFTER_SECONDS
    return Case(
        code,
        seed,
        WEEK_START + _rounded(float(rng.uniform(0.0, WEEK))),
        (Event(onset, fault),),
        onset + watched,
        kind.history_days,
        cluster,
    )


def overlapping(corpus: Corpus, seeds: Sequence[int], cluster: str = "demo") -> Iterator[Case]:
    """The pairs of `OVERLAPS`, for every seed; pairs whose parts are missing are left out."""
    everything = {**corpus.faults, **corpus.look_alikes}
    for seed in seeds:
        for one in OVERLAPS:
            if one.fault in everything and one.other in everything:
                yield _pair(one, everything[one.fault], everything[one.other], seed, cluster)


def _pair(one: Overlap, kind: type[Fault], other: type[Fault], seed: int, cluster: str) -> Case:
    rng = _rng(one.name, seed)
    first, second = (
        drawn.draw(rng, **{**_places(drawn, one.name, seed, cluster), **fixed})
        for drawn, fixed in ((other, {}), (kind, one.fixed))
    )
    if one.here:
        second = replace(second, pool=first.pool)  # type: ignore[attr-defined, type-var]
    onset = _rounded(CALM_SECONDS + float(rng.uniform(0.0, 600.0)))
    longest = max(kind.detect_within + one.after, other.detect_within)
    events = [Event(onset, first), *(Event(onset + one.after, it) for it in _many(one, second,
              CLUSTERS[cluster]))]  # fmt: skip
    return Case(
        one.name,
        seed,
        WEEK_START + _rounded(float(rng.uniform(0.0, WEEK))),
        tuple(events),
        onset + longest + AFTER_SECONDS,
        max(kind.history_days, other.history_days),
        cluster,
        one_incident=one.caused,
    )


def _many(one: Overlap, fault: Fault, spec: ClusterSpec) -> list[Fault]:
    """The fault, or as many of it as are wanted, one on each GPU that a replica holds."""
    if one.most == 1:
        return [fault]
    gpus = [
        {"pool": pool.name, "ordinal": ordinal, "member": member}
        for pool in spec.pools
        for ordinal in range(pool.replicas)
        for member in range(pool.gpus_per_replica)
    ]
    return [replace(fault, **place) for place in gpus[: one.most]]  # type: ignore[type-var]


def named_case(corpus: Corpus, name: str, seed: int, cluster: str) -> Case:
    """The case of a drill that is called *name*: `F01`, `F27 during B03`, `calm`.

    Raises:
        NotFound: No drill has such a case.
    """
    if name == "calm":
        return calm(seed, 1.0, cluster)
    if " " not in name:
        kind = corpus.named(name)
        return alone(kind, seed, _home(kind, cluster))
    for one in overlapping(corpus, [seed], cluster):
        if one.name.lower() == name.lower():
            return one
    pairs = ", ".join(one.name for one in OVERLAPS)
    raise NotFound(f"no drill has the case {name!r}; pairs: {pairs}")


def written(scenario: Written, seed: int | None = None) -> Case:
    """The case that a scenario file describes, with its own seed or another one."""
    return Case(
        scenario.story.name,
        scenario.seed if seed is None else seed,
        scenario.start,
        scenario.story.events,
        scenario.story.length,
        scenario.history_days,
        scenario.cluster.name,
        scenario.cluster,
    )


def calm(seed: int, hours: float, cluster: str = "demo") -> Case:
    """Hours in which nothing happens but traffic."""
    rng = _rng("calm", seed)
    start = WEEK_START + _rounded(float(rng.uniform(0.0, WEEK)))
    return Case("calm", seed, start, (), hours * 3600.0, 1.0, cluster)


def _places(kind: type[Fault], name: str, seed: int, cluster: str) -> dict[str, str]:
    """Where *kind* happens on *cluster*, the same for every fault of one case."""
    return fitted(kind, CLUSTERS[cluster], _rng(f"places of {name}", seed))


def _rng(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _rounded(seconds: float, step: float = 15.0) -> float:
    return seconds // step * step


def _by_code(found: Mapping[str, type[Fault]]) -> dict[str, type[Fault]]:
    return dict(sorted((kind.failure_mode.code, kind) for kind in found.values()))
