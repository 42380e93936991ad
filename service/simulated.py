"""A server over a simulated world: the demo reads it through sockets, a drill at full speed."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from collectors._reading import Reading
from service import assembly, core
from service.agent import Agent, Hardware
from service.clock import ManualClock
from service.config import Config
from service.kubernetes.gpu_shares import SLOT, GpuShares
from service.kubernetes.process_owners import ProcessOwners
from service.lane import Lane
from service.otlp.identity import Tenants
from service.otlp.spans import Spans
from simulator.cluster import ClusterSpec
from simulator.clusters import prices
from simulator.fast import SimulatedReach, node_targets, page_targets
from simulator.history import history
from simulator.host import proc
from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.spans import exported
from simulator.world import World
from vocabulary import metrics
from vocabulary.contracts import Reach, Target
from vocabulary.samples import Array, Sample, Series, labels_of

DAY = 86400.0
_PROC = Path("/proc")
"""Where nodes show their processes; nothing is read there."""


@dataclass(slots=True)
class OneByOne(Lane[Reading]):
    """Reads in the caller's thread: the pages of a world in this process keep nobody waiting."""

    def run(
        self,
        calls: Mapping[str, Callable[[], Reading]],
        seconds: float,  # noqa: ARG002
    ) -> dict[str, Reading]:
        """Every answer, in the order of *calls*."""
        return {name: call() for name, call in calls.items()}


@dataclass(slots=True)
class WorldClock:
    """Moves the world on before it is read, and tells the server what was done to it.

    What applications trace of their agents is handed over too, in the bytes that they would send.
    """

    part: core.Core
    world: World
    clock: ManualClock
    _told: float = field(init=False)
    _spans: Spans = field(init=False)

    def __post_init__(self) -> None:
        self._told = self.world.start - 1.0
        self._spans = Spans(Tenants(self.part.settings.tenant_key.encode()))

    def move_to(self, moment: float) -> None:
        """Let the world's time pass until *moment*."""
        self.world.advance(moment)
        self.clock.move_to(moment)
        changes = self.world.changes(self._told)
        if changes:
            self._told = max(change.at for change in changes)
            self.part.take_changes(changes)
        with self.world.lock:
            spans = self.world.traffic.spans.fetch()
        if spans:  # the OTLP receiver's own reader, as of an application that is not believed
            usage, _ = self._spans.take(exported(spans), False, moment)
            self.part.take_usage(usage)


def write_past(
    part: core.Core,
    world: World,
    span: float,
    nightly: Sequence[tuple[float, NightlyBatch]] = (),
) -> int:
    """*span* seconds of the simulated past and what they cost, straight into the store."""
    parts: dict[Series, list[tuple[Array, Array]]] = {}
    for block in history(world, span=span, nightly=nightly):
        for series, values in zip(block.series, block.values, strict=True):
            parts.setdefault(series, []).append((block.times, values))
    columns = [
        (series, np.concatenate([t for t, _ in some]), np.concatenate([v for _, v in some]))
        for series, some in parts.items()
    ]
    times = max((column[1] for column in columns), key=len)
    held = [*_products(world), *_allocations(world, 0.0)]
    columns += [(one.series, times, np.ones(len(times))) for one in held]
    kept = part.store.append_columns(columns)
    return kept + part.store.append_columns(part.meter.history(columns))


def write_prices(spec: ClusterSpec, folder: Path) -> Path:
    """What tokens cost in a cluster, as the price file that an operator would write."""
    file = folder / "prices.json"
    content = {"schema": 1, "source": f"prices of the simulated cluster {spec.name}"}
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**content, "tokens": prices(spec)}), encoding="utf-8")
    return file


def agent_over(
    config: Config,
    part: core.Core,
    world: World,
    *,
    read: Callable[[Target, Reach, float], Reading],
    reach: Reach,
    base: str,
    deadline_seconds: float,
    lane: Lane[Reading] | None = None,
) -> Agent:
    """The real agent, reading the pages of *world* under *base* and every node's GPUs."""

    def deliver(moment: float, samples: Sequence[Sample]) -> None:
        read = [*samples, *_allocations(world, moment)]
        for _, batch in world.sight.delivery.carry(moment, read):
            part.keep(batch)

    return Agent(
        targets=lambda: page_targets(world, base),
        read=read,
        reach=reach,
        deliver=deliver,
        hardware=[
            Hardware(
                f"{name} of {dict(node.labels)['node']}",
                SimulatedOwners(collector, _PROC, world) if name == "nvml" else collector,
                node,
                SimulatedReach(world, dict(node.labels)["node"]),
            )
            for node in node_targets(world)
            for name, collector in assembly.node_collectors(config).items()
        ],
        derive=SharedGpus(world).of,
        deadline_seconds=deadline_seconds,
        lane=lane or Lane(),
    )


@dataclass(frozen=True, slots=True)
class SimulatedOwners(ProcessOwners):
    """Whose each process is, out of the /proc of simulated nodes."""

    world: World

    def _read(self, pid: str, name: str, most: int) -> str | None:
        text = proc(self.world, pid, name)
        return None if text is None else text[:most]


@dataclass(slots=True)
class SharedGpus:
    """Whose part of a GPU is whose, on nodes that give them out in slots."""

    world: World
    _shares: dict[str, GpuShares] = field(default_factory=dict)

    def of(self, readings: Mapping[str, Reading], now: float) -> list[Sample]:
        """Out of a round's readings of all nodes."""
        found: list[Sample] = []
        held = _allocations(self.world, now) if self.world.bank.guests else []
        for node in sorted({self.world.bank.places[gpu].node for gpu in self.world.bank.guests}):
            nvml = readings.get(f"nvml of {node}")
            here = tuple(one for one in held if one.series.label("node") == node)
            told = {"kubelet": Reading(here, "ok"), **({} if nvml is None else {"nvml": nvml})}
            found += self._shares.setdefault(node, GpuShares()).of(told, now)
        return found


def _allocations(world: World, moment: float) -> list[Sample]:
    """Which replica holds which GPU, as a kubelet would tell the agent."""
    return [
        Sample(
            Series(
                metrics.GPU_ALLOCATION.name,
                labels_of(
                    {**dict(one.labels), "gpu": one.gpu, "node": one.node}
                    | ({"sharing": SLOT} if one.slot else {})
                ),
            ),
            1.0,
            moment,
        )
        for one in world.gpu_allocations()
    ]


def _products(world: World) -> Iterable[Sample]:
    """What each GPU is, for the past that NVML never saw."""
    for one in {one.gpu: one for one in world.gpu_allocations()}.values():
        labels = labels_of({"gpu": one.gpu, "node": one.node, "product": one.gpu_model})
        yield Sample(Series(metrics.GPU_INFO.name, labels), 1.0, 0.0)
