"""One process is read under two names, and whatever is summed counts it twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from detectors._evidence import by, say
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

STARTED = Watch(signals.ENGINE_START, 1800.0, 60.0)
TOKENS = Watch(signals.INPUT_TOKEN_RATE, 1800.0, 60.0)
OUTPUT = Watch(signals.OUTPUT_TOKEN_RATE, 1800.0, 60.0)


@dataclass(frozen=True, slots=True)
class DoubleCounting(Detector):
    """Two replicas of a model tell the same figures at every moment.

    Two lists name one address, or one page is read by its pod and by its service. Processes that
    balance a load alike differ from minute to minute; the same process does not differ from
    itself. Two pods are never one process: at least one name must be a mere address.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.DOUBLE_COUNTING
    watches: ClassVar[tuple[Watch, ...]] = (STARTED, TOKENS, OUTPUT)

    hold_seconds: float = 900.0
    """How long both must tell the same. Our judgement."""
    start_seconds: float = 0.5
    """Most difference of two start times of one process: pages print hundredths of a second."""
    same_share: float = 0.05
    """Most difference of two rates of one process read moments apart; of replicas that share a
    load evenly, minute by minute, it is several times that. Our judgement, after simulated days."""
    least_points: int = 10
    """Moments with traffic at which both must be known."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every model with such pairs, once."""
        rows = [by(scene.frame(watch), "replica") for watch in (TOKENS, OUTPUT)]
        started = by(scene.frame(STARTED), "replica")
        horizon = scene.now - self.hold_seconds
        for model in sorted({one.model for one in scene.replicas} - {""}):
            old = [one for one in scene.replicas
                   if one.model == model and one.first_seen <= horizon]  # fmt: skip
            pairs = [
                (one, other)
                for one, other in combinations(sorted(old, key=lambda one: one.entity.id), 2)
                if _may_be_one(one, other)
                and self._same_start(started, one, other)
                and all(self._same(some, one, other) for some in rows)
            ]
            if pairs:
                yield self._finding(scene, model, pairs)

    def _same_start(self, started: dict[str, Array], one: Replica, other: Replica) -> bool:
        """Whether both say that they started at one moment, where both say when."""
        newest = [
            row[np.isfinite(row)][-1:]
            for row in (started.get(one.entity.id), started.get(other.entity.id))
            if row is not None
        ]
        if len(newest) < 2 or not all(part.size for part in newest):
            return False
        return abs(float(newest[0][0]) - float(newest[1][0])) <= self.start_seconds

    def _same(self, rows: dict[str, Array], one: Replica, other: Replica) -> bool:
        mine, yours = rows.get(one.entity.id), rows.get(other.entity.id)
        if mine is None or yours is None:
            return False
        held = round(self.hold_seconds / TOKENS.step)
        mine, yours = mine[-held:], yours[-held:]
        busy = (mine > 0.0) & (yours > 0.0)
        if int(busy.sum()) < self.least_points or bool(((mine > 0.0) ^ (yours > 0.0)).any()):
            return False
        apart = np.abs(mine[busy] - yours[busy]) / np.maximum(mine[busy], yours[busy])
        moves = float(np.ptp(mine[busy])) > self.same_share * float(mine[busy].mean())
        return moves and float(np.quantile(apart, 0.9)) <= self.same_share

    def _finding(
        self, scene: Scene, model: str, pairs: Sequence[tuple[Replica, Replica]]
    ) -> Finding:
        one, other = pairs[0]
        # the name that cannot be forged is the better one: a pod's, not an address's
        kept = min(pairs[0], key=lambda each: each.entity.id.startswith(identity.STATIC))
        since = max(max(first.first_seen, second.first_seen) for first, second in pairs[:1])
        text = (
            f"{len(pairs)} processes of {model} are read twice: {one.entity.label} and"
            f" {other.entity.label} are one."
        )
        evidence = say(
            TOKENS, kept.entity, since, scene.now,
            f"{one.target or one.entity.label} and {other.target or other.entity.label} started at"
            " the same moment and tell the same tokens a second throughout."[:300],
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=identity.pool(kept.pool) if kept.pool else kept.entity,
            since=min(since, scene.now),
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text[:290],
            pool=kept.pool,
            model=model,
            related=tuple(each.entity for pair in pairs[:20] for each in pair),
        )


def _may_be_one(one: Replica, other: Replica) -> bool:
    """Whether nothing in their ids says that they are two processes."""
    return any(each.entity.id.startswith(identity.STATIC) for each in (one, other))
