"""Prompts that used to be found in the prefix cache are computed again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, say
from detectors._shift import Shift, shifted
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
HITS = Watch(signals.PREFIX_HIT_RATIO, LOOKBACK, 60.0, every=60.0)
INPUT = Watch(signals.INPUT_TOKEN_RATE, LOOKBACK, 60.0, every=60.0)


@dataclass(frozen=True, slots=True)
class PrefixCacheCollapse(Detector):
    """Prefix cache hits fall on the whole pool while prompts keep coming.

    A changed template, an evicting neighbour or another router do this. A single fresh replica has
    a cold cache for a while and is left out; where half of the pool is fresh, nothing is said.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PREFIX_CACHE_COLLAPSE
    watches: ClassVar[tuple[Watch, ...]] = (HITS, INPUT)

    recent_seconds: float = 900.0
    """The newest stretch that is judged."""
    left: float = 0.7
    """Share of the usual hit ratio below which it has collapsed."""
    least_drop: float = 0.08
    """Least fall of the hit ratio itself: a tenth of almost nothing costs nobody anything."""
    warm_seconds: float = 1800.0
    """Age before which a replica's cache counts as cold. Our judgement."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool whose hits collapsed."""
        times = scene.frame(HITS).times
        rows, weights = by(scene.frame(HITS), "replica"), by(scene.frame(INPUT), "replica")
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            members = [one for one in scene.replicas if one.pool == pool]
            warm = [one for one in members if scene.now - one.first_seen >= self.warm_seconds]
            told = [one.entity.id for one in warm if one.entity.id in rows]
            if not told or 2 * len(warm) <= len(members):
                continue
            ratio = _weighted(
                [rows[name] for name in told],
                [weights.get(name, np.ones(len(times))) for name in told],
            )
            ill = scene.troubled.get(f"pool/{pool}", ())
            shift = shifted(times, ratio, recent=self.recent_seconds, now=scene.now, ill=ill)
            if shift is not None and self._collapsed(shift):
                yield self._finding(scene, pool, members[0].model, shift)

    def _collapsed(self, shift: Shift) -> bool:
        return (
            shift.after < self.left * shift.before and shift.before - shift.after >= self.least_drop
        )

    def _finding(self, scene: Scene, pool: str, model: str, shift: Shift) -> Finding:
        entity = identity.pool(pool)
        more = (1.0 - shift.after) / max(1.0 - shift.before, 1e-9)
        text = (
            f"{shift.after:.0%} of prompt tokens of {entity.label} are found cached, "
            f"{shift.before:.0%} before: {more:.1f} times as many are computed."
        )
        evidence = say(
            HITS, entity, shift.since, scene.now, text,
            observed=shift.after, expected=shift.before, lower=self.left * shift.before,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=shift.since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=model,
        )


def _weighted(rows: list[Array], weights: list[Array]) -> Array:
    """The pool's ratio: each replica counts for the prompts it takes."""
    values, heavy = np.vstack(rows), np.vstack(weights)
    heavy = np.where(np.isfinite(values) & (heavy > 0.0), heavy, 0.0)
    total = heavy.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0.0, np.nansum(values * heavy, axis=0) / total, np.nan))
