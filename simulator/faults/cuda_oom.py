"""F05: a very long input needs more device memory than is left, and the process dies of it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.pods import Stage
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import CUDA_OOM, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World

_FREED = 0.006
"""Share of device memory in use without a process."""
_USUAL = 0.93
"""Share with one."""


@dataclass(frozen=True, slots=True)
class CudaOom(Fault):
    """Activations beside the KV cache fill the GPU; the caller tries the same input again."""

    failure_mode: ClassVar[FailureMode] = CUDA_OOM
    detect_within: ClassVar[float] = 300.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R06", "R17")
    pool: str = "code-8b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    filled: float = sampled(0.985, 0.999, 0.995)
    """Share of device memory in use just before it dies."""
    fills_seconds: float = sampled(20.0, 45.0, 30.0)
    """Seconds from the long input to the end: an allocator keeps what it has been given."""
    again: float = sampled(300.0, 600.0, 420.0)
    """Seconds it serves before such an input comes again. Our judgement."""
    duration: float = sampled(1200.0, 2400.0, 1800.0)
    """Seconds until long inputs are refused. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is None or pod.stage is not Stage.READY:
            return
        served = elapsed if not pod.restarts else world.now - pod.since - self.again
        if served >= self.fills_seconds:
            pod.crash(world.now)
            world.bank.memory_share[list(pod.gpus)] = _FREED
        elif served >= 0.0:
            world.bank.memory_share[list(pod.gpus)] = self.filled

    def clear(self, world: "World") -> None:
        """The next start lasts; what it needs is set when it answers."""
        pod = world.pod_of(self.victim)
        if pod is not None and pod.answers:
            world.bank.memory_share[list(pod.gpus)] = _USUAL

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
