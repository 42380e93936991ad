"""Which pod holds which GPUs, and what their work makes of the boards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fleet.identity import pod_replica_id
from simulator import guests
from simulator.cluster import NodeSpec
from simulator.gpus import GpuBank
from simulator.nvml import SimulatedNvml
from simulator.pods import Pod, Stage
from simulator.scheduling import Scheduling
from vocabulary.samples import Labels, labels_of

_EMPTY = 0.006
_EVERY = 1.0
"""Seconds between looks at the boards."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A GPU and the replica that holds it, as the kubelet would tell."""

    gpu: str
    node: str
    index: int
    gpu_model: str
    labels: Labels
    """Identity labels of the replica that holds it."""
    slot: bool = False
    """Whether it is one of several slots of the GPU."""


@dataclass(slots=True)
class Holdings:
    """The GPUs of a cluster and their holders."""

    bank: GpuBank
    _next: float
    """When the boards are looked at next."""
    _accounted: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Pod → its seconds of work, and of work on prompts, as of the last look."""

    def work(self, pods: Sequence[Pod], now: float, seconds: float) -> None:
        """Let the boards feel what *pods* did in the last *seconds*, when it is time to look."""
        for guest in self.bank.guests.values():
            guest.step(seconds)
        if now < self._next:
            return
        self._next += _EVERY
        busy = np.zeros(len(self.bank.places))
        prefill = np.zeros(len(self.bank.places))
        for pod in pods:
            engine = pod.engine
            was_busy, was_prefill = self._accounted.get(pod.uid, (0.0, 0.0))
            worked = engine.busy_seconds - was_busy
            share = (engine.prefill_seconds - was_prefill) / worked if worked > 0 else 0.0
            self._accounted[pod.uid] = (engine.busy_seconds, engine.prefill_seconds)
            for gpu in pod.gpus:
                busy[gpu] = min(1.0, worked / _EVERY)
                prefill[gpu] = share
        self.bank.advance(_EVERY, busy, prefill)

    def free(
        self, nodes: Sequence[NodeSpec], scheduling: Scheduling, model: str, count: int
    ) -> tuple[str, tuple[int, ...]] | None:
        """The first node with *count* free GPUs of *model*, and which; None when none has."""
        for node in nodes:
            if scheduling.closed(node.name):
                continue
            free = [
                index
                for index, place in enumerate(self.bank.places)
                if place.node == node.name and place.model.name == model
                and not self.bank.holders[index]
            ]  # fmt: skip
            if len(free) - scheduling.withheld.get(node.name, 0) >= count:
                return node.name, tuple(free[:count])
        return None

    def take(self, pod: Pod) -> None:
        """*pod* holds its GPUs from now on."""
        for gpu in pod.gpus:
            self.bank.holders[gpu] = pod.uid

    def fill(self, pod: Pod) -> None:
        """The stage of *pod* changed: its memory is full or empty, and free when it is gone."""
        for gpu in pod.gpus:
            guest = self.bank.guests.get(gpu)
            own = pod.pool.memory_share if pod.answers else _EMPTY
            self.bank.memory_share[gpu] = own + (0.0 if guest is None else guest.memory)
        if pod.stage is Stage.GONE:
            for gpu in pod.gpus:
                self.bank.holders[gpu] = ""

    def held(self, pod: Pod, labels: Labels) -> Iterator[Allocation]:
        """Every GPU that *pod* holds."""
        for gpu in pod.gpus:
            place = self.bank.places[gpu]
            shared = gpu in self.bank.guests
            yield Allocation(place.uuid, place.node, place.index, place.model.name, labels, shared)

    def visitors(self, cluster: str) -> Iterator[Allocation]:
        """Every slot that somebody else holds."""
        for gpu, guest in self.bank.guests.items():
            place = self.bank.places[gpu]
            labels = {
                "cluster": cluster,
                "namespace": guests.NAMESPACE,
                "pod": guest.name,
                "pool": f"{guests.NAMESPACE}/{guest.name}",
                "replica": pod_replica_id(cluster, guests.NAMESPACE, guest.uid, "notebook"),
                "node": place.node,
            }
            about = labels_of(labels)
            yield Allocation(place.uuid, place.node, place.index, place.model.name, about, True)

    def nvml(self, node: str = "") -> SimulatedNvml:
        """A module like `pynvml` that sees the GPUs of *node*, or of every node."""
        positions = [
            index for index, place in enumerate(self.bank.places) if node in ("", place.node)
        ]
        return SimulatedNvml(self.bank, positions, pid_of)


def pid_of(uid: str) -> int:
    """A process id that stays the same for a pod."""
    return 4000 + int(uid[:6], 16) % 2_000_000
