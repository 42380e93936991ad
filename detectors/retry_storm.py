"""Each user call becomes several upstream calls, and the extra ones fail too."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, middle, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

FALLBACKS = Watch(signals.GATEWAY_FALLBACK_RATE, _gateway.LOOKBACK, _gateway.STEP)


@dataclass(frozen=True, slots=True)
class RetryStorm(Detector):
    """Retries multiply load on a model that already fails.

    A surge of users raises calls and attempts alike, so their ratio stays; a client that retries
    outside the gateway is not seen here. Calls that fell back count for the model they asked,
    though another answered them: what was tried for them there is no more than usual.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.RETRY_STORM
    watches: ClassVar[tuple[Watch, ...]] = (*_gateway.WATCHES, FALLBACKS)

    ratio: float = 2.0
    """Attempts for each call: layered retries of three make up to nine."""
    hold_seconds: float = 180.0
    """How long the ratio must hold; with the two minutes each rate looks back, five in all."""
    error_share: float = 0.05
    """Share of attempts that fail: retries of what succeeds are no storm."""
    least_attempts: float = 50.0
    """Attempts in that time: three calls that retry are no storm either."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every model in a storm."""
        for labels in scene.frame(_gateway.ATTEMPTS).labels:
            model = dict(labels).get("model", "")
            seen = _gateway.traffic(scene, model)
            finding = self._judge(scene, model, seen) if model and seen.known else None
            if finding is not None:
                yield finding

    def _judge(self, scene: Scene, model: str, seen: _gateway.Traffic) -> Finding | None:
        with np.errstate(divide="ignore", invalid="ignore"):
            asked = seen.operations + _fallbacks(scene, model)
            ratio = np.where(asked > 0.0, seen.attempts / asked, np.nan)
        begin = scene.now - self.hold_seconds
        newest = span(seen.times, ratio, begin, scene.now)
        if not np.isfinite(newest).any() or np.nanmin(newest) <= self.ratio:
            return None
        share = seen.attempt_error_share(begin, scene.now)
        attempts = average(span(seen.times, seen.attempts, begin, scene.now)) * self.hold_seconds
        if not share > self.error_share or attempts < self.least_attempts:
            return None
        usual = middle(ratio[: max(3, len(ratio) // 3)])
        edge = (usual + self.ratio) / 2.0 if usual < self.ratio else self.ratio
        since = min(run_start(seen.times, ratio, ratio > edge) or begin, begin)
        entity, pool = _entity(scene, model)
        observed = middle(newest)
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL,
            confidence=0.9,
            evidence=(
                say(
                    _gateway.ATTEMPTS, entity, since, scene.now,
                    f"{observed:.1f} upstream calls for each user's call, {usual:.1f} before.",
                    observed=average(span(seen.times, seen.attempts, since, scene.now)),
                    expected=average(span(seen.times, asked, since, scene.now)) * usual,
                ),
                say(
                    _gateway.ATTEMPT_ERRORS, entity, since, scene.now,
                    f"{share:.0%} of upstream calls fail.",
                    observed=average(span(seen.times, seen.attempt_errors, begin, scene.now)),
                ),
            ),
            text=f"Calls to {model} are tried {observed:.1f} times each and {share:.0%} of the"
            " tries fail.",
            pool=pool,
            model=model,
        )  # fmt: skip


def _fallbacks(scene: Scene, model: str) -> Array:
    """Calls a second for *model* that another answered; zero where the gateway tells of none."""
    frame = scene.frame(FALLBACKS)
    row = frame.row(model=model)
    return np.zeros(len(frame.times)) if row is None else np.nan_to_num(row)


def _entity(scene: Scene, model: str) -> tuple[Entity, str]:
    """The pool that serves *model*, or the gateway's route where no replica is known."""
    pools = sorted({one.pool for one in scene.replicas if model in {one.model, one.pool}} - {""})
    return (identity.pool(pools[0]), pools[0]) if pools else (identity.route(model), "")
