"""Kubernetes kills busy pods because their health checks answer too late."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from detectors._evidence import by, middle, say, span
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Change, Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 3600.0
RUNNING = Watch(signals.RUNNING, LOOKBACK, 15.0)
WAITING = Watch(signals.WAITING, LOOKBACK, 15.0)
STEPS = Watch(signals.STEP_RATE, LOOKBACK, 15.0)


@dataclass(frozen=True, slots=True)
class ProbeKill(Detector):
    """A liveness probe killed a pod that was working, and more busy than usual.

    A stalled engine deserves the kill: only one whose steps went on until then was killed for being
    busy. Kubernetes tells of the kill in an event, or by the exit code of the restart.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PROBE_KILL
    watches: ClassVar[tuple[Watch, ...]] = (RUNNING, WAITING, STEPS)

    news_seconds: float = 900.0
    """How long a kill is news."""
    busier: float = 1.2
    """Requests inside before the kill over what is usual."""
    least_inside: float = 4.0
    """Requests inside below which nobody is busy."""
    many_seconds: float = 600.0
    """Two pods within this time wake somebody: the load moves on to those who are left."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that was killed for being busy; a pool where it were several."""
        found: dict[str, dict[str, tuple[Replica, list[tuple[Change, float, float]]]]] = {}
        for one in scene.replicas:
            busy = [kill for kill in self._kills(scene, one) if kill is not None]
            if busy:
                found.setdefault(one.pool, {})[one.entity.id] = (one, busy)
        for pool, hit in found.items():
            kills = sorted(kill[0].at for _, busy in hit.values() for kill in busy)
            close = any(b - a <= self.many_seconds for a, b in pairwise(kills))
            severity = Severity.CRITICAL if close else Severity.WARNING
            yield self._finding(scene, pool, list(hit.values()), severity)

    def _kills(self, scene: Scene, one: Replica) -> Iterable[tuple[Change, float, float] | None]:
        """Kills of a busy and working replica, with what was inside and what is usual."""
        inside, steps = self._inside(scene, one), by(scene.frame(STEPS), "replica")
        moved = steps.get(one.entity.id)
        for change in scene.changes:
            if change.entity != one.entity or not _by_probe(change):
                continue
            if scene.now - change.at > self.news_seconds or inside is None or moved is None:
                continue
            yield self._busy(scene, change, inside, moved)

    def _busy(
        self, scene: Scene, kill: Change, inside: Array, moved: Array
    ) -> tuple[Change, float, float] | None:
        times = scene.frame(RUNNING).times
        held = span(times, inside, kill.at - 75.0, kill.at)
        worked = span(times, moved, kill.at - 75.0, kill.at)
        usual = middle(span(times, inside, 0.0, kill.at - 300.0))
        if not np.isfinite(held).any() or not np.isfinite(worked).any():
            return None
        most = float(np.nanmax(held))
        if most < max(self.least_inside, self.busier * usual if np.isfinite(usual) else 0.0):
            return None
        return (kill, most, usual) if float(np.nanmin(worked)) > 0.0 else None

    def _inside(self, scene: Scene, one: Replica) -> Array | None:
        running = by(scene.frame(RUNNING), "replica").get(one.entity.id)
        if running is None:
            return None
        waiting = by(scene.frame(WAITING), "replica").get(one.entity.id)
        return running if waiting is None else running + np.nan_to_num(waiting)

    def _finding(
        self,
        scene: Scene,
        pool: str,
        hit: list[tuple[Replica, list[tuple[Change, float, float]]]],
        severity: Severity,
    ) -> Finding:
        first = hit[0][0]
        entity = identity.pool(pool) if len(hit) > 1 and pool else first.entity
        count = sum(len(kills) for _, kills in hit)
        times = "once" if count == 1 else f"{count} times"
        evidence = [line for one, kills in hit[:8] for line in self._evidence(one, kills)]
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=min(kill.at for _, kills in hit for kill, _, _ in kills) - 15.0,
            at=scene.now,
            severity=severity,
            confidence=0.9,
            evidence=tuple(evidence[:16]),
            text=f"{entity.label} was killed {times} by its own liveness probe while it was busy "
            "and working.",
            pool=pool,
            model=first.model,
            related=tuple(one.entity for one, _ in hit)[:50],
        )

    def _evidence(
        self, one: Replica, kills: list[tuple[Change, float, float]]
    ) -> Iterable[Evidence]:
        for kill, held, usual in kills[:2]:
            text = f"{held:.0f} requests inside when it was killed, and its steps went on"
            known = f"; {usual:.0f} are usual." if np.isfinite(usual) else "."
            yield say(
                RUNNING, one.entity, kill.at - 75.0, kill.at, text + known,
                observed=held, expected=usual,
            )  # fmt: skip


def _by_probe(change: Change) -> bool:
    """A kill by a liveness probe: by its event, or by a restart that says so."""
    if change.kind == "probe":
        return change.what.startswith("liveness")
    return change.kind == "restart" and "as after a failed liveness probe" in change.what
