"""Tokens come slower than the same load explained before, and stay so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _load
from detectors._evidence import average, say
from detectors._load import Pace
from detectors._throttling import THROTTLED, faulty_reasons
from estimators import load_model
from estimators.load_model import LoadModel
from estimators.onset import Flags, step_time
from estimators.two_windows import Comparison, compare, went_away
from fleet import identity
from vocabulary import failure_modes
from vocabulary.contracts import Detector
from vocabulary.entities import Change, Entity, EntityKind, Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

CHANGES = frozenset({"rollout", "config", "driver", "restart", "node"})
"""Kinds of change that can make an engine slower. Another model is another baseline instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Slower:
    """One replica that lost pace."""

    pace: Pace
    comparison: Comparison
    since: float
    change: Change | None
    expected: float
    observed: float
    sigma: float


@dataclass(frozen=True, slots=True)
class ThroughputRegression(Detector):
    """A replica or pool decodes slower at equal load than before.

    Tokens a second say nothing by themselves: below saturation they are the arrival rate. So time
    between tokens is regressed on batch, cache and prompt load, pooled over the replicas of one
    model, on the time before a change (or before the last half hour), and what is left is
    compared. A quiet hour and a batch change the load, not what is left. Another model is another
    baseline; another revision of the same model is not.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.THROUGHPUT_REGRESSION
    watches: ClassVar[tuple[Watch, ...]] = (*_load.WATCHES, THROTTLED)

    after_seconds: float = 1200.0
    """The newest stretch that is judged."""
    least_after: float = 300.0
    """Least time since a change before it is judged."""
    settle_seconds: float = 1800.0
    """Without a known change: how far before now the baseline ends."""
    warm_up_seconds: float = 600.0
    """After a start: caches fill and graphs are captured for two to ten minutes."""
    rollout_seconds: float = 3600.0
    """A step later than this after a change has another reason; rollouts take 5 to 30 minutes."""
    effect_with_change: float = 0.07
    """Slowdown that counts after a known change: noise at equal load is about 3 %."""
    effect_without: float = 0.15
    """Slowdown that counts when nothing is known to have changed."""
    surely: float = 0.03
    """Lower end of the 99 % interval of the slowdown."""
    extrapolation: float = 0.1
    """Demanded in addition for each load range by which the present lies outside the baseline."""
    paging_slowdown: float = 0.5
    """Slowdown of half a pool from which somebody is woken."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Pools, or single replicas, that became slower."""
        groups = sorted({(one.pool, one.model) for one in scene.replicas})
        for pool, model in groups:
            members = [one for one in scene.replicas if (one.pool, one.model) == (pool, model)]
            times, paces = _load.paces(scene, pool, model, self.warm_up_seconds)
            slower = list(self._slower(scene, times, paces, pool))
            if slower:
                yield from self._findings(scene, pool, model, members, slower)

    def _slower(self, scene: Scene, times: Array, paces: list[Pace], pool: str) -> Iterable[Slower]:
        """Replicas slower than the model fitted on the time before explains."""
        changes = [self._change(scene, pace, pool) for pace in paces]
        quiet = scene.now - self.settle_seconds
        before = [
            (times < (change.at if change else quiet)) & ~_troubled(scene, times, pace, pool)
            for pace, change in zip(paces, changes, strict=True)
        ]
        if not paces:
            return
        x = np.vstack([pace.loads[usable] for pace, usable in zip(paces, before, strict=True)])
        y = np.concatenate([one.seconds[usable] for one, usable in zip(paces, before, strict=True)])
        model = load_model.fit(x, y)
        if model is None:
            return
        pooled = model.residual(x, y)
        for pace, change, usable in zip(paces, changes, before, strict=True):
            if pace.known is None:
                continue
            one = self._judge(scene, times, pace, model, usable, pooled, change)
            if one is not None:
                yield one

    def _judge(
        self,
        scene: Scene,
        times: Array,
        pace: Pace,
        model: LoadModel,
        before: Flags,
        pooled: Array,
        change: Change | None,
    ) -> Slower | None:
        residual = model.residual(pace.loads, pace.seconds)
        begin = max(change.at if change else 0.0, scene.now - self.after_seconds)
        after = times > begin
        baseline = residual[before]
        if np.isfinite(baseline).sum() < 10:
            baseline = pooled
        found = compare(baseline, residual[after], floor=0.01)
        if found is None or went_away(baseline, residual[after]):
            return None
        dated = step_time(times, np.where(times < begin - 3600.0, np.nan, residual)) or begin
        if change is not None and dated - change.at > self.rollout_seconds:
            change = None
        present = after & np.isfinite(residual)
        slack = self.extrapolation * average(model.beyond(pace.loads[present]))
        least = self.effect_with_change if change else self.effect_without
        chance = 1e-3 if change else 1e-5
        sure = found.lower >= np.log1p(self.surely) + slack
        if not sure or found.effect < np.log1p(least) + slack or found.p_value > chance:
            return None
        since = max(dated, change.at) if change else dated
        expected = average(model.predict(pace.loads[present]))
        observed = average(pace.seconds[present])
        return Slower(pace, found, since, change, expected, observed, model.sigma)

    def _change(self, scene: Scene, pace: Pace, pool: str) -> Change | None:
        """The newest change that concerns this replica and is old enough to be judged."""
        oldest = scene.now - _load.LOOKBACK + 1200.0
        node = pace.known.node if pace.known else ""
        for change in reversed(scene.changes):
            whole_pool = change.pool == pool and change.entity.kind is not EntityKind.REPLICA
            its_node = change.entity.kind is EntityKind.NODE and change.entity.id == node
            about = change.entity == pace.entity or whole_pool or its_node
            old_enough = oldest <= change.at <= scene.now - self.least_after
            if about and old_enough and change.kind in CHANGES:
                return change
        return None

    def _findings(
        self, scene: Scene, pool: str, model: str, members: list[Replica], slower: list[Slower]
    ) -> Iterable[Finding]:
        changed = next((one.change for one in slower if one.change), None)
        alone = len(slower) == 1 and len(members) > 1
        if alone and changed is None:
            (one,) = slower
            if one.pace.known and faulty_reasons(scene).keys() & set(one.pace.known.gpus):
                return  # a GPU is held down for a fault: that detector tells the story
            yield self._finding(scene, one.pace.entity, pool, model, members, slower)
            return
        yield self._finding(scene, identity.pool(pool), pool, model, members, slower)

    def _finding(
        self,
        scene: Scene,
        entity: Entity,
        pool: str,
        model: str,
        members: list[Replica],
        slower: list[Slower],
    ) -> Finding:
        slowdown = float(np.expm1(np.median([one.comparison.effect for one in slower])))
        change = next((one.change for one in slower if one.change), None)
        wide = 2 * len(slower) >= len(members)
        loud = wide and slowdown >= self.paging_slowdown
        why = f" since {change.what}" if change else ", and no change is known"
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=min(one.since for one in slower),
            at=scene.now,
            severity=Severity.CRITICAL if loud else Severity.WARNING,
            confidence=0.9 if change else 0.6,
            evidence=tuple(_evidence(scene, one) for one in slower[:8]),
            text=f"{len(slower)} of {len(members)} replicas of {pool} take {slowdown:.0%} longer"
            f" for a token at equal load{why}.",
            pool=pool,
            model=model,
            related=tuple(one.pace.entity for one in slower)[:50],
        )


def _evidence(scene: Scene, one: Slower) -> Evidence:
    lower, upper = (one.expected * float(np.exp(side * 3.0 * one.sigma)) for side in (-1.0, 1.0))
    effect = one.comparison
    return say(
        _load.ITL, one.pace.entity, one.since, scene.now,
        f"{one.observed * 1e3:.1f} ms between tokens; this load explains {one.expected * 1e3:.1f}"
        f" ms ({np.expm1(effect.lower):+.0%} to {np.expm1(effect.upper):+.0%}, 99 %).",
        observed=one.observed, expected=one.expected, lower=lower, upper=upper,
    )  # fmt: skip


def _troubled(scene: Scene, times: Array, pace: Pace, pool: str) -> Flags:
    inside = np.zeros(len(times), dtype=bool)
    for name in (str(pace.entity), str(identity.pool(pool))):
        for start, end in scene.troubled.get(name, ()):
            inside |= (times >= start) & (times <= end)
    return inside
