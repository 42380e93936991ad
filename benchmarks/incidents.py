"""How fast a storm of findings becomes incidents, told, kept and written up.

    python benchmarks/incidents.py [--findings 5000]

Prints one JSON object. A minute is four ticks of 15 s over a made-up fleet of replicas with one
GPU each; every finding lasts through all four. Three shapes of the same storm: one outage (every
replica of 50 pools fails alike), many faults (each replica has an incident of its own), and many
tenants. All remediations are proposed, all evidence gets its query, and every tick is one durable
transaction on the disk of the system's temporary folder. Wall-clock and CPU seconds.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import remediations
from incidents.desk import IncidentDesk
from store.records import IncidentRecords
from vocabulary import failure_modes as f
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.entities import Entity, EntityKind, Gpu, Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Frame, empty_frame
from vocabulary.scene import Scene, Watch

NOON = 1_764_072_000.0
TICK = 15.0
TICKS = 4


class Clock:
    """Event time, moved by hand."""

    moment = NOON

    def now(self) -> float:
        return self.moment

    def monotonic(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


def fleet(count: int, pools: int, on_node: int) -> list[Replica]:
    """Replicas spread over *pools*, *on_node* to a node."""
    return [
        Replica(
            Entity(EntityKind.REPLICA, f"east/llm/uid-{number}/engine", f"pod-{number}"),
            f"llm/p{number % pools}",
            f"m{number % pools}",
            "vllm",
            ReplicaState.STALLED,
            NOON,
            "no step",
            node=f"node-{number // on_node}",
            gpus=(f"GPU-{number}",),
        )
        for number in range(count)
    ]


def finding(mode: FailureMode, entity: Entity, now: float, **more: str) -> Finding:
    evidence = Evidence("requests_waiting", entity, NOON - 60, now, 9.0, "9 wait", 1.0)
    return Finding(
        mode, entity, NOON - 60, now, Severity.CRITICAL, 0.9, (evidence,), "it fails", **more
    )  # fmt: skip


def outage(replicas: Sequence[Replica], count: int, now: float) -> Iterator[Finding]:
    """Five symptoms of every replica."""
    modes = (f.ENGINE_STALLED, f.TARGET_HUNG, f.ERROR_BURST, f.KV_EXHAUSTION, f.LATENCY_BURN)
    for number in range(count):
        one = replicas[number % len(replicas)]
        mode = modes[number // len(replicas) % len(modes)]
        yield finding(mode, one.entity, now, pool=one.pool, model=one.model)


def faults(replicas: Sequence[Replica], count: int, now: float) -> Iterator[Finding]:
    """A fault of its own on each replica, none of which explains another."""
    for number in range(count):
        one = replicas[number % len(replicas)]
        yield finding(f.ENGINE_STALLED, one.entity, now, pool=one.pool, model=one.model)


def tenants(replicas: Sequence[Replica], count: int, now: float) -> Iterator[Finding]:
    """A spending tenant each."""
    for number in range(count):
        entity = Entity(EntityKind.TENANT, f"tenant-{number}")
        yield finding(f.COST_SPIKE, entity, now, model=replicas[0].model, tenant=entity.id)


def storm(shape: str, count: int) -> dict[str, object]:
    """One shape of the storm, measured."""
    replicas = fleet(count, count, 1) if shape == "faults" else fleet(1000, 50, 8)
    gpus = tuple(
        Gpu(Entity(EntityKind.GPU, one.gpus[0]), one.node, 0, "H100", (one.entity.id,), NOON)
        for one in replicas
    )
    make = {"outage": outage, "faults": faults, "tenants": tenants}[shape]
    cards = [card() for card in discover(remediations, Remediation).values()]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        records = IncidentRecords(Path(folder) / "control.sqlite")
        desk = IncidentDesk(records, cards, clock, receivers=("http://am:9093",))
        seconds, cpu = [], []
        for _ in range(TICKS):
            clock.moment += TICK
            findings = list(make(replicas, count, clock.moment))
            scene = Scene(clock.moment, _nothing, tuple(replicas), gpus)
            begun, worked = time.perf_counter(), time.process_time()
            desk.tick(findings, scene)
            cpu.append(round(time.process_time() - worked, 3))
            seconds.append(round(time.perf_counter() - begun, 3))
        opened = sum(desk.open_by_severity().values())
        size = (Path(folder) / "control.sqlite").stat().st_size
        records.close()
    return {
        "incidents": opened,
        "seconds_by_tick": seconds,
        "seconds_total": round(sum(seconds), 3),
        "cpu_seconds_by_tick": cpu,
        "cpu_seconds_total": round(sum(cpu), 3),
        "control_file_bytes": size,
    }


def _nothing(watch: Watch) -> Frame:
    return empty_frame(np.zeros(1 + round(watch.lookback / watch.step)))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=5000)
    count = parser.parse_args().findings
    figures = {shape: storm(shape, count) for shape in ("outage", "faults", "tenants")}
    print(json.dumps({"findings": count, **figures}, indent=2))


if __name__ == "__main__":
    main()
