"""The model accepts less of what its draft proposes than it did."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from detectors._evidence import by, say
from detectors._shift import Shift, shifted
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

ACCEPTED = Watch(signals.DRAFT_ACCEPTANCE, 14_400.0, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class SpeculationDecay(Detector):
    """Fewer draft tokens are accepted than before, so that a step yields less.

    Acceptance follows what is asked as well as the engine's health: a pool that was given another
    model or another revision is left alone for as long as its past is in view.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.SPECULATION_DECAY
    watches: ClassVar[tuple[Watch, ...]] = (ACCEPTED,)

    recent_seconds: float = 1200.0
    """The newest stretch that is judged: acceptance falls over minutes to hours."""
    left: float = 0.75
    """Share of the usual acceptance below which it has decayed."""
    least_drop: float = 0.1
    """Least fall of the acceptance itself."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose drafts are thrown away, or the pool where most do it."""
        rows, times = by(scene.frame(ACCEPTED), "replica"), scene.frame(ACCEPTED).times
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            if self._renewed(scene, pool):
                continue
            members = [one for one in scene.replicas if one.pool == pool and one.entity.id in rows]
            hit: list[tuple[Replica, Shift]] = []
            for one in members:
                ill = scene.troubled.get(str(one.entity), ())
                shift = shifted(
                    times, rows[one.entity.id], recent=self.recent_seconds, now=scene.now, ill=ill
                )
                if shift is not None and self._decayed(shift):
                    hit.append((one, shift))
            if len(hit) > 1 and 2 * len(hit) >= len(members):
                yield self._finding(scene, pool, hit)
            else:
                for found in hit:
                    yield self._finding(scene, "", [found])

    def _renewed(self, scene: Scene, pool: str) -> bool:
        return any(
            change.pool == pool
            and change.kind in {"model", "rollout"}
            and change.at >= scene.now - ACCEPTED.lookback
            for change in scene.changes
        )

    def _decayed(self, shift: Shift) -> bool:
        return (
            shift.after <= self.left * shift.before
            and shift.before - shift.after >= self.least_drop
        )

    def _finding(self, scene: Scene, pool: str, hit: list[tuple[Replica, Shift]]) -> Finding:
        first, shift = hit[0]
        entity = identity.pool(pool) if pool else first.entity
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=min(one.since for _, one in hit),
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=tuple(self._evidence(scene, *one) for one in hit[:8]),
            text=f"{entity.label} accepts {shift.after:.0%} of drafted tokens, "
            f"{shift.before:.0%} before.",
            pool=first.pool,
            model=first.model,
            related=tuple(one.entity for one, _ in hit)[:50],
        )

    def _evidence(self, scene: Scene, one: Replica, shift: Shift) -> Evidence:
        return say(
            ACCEPTED, one.entity, shift.since, scene.now,
            f"{shift.after:.0%} of drafted tokens are accepted, {shift.before:.0%} before.",
            observed=shift.after, expected=shift.before, lower=self.left * shift.before,
        )  # fmt: skip
