"""A provider outside reads prompts anew that it used to have cached."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, say, span
from detectors._shift import Shift, shifted
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 21_600.0
CACHED = Watch(signals.TENANT_CACHED_SHARE, LOOKBACK, 120.0, every=60.0)
SPEND = Watch(signals.TENANT_SPEND, LOOKBACK, 120.0, every=60.0)
INPUT = Watch(signals.TENANT_INPUT_RATE, LOOKBACK, 120.0, every=60.0)
CALLS = Watch(signals.TENANT_CALL_RATE, LOOKBACK, 120.0, every=60.0)


@dataclass(frozen=True, slots=True)
class PromptCacheMiss(Detector):
    """A provider finds less of a tenant's prompts cached, and each token costs more.

    A time stamp or a new order of tools early in the prompt is enough. Where our own replicas
    serve the model, their prefix cache says more (`prefix_cache_collapse`). Prompts that became
    other prompts, much longer or shorter, are no miss.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PROMPT_CACHE_MISS
    watches: ClassVar[tuple[Watch, ...]] = (CACHED, SPEND, INPUT, CALLS)

    least_before: float = 0.3
    """Cached share before, below which there was little to lose."""
    left: float = 0.5
    """Cached share over before; from 0.8 to 0.1 is reported."""
    dearer: float = 1.2
    """Dollars a prompt token over before, where they are known."""
    longer: float = 1.5
    """Prompt tokens a call over before, either way, from which they are other prompts."""
    recent_seconds: float = 1800.0
    """The newest stretch that is judged."""
    least_calls: float = 60.0
    """Calls in it."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant whose prompts are paid in full again, by model."""
        ours = {name for one in scene.replicas for name in (one.model, one.pool)}
        times = scene.frame(CACHED).times
        found: dict[str, Finding] = {}
        for labels, row in scene.frame(CACHED).rows():
            tenant, model = labels.get("tenant", ""), labels.get("model", "")
            if not tenant or not model or model in ours or tenant in found:
                continue
            ill = scene.troubled.get(str(identity.tenant(tenant)), ())
            shift = shifted(times, row, recent=self.recent_seconds, now=scene.now, ill=ill)
            if shift is None or shift.before < self.least_before or shift.ratio > self.left:
                continue
            if self._same_prompts(scene, tenant, model, shift.since):
                found[tenant] = self._finding(scene, tenant, model, shift)
        yield from found.values()

    def _same_prompts(self, scene: Scene, tenant: str, model: str, since: float) -> bool:
        """Whether only their price changed: as many and as long as before, and dearer."""
        who = {"tenant": tenant, "model": model}
        tokens, calls, spend = (scene.frame(one).row(**who) for one in (INPUT, CALLS, SPEND))
        if tokens is None or calls is None:
            return False
        times = scene.frame(INPUT).times
        recent = average(span(times, calls, scene.now - self.recent_seconds, scene.now))
        longer = _change(times, tokens, calls, since, scene.now)
        if not recent * self.recent_seconds >= self.least_calls:
            return False
        if not 1.0 / self.longer <= longer <= self.longer:
            return False
        if spend is None:
            return True
        return not _change(times, spend, tokens, since, scene.now) < self.dearer

    def _finding(self, scene: Scene, tenant: str, model: str, shift: Shift) -> Finding:
        entity = identity.tenant(tenant)
        text = (
            f"{shift.after:.0%} of the prompts of {tenant} to {model} come from the provider's "
            f"cache, {shift.before:.0%} before: the rest is paid in full."
        )
        evidence = say(
            CACHED, entity, shift.since, scene.now, text,
            observed=shift.after, expected=shift.before, lower=self.left * shift.before,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=shift.since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=text,
            model=model,
            tenant=tenant,
        )


def _change(times: Array, part: Array, whole: Array, since: float, now: float) -> float:
    """*part* for each *whole* since a moment, over before; NaN where either is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(whole > 0.0, part / whole, np.nan)
    before = average(span(times, ratio, float(times[0]), since - 900.0))
    after = average(span(times, ratio, max(since, now - 900.0), now))
    return after / before if before > 0.0 else float("nan")
