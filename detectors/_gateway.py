"""What the gateway saw of one model: the witness that neither engine nor scrape can silence."""

from dataclasses import dataclass

import numpy as np

from detectors._evidence import average, span
from vocabulary import signals
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 3600.0
STEP = 30.0
ATTEMPTS = Watch(signals.GATEWAY_ATTEMPT_RATE, LOOKBACK, STEP)
ATTEMPT_ERRORS = Watch(signals.GATEWAY_ATTEMPT_ERROR_RATE, LOOKBACK, STEP)
OPERATIONS = Watch(signals.GATEWAY_OPERATION_RATE, LOOKBACK, STEP)
ERRORS = Watch(signals.GATEWAY_ERROR_RATE, LOOKBACK, STEP)
WATCHES = (ATTEMPTS, ATTEMPT_ERRORS, OPERATIONS, ERRORS)


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Calls a second over the last hour; all NaN where the gateway knows nothing of the model."""

    times: Array
    attempts: Array
    attempt_errors: Array
    operations: Array
    errors: Array

    @property
    def known(self) -> bool:
        """Whether the gateway saw calls to this model at any time in the hour."""
        return bool((self.attempts > 0.0).any() or (self.operations > 0.0).any())

    def error_share(self, start: float, end: float) -> float:
        """Share of users' calls that failed; NaN without calls."""
        return self._share(self.errors, self.operations, start, end)

    def attempt_error_share(self, start: float, end: float) -> float:
        """Share of upstream calls that failed; NaN without calls."""
        return self._share(self.attempt_errors, self.attempts, start, end)

    def served(self, start: float, end: float) -> float:
        """Upstream calls a second that succeeded; NaN when not known."""
        return average(span(self.times, self.attempts - self.attempt_errors, start, end))

    def trouble(self, now: float, since: float) -> bool:
        """Whether upstream calls fail clearly more since *since* than in the time before."""
        share = self.attempt_error_share(since, now)
        before = self.attempt_error_share(float(self.times[0]), since - STEP)
        usual = before if np.isfinite(before) else 0.0
        return bool(share > max(0.02, 3.0 * usual))

    def _share(self, part: Array, whole: Array, start: float, end: float) -> float:
        total = average(span(self.times, whole, start, end))
        return average(span(self.times, part, start, end)) / total if total > 0.0 else float("nan")


def traffic(scene: Scene, model: str, pool: str = "") -> Traffic:
    """The traffic of *model*, by its name or by its pool's where the gateway uses that."""
    times = scene.frame(ATTEMPTS).times
    attempts = _row(scene, ATTEMPTS, model, pool, len(times))
    operations = _row(scene, OPERATIONS, model, pool, len(times))
    return Traffic(
        times,
        attempts,
        _counted(_row(scene, ATTEMPT_ERRORS, model, pool, len(times)), attempts),
        operations,
        _counted(_row(scene, ERRORS, model, pool, len(times)), operations),
    )


def _row(scene: Scene, watch: Watch, model: str, pool: str, size: int) -> Array:
    frame = scene.frame(watch)
    for name in (model, pool):
        row = frame.row(model=name) if name else None
        if row is not None:
            return row
    return np.full(size, np.nan)


def _counted(part: Array, whole: Array) -> Array:
    """A label value that never occurred has no series: while the whole is counted, it is zero."""
    return np.where(np.isfinite(part), part, np.where(np.isfinite(whole), 0.0, np.nan))
