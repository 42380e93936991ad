"""A known caller suddenly calls the dearest model as strangers would who share its key."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors._evidence import average, middle, pool_of, say, span, without
from estimators.onset import run_start
from estimators.seasonal import DAY, SameHourOfWeek
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
CALLS = Watch(signals.TENANT_OPERATION_RATE, LOOKBACK, 60.0, every=60.0)
PROMPTS = Watch(signals.TENANT_PROMPT_LENGTH, LOOKBACK, 60.0, every=60.0)
SPEND = Watch(signals.TENANT_SPEND, 7200.0, 60.0)
HISTORY = Watch(signals.TENANT_CALL_RATE, 15 * DAY, 900.0, every=900.0)


@dataclass(frozen=True, slots=True)
class LeakedKey(Detector):
    """A known tenant's calls jump within minutes, and most go to the dearest model.

    A loop that runs away sends prompts that grow, a load test comes from somebody new, a nightly
    batch is in the band of its hour, and a rule that moves calls makes no more of them. Addresses
    and user agents would say more; they are personal data and never leave a gateway's page.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.LEAKED_KEY
    watches: ClassVar[tuple[Watch, ...]] = (CALLS, PROMPTS, SPEND, HISTORY)

    times_usual: float = 8.0
    """Calls to that model over the four hours before; 20 to 100 times are reported."""
    share: float = 0.5
    """Of the tenant's calls that go there now."""
    moved: float = 0.3
    """By how much that share has grown."""
    longer: float = 1.5
    """Prompts over before, from which it is a loop that reads itself."""
    least_calls: float = 0.5
    """Calls a second."""
    hold_seconds: float = 120.0
    """How long it must last; each value averages five minutes."""
    season: SameHourOfWeek = field(default=SameHourOfWeek())

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant whose key is probably abused."""
        frame = scene.frame(CALLS)
        model = _dearest(scene)
        tenants = {labels.get("tenant", "") for labels, _ in frame.where(model=model).rows()}
        for tenant in sorted(tenants - {""}) if model else ():
            rows = frame.where(tenant=tenant)
            known = np.isfinite(rows.values).any(axis=0)
            total = np.where(known, np.nansum(rows.values, axis=0), np.nan)
            row = rows.row(model=model)
            if row is None:
                continue
            ill = scene.troubled.get(str(identity.tenant(tenant)), ())
            there = np.where(np.isnan(row) & known, 0.0, row)  # not called before: no series
            if self._jumped(scene, frame.times, without(frame.times, total, ill), there) and (
                not self._expected(scene, tenant, model, there)
                and not self._longer(scene, tenant, model)
            ):
                yield self._finding(scene, tenant, model, there, total)

    def _jumped(self, scene: Scene, times: Array, total: Array, there: Array) -> bool:
        before = (float(times[0]), scene.now - 1200.0)
        known, usual = span(times, total, *before), middle(span(times, there, *before))
        known = known[known > 0.0]
        if known.size < 30:
            return False  # somebody new: nothing is known of how they call
        newest = span(times, there, scene.now - self.hold_seconds, scene.now)
        everything = np.maximum(span(times, total, scene.now - self.hold_seconds, scene.now), 1e-9)
        all_before = middle(known)
        share = average(newest / everything)
        return bool(
            newest.min() >= max(self.times_usual * usual, self.least_calls)
            and share >= self.share
            and share - usual / all_before >= self.moved
        )

    def _expected(self, scene: Scene, tenant: str, model: str, there: Array) -> bool:
        """Whether the same hour of earlier days had as many calls."""
        history = scene.frame(HISTORY)
        row = history.row(tenant=tenant, model=model)
        if row is None:
            return False
        ill = scene.troubled.get(str(identity.tenant(tenant)), ())
        band = self.season.band(history.times, without(history.times, row, ill), scene.now)
        return band is not None and float(there[-1]) <= band.upper

    def _longer(self, scene: Scene, tenant: str, model: str) -> bool:
        frame = scene.frame(PROMPTS)
        row = frame.row(tenant=tenant, model=model)
        if row is None:
            return False
        before = middle(span(frame.times, row, float(frame.times[0]), scene.now - 1200.0))
        return bool(middle(row[-3:]) >= self.longer * before)

    def _finding(
        self, scene: Scene, tenant: str, model: str, there: Array, total: Array
    ) -> Finding:
        times, entity = scene.frame(CALLS).times, identity.tenant(tenant)
        usual = middle(span(times, there, float(times[0]), scene.now - 1200.0))
        now = float(there[-1])
        since = run_start(times, there, there > max(2.0 * usual, 0.3 * now)) or scene.now
        share = now / max(float(total[-1]), 1e-9)
        more = (
            f"{now / usual:.0f} times as often as before" if usual > 0.0 else "for the first time"
        )
        text = (
            f"{tenant} calls {model} {more}, {now:.1f} calls a second and {share:.0%} of all its "
            "calls, with prompts as short as ever: its key is probably in other hands."
        )
        evidence = say(
            CALLS, entity, since, scene.now, text,
            observed=now, expected=usual, upper=self.times_usual * usual,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL,
            confidence=0.85,
            evidence=(evidence,),
            text=text,
            pool=pool_of(scene, model),
            model=model,
            tenant=tenant,
        )


def _dearest(scene: Scene) -> str:
    """The model of which a call cost most until lately; empty where fewer than two had a price."""
    calls, spend = scene.frame(CALLS), scene.frame(SPEND)
    costs = {}
    for model in {labels.get("model", "") for labels in map(dict, spend.labels)} - {""}:
        dollars, asked = (float(np.nansum(one.where(model=model).values[:, -120:-20]))
                          for one in (spend, calls))  # fmt: skip
        if asked > 0.0:
            costs[model] = dollars / asked
    return max(sorted(costs), key=lambda one: costs[one]) if len(costs) > 1 else ""
