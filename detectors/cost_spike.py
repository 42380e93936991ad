"""A tenant spends far more than at the same hour of the week before."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors._evidence import middle, say, span, without
from estimators.onset import run_start
from estimators.robust import median
from estimators.seasonal import DAY, Band, SameHourOfWeek
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.expressions import Signal
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array, Frame
from vocabulary.scene import Scene, Watch

WINDOW = 900.0
"""Seconds every tenant rate looks back."""


def _recent(signal: Signal) -> Watch:
    return Watch(signal, 7200.0, 60.0)


def _history(signal: Signal) -> Watch:
    return Watch(signal, 15 * DAY, 900.0, every=900.0)


SPEND, SPEND_HISTORY = _recent(signals.TENANT_SPEND), _history(signals.TENANT_SPEND)
CALLS, CALLS_HISTORY = _recent(signals.TENANT_CALL_RATE), _history(signals.TENANT_CALL_RATE)
INPUT, INPUT_HISTORY = _recent(signals.TENANT_INPUT_RATE), _history(signals.TENANT_INPUT_RATE)
OUTPUT, OUTPUT_HISTORY = _recent(signals.TENANT_OUTPUT_RATE), _history(signals.TENANT_OUTPUT_RATE)


@dataclass(frozen=True, slots=True, eq=False)
class Bill:
    """One tenant's dollars an hour, newest and usual."""

    tenant: str
    model: str
    """The model whose part of the bill this is; empty for the whole bill."""
    recent: Array
    band: Band
    kin: bool
    """The band comes from other tenants: this one has no past."""


@dataclass(frozen=True, slots=True)
class CostSpike(Detector):
    """Spend above everything the same hour of the week explains, and still above now.

    A nightly batch is in the band of its hour; an agent that loops is not. Few weeks make a wide
    band. A tenant without a past is held against the others, widely and with less confidence. The
    evidence says whether calls became more or longer.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.COST_SPIKE
    watches: ClassVar[tuple[Watch, ...]] = (
        SPEND, SPEND_HISTORY, CALLS, CALLS_HISTORY,
        INPUT, INPUT_HISTORY, OUTPUT, OUTPUT_HISTORY,
    )  # fmt: skip

    season: SameHourOfWeek = field(default_factory=SameHourOfWeek)
    times_usual: float = 2.0
    """How many times the expected spend it must be at least; runaway agents run at 5 to 50."""
    least_usd_per_hour: float = 2.0
    """Below, nobody is woken or ticketed: a hobby key that doubles is no news."""
    page_usd_per_hour: float = 50.0
    """Projected dollars an hour above the usual from which somebody is woken; set it to what an
    hour until morning may cost you."""
    page_least_usd_per_hour: float = 10.0
    """A tenant that adds as much as all tenants together usually spend wakes somebody too, from
    this on: the bill doubles."""
    hold_seconds: float = 180.0
    """How long it must stay above; each value already averages 15 minutes."""
    kin_factor: float = 5.0
    """How many times the dearest sibling a tenant without a past may cost."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant whose spend runs away, as a whole or on one of its models."""
        spends = _by_tenant(scene.frame(SPEND))
        for tenant in sorted(spends):
            models = _dearest(scene.frame(SPEND), tenant)
            for model in ("", *(models if len(models) > 1 else ())):
                course = _course(scene.frame(SPEND), tenant, model)
                if course is None or not self._stays_above(scene, course, self.least_usd_per_hour):
                    continue  # quiet, whatever is usual
                bill = self._bill(scene, tenant, model, course, spends)
                if bill is not None and self._above(scene, bill):
                    yield self._finding(scene, bill, models[0] if models else "")
                    break

    def _bill(
        self, scene: Scene, tenant: str, model: str, course: Array, spends: dict[str, Array]
    ) -> Bill | None:
        recent, history = scene.frame(SPEND), scene.frame(SPEND_HISTORY)
        past = _course(history, tenant, model)
        if past is not None:
            calm = without(history.times, past, _troubled(scene, tenant))
            band = self.season.band(history.times, calm, scene.now)
            if band is not None:
                return Bill(tenant, model, course, band, kin=False)
        kin = None if model else self._kin(spends, recent.times, tenant)
        return Bill(tenant, model, course, kin, kin=True) if kin else None

    def _kin(self, spends: dict[str, Array], times: Array, tenant: str) -> Band | None:
        """Without a past: the tenant's own first hour and its dearest sibling, widely."""
        others = [middle(row) for name, row in spends.items() if name != tenant]
        own = middle(span(times, spends[tenant], 0.0, float(times[-1]) - 3600.0))
        levels = np.array([*others, own])
        levels = levels[np.isfinite(levels)]
        if not levels.size:
            return None
        expected = own if np.isfinite(own) else median(levels)
        return Band(expected, 0.0, self.kin_factor * float(levels.max()), 0)

    def _above(self, scene: Scene, bill: Bill) -> bool:
        limit = max(bill.band.upper, self.times_usual * bill.band.expected, self.least_usd_per_hour)
        return self._stays_above(scene, bill.recent, limit)

    def _stays_above(self, scene: Scene, course: Array, limit: float) -> bool:
        newest = span(scene.frame(SPEND).times, course, scene.now - self.hold_seconds, scene.now)
        known = newest[np.isfinite(newest)]
        return bool(known.size >= 3 and known.min() > limit)

    def _finding(self, scene: Scene, bill: Bill, dearest: str) -> Finding:
        entity = identity.tenant(bill.tenant)
        times, band = scene.frame(SPEND).times, bill.band
        now = float(bill.recent[-1])
        edge = max(min(band.upper, band.expected * self.times_usual), 0.5 * self.least_usd_per_hour)
        since = run_start(times, bill.recent, bill.recent > edge) or scene.now
        projected = self._projected(scene.now - since, now, band.expected)
        extra = projected - band.expected
        loud = extra >= self._page_from(scene, since) and not bill.kin
        where = f" on {bill.model}" if bill.model else ""
        evidence = [
            say(
                SPEND, entity, since, scene.now, _sentence(bill, now, projected),
                observed=now, expected=band.expected, lower=band.lower, upper=band.upper,
            ),
            *self._why(scene, bill, since),
        ]  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if loud else Severity.WARNING,
            confidence=0.5 if bill.kin else min(0.95, 0.7 + 0.03 * band.days),
            evidence=tuple(evidence),
            text=f"{bill.tenant} spends ${now:,.2f}/h{where}, usually ${band.expected:,.2f}/h at"
            f" this hour; at this pace ${projected:,.2f}/h.",
            model=bill.model or dearest,
            tenant=bill.tenant,
        )

    def _page_from(self, scene: Scene, since: float) -> float:
        """Dollars an hour above the usual that wake somebody."""
        recent = scene.frame(SPEND)
        before = [middle(span(recent.times, row, 0.0, since - 60.0))
                  for row in _by_tenant(recent).values()]  # fmt: skip
        bill = float(np.nansum(before)) if before else float("nan")
        doubled = max(bill, self.page_least_usd_per_hour) if bill > 0.0 else np.inf
        return min(self.page_usd_per_hour, doubled)

    def _projected(self, lasted: float, now: float, usual: float) -> float:
        """Where the rate settles: a window that began before the rise still averages it away."""
        filled = min(max(lasted / WINDOW, 0.25), 1.0)
        return usual + (now - usual) / filled if now > usual else now

    def _why(self, scene: Scene, bill: Bill, since: float) -> Iterable[Evidence]:
        """Whether calls became more, or prompts or answers longer."""
        entity = identity.tenant(bill.tenant)
        calls, usual_calls = self._now_and_usual(scene, CALLS, CALLS_HISTORY, bill)
        if calls > 0.0 and usual_calls > 0.0:
            yield say(
                CALLS, entity, since, scene.now,
                f"{calls / usual_calls:.1f} times the usual calls.",
                observed=calls, expected=usual_calls,
            )  # fmt: skip
        for name, watch, history in (
            ("prompt", INPUT, INPUT_HISTORY),
            ("answer", OUTPUT, OUTPUT_HISTORY),
        ):
            tokens, usual = self._now_and_usual(scene, watch, history, bill)
            if tokens > 0.0 and usual > 0.0 and calls > 0.0 and usual_calls > 0.0:
                longer = (tokens / calls) / (usual / usual_calls)
                yield say(
                    watch, entity, since, scene.now,
                    f"{longer:.1f} times the usual {name} tokens a call.",
                    observed=tokens, expected=usual,
                )  # fmt: skip

    def _now_and_usual(
        self, scene: Scene, watch: Watch, history: Watch, bill: Bill
    ) -> tuple[float, float]:
        recent = _course(scene.frame(watch), bill.tenant, bill.model)
        past = scene.frame(history)
        row = _course(past, bill.tenant, bill.model)
        now = middle(recent[-5:]) if recent is not None else float("nan")
        if row is None:
            return now, float("nan")
        calm = without(past.times, row, _troubled(scene, bill.tenant))
        band = self.season.band(past.times, calm, scene.now)
        return now, band.expected if band else float("nan")


def _sentence(bill: Bill, now: float, projected: float) -> str:
    text = f"${now:,.2f}/h over the last 15 minutes, on its way to ${projected:,.2f}/h; "
    if bill.kin:
        return text + f"no history yet, other tenants stay below ${bill.band.upper:,.2f}/h."
    return text + (
        f"the same hour on {bill.band.days} earlier days explains at most"
        f" ${bill.band.upper:,.2f}/h."
    )


def _by_tenant(frame: Frame) -> dict[str, Array]:
    """Each tenant's whole course."""
    names = {labels.get("tenant", "") for labels, _ in frame.rows()} - {""}
    courses = {name: _course(frame, name, "") for name in names}
    return {name: course for name, course in courses.items() if course is not None}


def _course(frame: Frame, tenant: str, model: str) -> Array | None:
    """A tenant's rows summed over models, or one model's; missing only where all of them are."""
    rows = frame.where(tenant=tenant, model=model) if model else frame.where(tenant=tenant)
    if not rows.labels:
        return None
    known = np.isfinite(rows.values).any(axis=0)
    return np.where(known, np.nansum(rows.values, axis=0), np.nan)


def _dearest(frame: Frame, tenant: str) -> tuple[str, ...]:
    costs = [(middle(row[-5:]), labels.get("model", "")) for labels, row in
             frame.where(tenant=tenant).rows()]  # fmt: skip
    return tuple(model for cost, model in sorted(costs, reverse=True) if cost > 0.0 and model)


def _troubled(scene: Scene, tenant: str) -> tuple[tuple[float, float], ...]:
    return scene.troubled.get(str(identity.tenant(tenant)), ())
