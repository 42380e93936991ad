"""Host memory of a server grows and grows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, say, span
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

MEMORY = Watch(signals.HOST_MEMORY, 14_400.0, 300.0, every=300.0)
STARTED = Watch(signals.ENGINE_START, 14_400.0, 300.0, every=300.0)


@dataclass(frozen=True, slots=True)
class Growth:
    """How one replica's memory grew over the stretch that is judged."""

    since: float
    before: float
    now: float
    per_second: float

    @property
    def doubles_in(self) -> float:
        """Seconds until it has twice what it has now, should it go on like this."""
        return self.now / self.per_second


@dataclass(frozen=True, slots=True)
class HostMemoryLeak(Detector):
    """Resident memory of a server rises steadily and is on its way to double.

    A cache fills quickly and then no more; what rises as fast in the second half as in the first is
    never given back. No page says where the container's limit lies, so the time to double stands
    for it. An engine's core is a process of its own: what leaks there does not show here.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.HOST_MEMORY_LEAK
    watches: ClassVar[tuple[Watch, ...]] = (MEMORY, STARTED)

    stretch_seconds: float = 5400.0
    """The newest stretch that is judged."""
    warm_seconds: float = 1800.0
    """Age before which a process still fills its caches."""
    least_growth: float = 0.04
    """Growth in that stretch over what it had."""
    doubles_within: float = 172_800.0
    """Seconds to double within which it is worth a ticket: two days."""
    steady: float = 0.8
    """Share of the looks at which it must have risen."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that leaks: each has its own limit, and is started anew on its own."""
        memory, started = by(scene.frame(MEMORY), "replica"), by(scene.frame(STARTED), "replica")
        for one in scene.replicas:
            name = one.entity.id
            if name in memory:
                growth = self._growth(scene, memory[name], started.get(name))
                if growth is not None:
                    yield self._finding(scene, one, growth)

    def _growth(self, scene: Scene, row: Array, started: Array | None) -> Growth | None:
        times, begin = scene.frame(MEMORY).times, scene.now - self.stretch_seconds
        if started is not None and np.isfinite(started).any():
            born = float(np.nanmax(started))
            if born + self.warm_seconds > begin:
                return None
        values, at = span(times, row, begin, scene.now), span(times, times, begin, scene.now)
        known = np.isfinite(values)
        values, at = values[known], at[known]
        if values.size < 12 or not values[0] > 0.0:
            return None
        middle = values.size // 2
        first, second = values[middle] - values[0], values[-1] - values[middle]
        per_second = (values[-1] - values[0]) / (at[-1] - at[0])
        if values[-1] < (1.0 + self.least_growth) * values[0] or second < 0.5 * first:
            return None
        if first <= 0.0 or np.mean(np.diff(values) > 0.0) < self.steady:
            return None
        growth = Growth(self._onset(times, row), values[0], values[-1], per_second)
        return growth if growth.doubles_in <= self.doubles_within else None

    def _onset(self, times: Array, row: Array) -> float:
        """When it began to rise: the first look of the rises that reach the present."""
        known = np.isfinite(row)
        values, at = row[known], times[known]
        flat = np.flatnonzero(np.diff(values) <= 0.0)
        return float(at[flat[-1] + 1]) if flat.size else float(at[0])

    def _finding(self, scene: Scene, one: Replica, growth: Growth) -> Finding:
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=growth.since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=(self._evidence(scene, one, growth),),
            text=f"Host memory of {one.entity.label} grows without end and doubles in "
            f"{growth.doubles_in / 3600.0:.0f} h.",
            pool=one.pool,
            model=one.model,
        )

    def _evidence(self, scene: Scene, one: Replica, growth: Growth) -> Evidence:
        return say(
            MEMORY, one.entity, growth.since, scene.now,
            f"{growth.now / 1e9:.2f} GB resident, {growth.before / 1e9:.2f} GB "
            f"{self.stretch_seconds / 60.0:.0f} minutes ago, without a pause.",
            observed=growth.now, expected=growth.before,
            upper=(1.0 + self.least_growth) * growth.before,
        )  # fmt: skip
