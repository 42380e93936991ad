"""The whole chain in one process: simulated pages, agent, store, pipeline and detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import collectors
import detectors
from collectors._reading import PageCollector, PageReader
from fleet.topology import FleetView
from metering.meter import UsageMeter
from metering.prices import load_book
from service.agent import Agent, Hardware
from service.pipeline import Pipeline
from simulator.fast import SimulatedReach, node_targets, page_targets
from simulator.fault import Fault, Injection
from simulator.history import history
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.world import World
from store.embedded import EmbeddedStore
from vocabulary import metrics
from vocabulary.contracts import Collector, Detector
from vocabulary.discovery import discover
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.samples import Sample, Series, labels_of
from vocabulary.scene import Scene

INTERVAL = 15.0
START = 1_763_600_010.0
"""A Thursday, 00:53 UTC."""


@dataclass
class Listener:
    """A desk that only remembers: when each finding was first made, and the loudest of it."""

    first: dict[tuple[str, str], tuple[float, Finding]] = field(default_factory=dict)
    loudest: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def tick(self, findings: Sequence[Finding], scene: Scene) -> list[Incident]:
        for finding in findings:
            self.first.setdefault(finding.key, (scene.now, finding))
            known = self.loudest.get(finding.key)
            if known is None or finding.severity.rank > known.severity.rank:
                self.loudest[finding.key] = finding
        return []

    def troubled(self) -> Mapping[str, tuple[tuple[float, float], ...]]:
        return {}


@dataclass
class SimulatedCluster:
    """A world from *start* on with days of history, read and judged every 15 s of its time."""

    folder: Path
    seed: int = 1
    start: float = START
    history_days: float = 1.0
    nightly: tuple[tuple[float, NightlyBatch], ...] = ()
    heard: Listener = field(default_factory=Listener)

    def __post_init__(self) -> None:
        self.world = World(self.seed, self.start)
        self.now = self.start
        self.store = EmbeddedStore(self.folder, retention_seconds=40 * 86_400.0)
        self.meter = UsageMeter(load_book(demo=True))
        self.fleet = FleetView()
        span = self.history_days * 86_400.0
        columns = [
            (series, block.times, values)
            for block in history(self.world, span=span, nightly=self.nightly)
            for series, values in zip(block.series, block.values, strict=True)
        ]
        self.store.append_columns(columns)
        self.store.append_columns(self.meter.history(columns))
        found = {name: one() for name, one in discover(detectors, Detector).items()}
        self.pipeline = Pipeline(self.store, self.fleet, found, self.heard, lambda _samples: None)
        self.agent = self._agent()
        self._told = self.start - 1.0

    def _agent(self) -> Agent:
        kinds = discover(collectors, Collector)
        every = {name: kind() for name, kind in kinds.items()}
        pages = {name: one for name, one in every.items() if isinstance(one, PageCollector)}
        return Agent(
            targets=lambda: page_targets(self.world),
            read=PageReader(pages).read,
            reach=SimulatedReach(self.world),
            deliver=self._keep,
            hardware=[
                Hardware(
                    f"nvml of {dict(node.labels)['node']}",
                    kinds["nvml"](),  # it remembers devices, and those are its node's
                    node,
                    SimulatedReach(self.world, dict(node.labels)["node"]),
                )
                for node in node_targets(self.world)
            ],
            deadline_seconds=60.0,
        )

    def _keep(self, moment: float, samples: list[Sample]) -> None:
        held = [
            Sample(
                Series(
                    metrics.GPU_ALLOCATION.name,
                    labels_of({**dict(one.labels), "gpu": one.gpu, "node": one.node}),
                ),
                1.0,
                moment,
            )
            for one in self.world.gpu_allocations()
        ]
        everything = [*samples, *held]
        self.store.append([*everything, *self.meter.observe(everything)])

    def inject(self, fault: Fault, after: float) -> Injection:
        """Let *fault* happen *after* seconds from the start."""
        return self.world.inject(fault, self.start + after)

    def run(self, seconds: float) -> Listener:
        """Let so much time pass, round by round; gives what was heard so far."""
        for _ in range(int(seconds // INTERVAL)):
            self.now += INTERVAL
            self.world.advance(self.now)
            for change in self.world.changes(self._told):
                self._told = max(self._told, change.at)
                self.fleet.add_change(change)
            if self.world.scraping:
                self.agent.round(self.now)
            self.pipeline.tick(self.now)
        return self.heard

    def close(self) -> None:
        self.agent.close()
        self.store.close()
