"""A provider outside refuses calls or fails them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch


@dataclass(frozen=True, slots=True)
class ProviderErrors(Detector):
    """Upstream calls fail to a model that no replica of ours serves.

    Retries and fallbacks hide it from users for a while; it pages when they do not. Replicas of
    ours that fail are other failures' stories.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PROVIDER_ERRORS
    watches: ClassVar[tuple[Watch, ...]] = _gateway.WATCHES

    share: float = 0.1
    """Share of upstream calls that fail; quotas that are used up refuse a fifth and more."""
    times_usual: float = 3.0
    """That share over before: some providers always refuse a few."""
    recent_seconds: float = 240.0
    """The newest stretch that is judged; each value averages two minutes."""
    least_failures: float = 20.0
    """Failed calls in it."""
    page_share: float = 0.144
    """Share of users' calls that fail, from which somebody is woken: 14.4 times what an objective
    of 99 % allows (Google SRE workbook, ch. 5)."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every model whose provider fails."""
        ours = {name for one in scene.replicas for name in (one.model, one.pool)}
        models = {labels.get("model", "") for labels, _ in scene.frame(_gateway.ATTEMPTS).rows()}
        for model in sorted(models - ours - {""}):
            finding = self._judge(scene, model, _gateway.traffic(scene, model))
            if finding is not None:
                yield finding

    def _judge(self, scene: Scene, model: str, seen: _gateway.Traffic) -> Finding | None:
        begin = scene.now - self.recent_seconds
        share = seen.attempt_error_share(begin, scene.now)
        failed = average(span(seen.times, seen.attempt_errors, begin, scene.now))
        if not (share >= self.share and failed * self.recent_seconds >= self.least_failures):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(seen.attempts > 0.0, seen.attempt_errors / seen.attempts, np.nan)
        since = min(run_start(seen.times, shares, shares > 0.5 * share) or begin, begin)
        usual = seen.attempt_error_share(float(seen.times[0]), since - _gateway.STEP)
        if usual * self.times_usual > share:
            return None
        users = seen.error_share(begin, scene.now)
        entity = identity.route(model)
        felt = (
            f"{users:.0%} of users' calls with them"
            if users > 0.0
            else "retries and fallbacks hide it"
        )
        text = (
            f"{share:.0%} of the calls to {model} are refused or fail at its provider, and {felt}; "
            "no replica of ours serves it."
        )
        evidence = say(
            _gateway.ATTEMPT_ERRORS, entity, since, scene.now, text,
            observed=failed, expected=usual * failed / share,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if users >= self.page_share else Severity.WARNING,
            confidence=0.8,
            evidence=(evidence,),
            text=text,
            model=model,
        )
