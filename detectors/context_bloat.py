"""A tenant's prompts grow from day to day."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats

from detectors._evidence import pool_of, say
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

DAY = 86_400.0
PROMPTS = Watch(signals.TENANT_DAILY_PROMPT, 14 * DAY, DAY, every=3600.0)


@dataclass(frozen=True, slots=True)
class ContextBloat(Detector):
    """Each day's prompts are longer than the day's before, for a week or two.

    A trend, not a step: the days must stand in order of length (Kendall's rank correlation), and
    the growth is the median of the slopes between any two days (Theil-Sen, on the log scale), so
    that one long batch decides nothing. How many calls there are does not matter.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.CONTEXT_BLOAT
    watches: ClassVar[tuple[Watch, ...]] = (PROMPTS,)

    growth: float = 0.007
    """Of the prompt, a day; from one per cent a day is reported."""
    whole: float = 1.07
    """Newest day over the oldest by the trend: a week at one per cent."""
    order: float = 0.75
    """Kendall's rank correlation of length with time."""
    least_days: int = 7
    """Days that must be known."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant whose prompts grow, once for each of its models."""
        frame = scene.frame(PROMPTS)
        worst: dict[str, tuple[float, str, Array]] = {}
        for labels, row in frame.rows():
            tenant, trend = labels.get("tenant", ""), self._trend(frame.times, row)
            if tenant and trend is not None and trend > worst.get(tenant, (0.0, "", row))[0]:
                worst[tenant] = trend, labels.get("model", ""), row
        for tenant, (trend, model, row) in sorted(worst.items()):
            yield self._finding(scene, frame.times, tenant, trend, model, row)

    def _trend(self, times: Array, row: Array) -> float | None:
        """Growth a day; None where there is no such trend."""
        known = np.isfinite(row) & (row > 0.0)
        if np.count_nonzero(known) < self.least_days:
            return None
        days, logs = times[known] / DAY, np.log(row[known])
        if np.ptp(logs) == 0.0:
            return None
        order = float(stats.kendalltau(days, logs).statistic)
        slope = float(stats.theilslopes(logs, days).slope)
        grown = float(np.exp(slope * np.ptp(days)))
        if order < self.order or np.expm1(slope) < self.growth or grown < self.whole:
            return None
        return float(np.expm1(slope))

    def _finding(
        self, scene: Scene, times: Array, tenant: str, trend: float, model: str, row: Array
    ) -> Finding:
        entity = identity.tenant(tenant)
        known = np.flatnonzero(np.isfinite(row))
        first, since = float(row[known[0]]), float(times[known[0]])
        newest = float(row[known[-1]])
        text = (
            f"Prompts of {tenant} to {model} grow by {trend:.1%} a day: {newest:,.0f} tokens a "
            f"call, {first:,.0f} {(scene.now - since) / DAY:.0f} days ago."
        )
        evidence = say(
            PROMPTS, entity, since, scene.now, text,
            observed=newest, expected=first, upper=first * self.whole,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=text,
            pool=pool_of(scene, model),
            model=model,
            tenant=tenant,
        )
