"""F25: somebody else works on the same GPU."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import gpu as gpu_entity
from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import NOISY_NEIGHBOUR, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class NoisyNeighbour(Fault):
    """The notebook in the other slot of a time-sliced GPU begins to train.

    Steps take longer and scatter more whenever it works, while the board is as busy as before.
    """

    failure_mode: ClassVar[FailureMode] = NOISY_NEIGHBOUR
    detect_within: ClassVar[float] = 1800.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R15", "R01")
    only_on: ClassVar[str] = "shared"
    needs: ClassVar[str] = "shared"
    pool: str = "code-8b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    duty: float = sampled(0.4, 0.95, 0.7)
    """Share of time in which it has work. With half of the time while it has, steps take 1.25 to
    1.9 times as long; the catalogue's reports say 1.2 to 2."""
    duration: float = sampled(2400.0, 4200.0, 3600.0)
    """Seconds until it is over."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""
    board: str = ""
    """UUID of the shared GPU."""

    def aim(self, world: "World") -> Self:
        victim = self.victim or chosen_pod(world, self.pool, self.ordinal)
        pod = world.pod_of(victim)
        shared = [gpu for gpu in pod.gpus if gpu in world.bank.guests] if pod else []
        board = world.bank.places[shared[0]].uuid if shared else ""
        return replace(self, victim=victim, board=board)

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        self._work(world, self.duty)

    def clear(self, world: "World") -> None:
        self._work(world, 0.0)

    def _work(self, world: "World", duty: float) -> None:
        if self.board:
            world.bank.guests[world.bank.index_of(self.board)].duty = duty

    def entities(self) -> tuple[Entity, ...]:
        boards = (gpu_entity(self.board),) if self.board else ()
        return (replica(self.victim), *boards, pool_of(self.pool))
