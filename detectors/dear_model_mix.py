"""A tenant's calls moved to a dearer model."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _prompts
from detectors._evidence import average, middle, pool_of, say, span, without
from estimators.bursts import share_burst
from estimators.onset import step_time
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 21_600.0
SPEND = Watch(signals.TENANT_SPEND, LOOKBACK, 120.0, every=60.0)
CALLS = Watch(signals.TENANT_OPERATION_RATE, LOOKBACK, 120.0, every=60.0)


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """One tenant's calls by model, and what a call to each costs."""

    models: tuple[str, ...]
    shares: Array
    """Shape (M, T): each model's share of the calls."""
    dollars: Array
    """Shape (M,): median dollars a call, before and after taken together."""
    calls: Array
    """Shape (T,): calls a second."""


@dataclass(frozen=True, slots=True)
class DearModelMix(Detector):
    """A tenant's calls move to a dearer model, so that each costs more.

    Only the mix counts: calls that grow in number or length are other failures' stories, and calls
    that move to a model of the same price are none.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.DEAR_MODEL_MIX
    watches: ClassVar[tuple[Watch, ...]] = (SPEND, CALLS, _prompts.PROMPTS)

    dearer: float = 1.25
    """Dollars a call, by the change of the mix alone, over before."""
    least_share: float = 0.1
    """Share of calls that must have moved: a tenth is the least that is reported."""
    recent_seconds: float = 1200.0
    """The newest stretch that is judged."""
    least_calls: float = 60.0
    """Calls in it."""
    bunched: float = 10.0
    """How much more calls scatter than independent ones do, at most."""
    chance: float = 1e-6
    """Probability of such a move by chance."""
    more: float = 1.3
    """Calls over before, from which those to the dear model came on top, if most of them did."""
    longer: float = 3.0
    """Prompts over the longest that are usual, from which a loop came on top and nothing moved."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant whose calls became dear."""
        times = scene.frame(CALLS).times
        tenants = {labels.get("tenant", "") for labels, _ in scene.frame(CALLS).rows()} - {""}
        for tenant in sorted(tenants):
            mix = _mix(scene, tenant)
            recent = span(times, mix.calls, scene.now - self.recent_seconds, scene.now)
            if len(mix.models) < 2 or not np.isfinite(mix.dollars).all():
                continue
            if not average(recent) * self.recent_seconds >= self.least_calls:
                continue
            finding = self._judge(scene, tenant, mix)
            if finding is not None:
                yield finding

    def _judge(self, scene: Scene, tenant: str, mix: Mix) -> Finding | None:
        times, entity = scene.frame(CALLS).times, identity.tenant(tenant)
        begin = scene.now - self.recent_seconds
        usual = [without(times, row, scene.troubled.get(str(entity), ())) for row in mix.shares]
        past = (float(times[0]), begin - 300.0)
        before = np.array([average(span(times, row, *past)) for row in usual])
        after = np.array([average(span(times, row, begin, scene.now)) for row in mix.shares])
        dear = int(np.argmax((after - before) * mix.dollars))
        ratio = float((after * mix.dollars).sum() / (before * mix.dollars).sum())
        if not (ratio >= self.dearer and after[dear] - before[dear] >= self.least_share):
            return None
        if not self._sure(scene, mix, dear, usual[dear], past):
            return None
        looped = middle(_prompts.growth(scene, tenant, mix.models[dear])[-10:]) >= self.longer
        if looped or self._on_top(scene, tenant, mix, dear):
            return None
        moved = step_time(times, usual[dear])
        since = moved if moved is not None and moved >= begin - 3600.0 else begin
        model = mix.models[dear]
        text = (
            f"{after[dear]:.0%} of the calls of {tenant} go to {model}, {before[dear]:.0%} before: "
            f"a call costs {ratio:.1f} times as much."
        )
        cost = float((before * mix.dollars).sum())
        evidence = say(
            SPEND, entity, since, scene.now, text,
            observed=ratio * cost, expected=cost, upper=self.dearer * cost,
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

    def _on_top(self, scene: Scene, tenant: str, mix: Mix, dear: int) -> bool:
        """Whether calls of the dear model came on top of the others, as those of a leaked key do.

        Held against the newest hour before that is not part of an incident.
        """
        times, ill = scene.frame(CALLS).times, scene.troubled.get(str(identity.tenant(tenant)), ())
        past = (float(times[0]), scene.now - self.recent_seconds - 300.0)
        grown = []
        for row in (mix.calls, mix.calls * mix.shares[dear]):
            calm = span(times, without(times, row, ill), *past)
            before = average(calm[np.isfinite(calm)][-round(3600.0 / CALLS.step) :])
            grown.append((average(row[-round(600.0 / CALLS.step) :]), before))
        (total, total_before), (there, there_before) = grown
        added = total - total_before
        return total >= self.more * total_before and added >= 0.5 * (there - there_before)

    def _sure(
        self, scene: Scene, mix: Mix, dear: int, usual: Array, past: tuple[float, float]
    ) -> bool:
        """Whether so many calls of the dear model are no chance, and still come.

        Calls come in bursts: each counts for a tenth of one that comes by itself.
        """
        times, begin = scene.frame(CALLS).times, scene.now - self.recent_seconds
        dear_calls = mix.calls * usual
        all_calls = np.where(np.isfinite(dear_calls), mix.calls, np.nan)
        step = CALLS.step
        bad, total, bad_before, total_before = (
            step * float(np.nansum(span(times, row, *stretch)))
            for stretch, rows in (
                ((begin, scene.now), (mix.calls * mix.shares[dear], mix.calls)),
                (past, (dear_calls, all_calls)),
            )
            for row in rows
        )
        burst = share_burst(bad, total, bad_before, total_before, self.bunched)
        newest = average(mix.shares[dear][-4:])
        return burst is not None and burst.p_value < self.chance and newest > burst.expected


def _mix(scene: Scene, tenant: str) -> Mix:
    calls, spend = scene.frame(CALLS).where(tenant=tenant), scene.frame(SPEND).where(tenant=tenant)
    models = tuple(sorted({labels["model"] for labels, _ in calls.rows() if labels.get("model")}))
    rates = np.zeros((len(models), len(calls.times)))
    for index, model in enumerate(models):
        row = calls.row(model=model)
        rates[index] = np.nan_to_num(row) if row is not None else 0.0
    total = rates.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(total > 0.0, rates / total, np.nan)
        dollars = np.array([_each(spend.row(model=model), rates[index])
                            for index, model in enumerate(models)])  # fmt: skip
    return Mix(models, shares, dollars, total)


def _each(spend: Array | None, rate: Array) -> float:
    """Dollars a call to one model; NaN where they are not known."""
    if spend is None:
        return float("nan")
    both = np.isfinite(spend) & (rate > 0.0)
    return float(np.median(spend[both] / 3600.0 / rate[both])) if both.any() else float("nan")
