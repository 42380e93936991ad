"""F18: compiling grammars freezes the engine for tens of seconds, again and again."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from fleet.identity import replica
from simulator.fault import Fault, sampled
from simulator.pods import Pod
from simulator.victims import chosen_pod, pool_of
from vocabulary.entities import Entity
from vocabulary.failure_modes import GRAMMAR_STALL, FailureMode, Severity

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(frozen=True, slots=True)
class GrammarStall(Fault):
    """Structured output blocks the step loop: no step ends for 10 to 40 s, then all goes on."""

    failure_mode: ClassVar[FailureMode] = GRAMMAR_STALL
    detect_within: ClassVar[float] = 900.0
    severity: ClassVar[Severity] = Severity.WARNING
    first_cards: ClassVar[tuple[str, ...]] = ("R05", "R17")
    pool: str = "chat-70b"
    ordinal: int = 0
    """Which of the pool's ready replicas, oldest first."""
    stalls_per_minute: float = sampled(0.5, 1.2, 0.8)
    """Freezes in a minute; half a one to two are reported."""
    shortest: float = 10.0
    """Seconds that one lasts at least; 10 to 40 s are reported (vllm#21148)."""
    longest: float = 40.0
    """Seconds that one lasts at most."""
    duration: float = sampled(1800.0, 3600.0, 2700.0)
    """Seconds until those requests stop. Our judgement."""
    victim: str = ""
    """Entity id of the replica; chosen by pool and ordinal when empty."""

    def aim(self, world: "World") -> Self:
        return replace(self, victim=self.victim or chosen_pod(world, self.pool, self.ordinal))

    def apply(self, world: "World", elapsed: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        pod = world.pod_of(self.victim)
        if pod is None:
            return
        if self._frozen(world.seed, elapsed):
            pod.engine.stalled, pod.engine.spins = True, False
        elif pod.engine.stalled:
            self._go_on(pod)

    def _frozen(self, seed: int, elapsed: float) -> bool:
        """Whether a freeze goes on: there is one in each turn, anywhere in it."""
        turn = 60.0 / self.stalls_per_minute
        number, into = divmod(elapsed, turn)
        drawn = np.random.default_rng([seed, 18, int(number)])
        lasts = min(0.7 * turn, float(drawn.uniform(self.shortest, self.longest)))
        begins = float(drawn.uniform(0.0, turn - lasts))
        return begins <= into < begins + lasts

    def _go_on(self, pod: Pod) -> None:
        pod.engine.stalled, pod.engine.spins = False, True
        pod.engine.abandon([])  # those whose callers hung up meanwhile

    def clear(self, world: "World") -> None:
        pod = world.pod_of(self.victim)
        if pod is not None:
            self._go_on(pod)

    def entities(self) -> tuple[Entity, ...]:
        return (replica(self.victim), pool_of(self.pool))
