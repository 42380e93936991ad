"""The readings of a GPU stand still while the engine on it does now more and now less."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, newest, say, span
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Gpu
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK, STEP = 2700.0, 30.0
POWER = Watch(signals.GPU_POWER, LOOKBACK, STEP, every=60.0)
TEMPERATURE = Watch(signals.GPU_TEMPERATURE, LOOKBACK, STEP, every=60.0)
BUSY = Watch(signals.GPU_UTILIZATION, LOOKBACK, STEP, every=60.0)
CLOCK = Watch(signals.GPU_SM_CLOCK, LOOKBACK, STEP, every=60.0)
TOKENS = Watch(signals.STEP_TOKEN_RATE, LOOKBACK, STEP, every=60.0)
READINGS = (POWER, TEMPERATURE, BUSY, CLOCK)


@dataclass(frozen=True, slots=True)
class StickyGpuTelemetry(Detector):
    """Power, heat, use and clock of a GPU are each one figure, while its load moves.

    NVML tells power in milliwatts, so that a board at work never shows the same figure for a
    quarter of an hour. A board may be steady in one reading (a locked clock, a full utilisation),
    not in all; and an engine without work, or with the same work all the time, proves nothing.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.STICKY_GPU_TELEMETRY
    watches: ClassVar[tuple[Watch, ...]] = (*READINGS, TOKENS)

    hold_seconds: float = 900.0
    """How long no reading moves. Our judgement."""
    least_points: int = 20
    """Readings in that time that must be known."""
    moves: float = 0.2
    """Spread of the engine's token rate over its mean (tenth to ninetieth percentile) from which
    the load has moved."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every node with GPUs whose readings stick."""
        rows = {watch: by(scene.frame(watch), "gpu") for watch in READINGS}
        tokens = by(scene.frame(TOKENS), "replica")
        hit: dict[str, list[tuple[Gpu, float]]] = {}
        for one in scene.gpus:
            mine = {watch: rows[watch].get(one.entity.id) for watch in READINGS}
            since = self._still_since(scene, mine)
            work = [tokens[name] for name in one.replicas if name in tokens]
            if since is not None and any(self._varied(scene, row) for row in work):
                hit.setdefault(one.node, []).append((one, since))
        for name, some in sorted(hit.items()):
            yield self._finding(scene, name, some, newest(rows[POWER][some[0][0].entity.id]))

    def _varied(self, scene: Scene, row: Array) -> bool:
        times = scene.frame(TOKENS).times
        lately = span(times, row, scene.now - self.hold_seconds, scene.now)
        lately = lately[np.isfinite(lately)]
        if lately.size < self.least_points or not average(lately) > 0.0:
            return False
        low, high = np.quantile(lately, (0.1, 0.9))
        return bool(high - low >= self.moves * average(lately))

    def _still_since(self, scene: Scene, rows: Mapping[Watch, Array | None]) -> float | None:
        """Since when every reading has been what it is now; None when one moved, or is not known.

        What a GPU does not tell says nothing; its power must be there.
        """
        times, since = scene.frame(POWER).times, 0.0
        if rows[POWER] is None:
            return None
        for row in rows.values():
            if row is None:
                continue
            seen = np.flatnonzero(np.isfinite(row))
            lately = seen[times[seen] >= scene.now - self.hold_seconds]
            if lately.size < self.least_points or np.ptp(row[lately]) > 0.0:
                return None
            if scene.now - times[lately[-1]] > 4.0 * STEP:
                return None
            other = seen[row[seen] != row[lately[-1]]]
            since = max(since, float(times[other[-1]] if other.size else times[seen[0]]))
        return since

    def _finding(
        self, scene: Scene, name: str, some: list[tuple[Gpu, float]], watts: float
    ) -> Finding:
        first, since = some[0][0], min(at for _, at in some)
        entity = first.entity if len(some) == 1 else identity.node(name)
        who = first.entity.label if len(some) == 1 else f"{len(some)} GPUs of {name}"
        text = (
            f"Power, temperature, use and clock of {who} have not moved for"
            f" {(scene.now - since) / 60.0:.0f} minutes while the load on them did."
        )
        evidence = say(
            POWER, first.entity, since, scene.now,
            f"{first.entity.label} shows {watts:.3f} W at every reading.", observed=watts,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=text[:290],
            related=tuple(one.entity for one, _ in some[:40]),
        )
