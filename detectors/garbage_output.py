"""Answers of one engine no longer end by themselves: they run into their limit, all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, middle, say, span, without
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Entity, Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
CUT = Watch(signals.CUT_SHARE, LOOKBACK, 60.0, every=30.0)
FINISHED = Watch(signals.FINISHED_RATE, LOOKBACK, 60.0, every=30.0)
LENGTH = Watch(signals.ANSWER_LENGTH, LOOKBACK, 60.0, every=30.0)


@dataclass(frozen=True, slots=True)
class GarbageOutput(Detector):
    """Nearly every answer of an engine suddenly runs into its length limit.

    Noise never finds its end: broken weights, corrupted state and wrong kernels answer with status
    200 and keep every other light green. Where only one replica does it, its siblings answer the
    same callers, so it is the engine and wakes somebody; where a whole pool does it at once, it
    may as well be a caller's prompt or a new model. A pool whose answers always were cut says
    nothing here.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.GARBAGE_OUTPUT
    watches: ClassVar[tuple[Watch, ...]] = (CUT, FINISHED, LENGTH)

    cut: float = 0.75
    """Share of answers cut from which they count as noise; reports speak of nearly all
    (vllm#53480, vllm#35718)."""
    usual: float = 0.4
    """Share that was cut before, at most."""
    hold_seconds: float = 120.0
    """How long it must be so, beside the five minutes that the share looks back."""
    least_answers: float = 15.0
    """Answers in those five minutes: a few long ones are no sign."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that babbles, or the pool where all of them do."""
        shares, rates = by(scene.frame(CUT), "replica"), by(scene.frame(FINISHED), "replica")
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            members = [one for one in scene.replicas if one.pool == pool]
            told = [one for one in members if one.entity.id in shares]
            hit = [
                (one, since)
                for one in told
                for since in [
                    self._since(scene, one, shares[one.entity.id], rates.get(one.entity.id))
                ]
                if since is not None
            ]
            sane = [
                one
                for one in told
                if average(self._newest(scene, shares[one.entity.id])) <= self.usual
            ]
            if hit and len(hit) == len(told) and len(told) > 1:
                yield self._finding(scene, identity.pool(pool), hit, Severity.WARNING)
            else:
                loud = Severity.CRITICAL if sane else Severity.WARNING
                for one in hit:
                    yield self._finding(scene, one[0].entity, [one], loud)

    def _newest(self, scene: Scene, row: Array) -> Array:
        return span(scene.frame(CUT).times, row, scene.now - self.hold_seconds, scene.now)

    def _since(self, scene: Scene, one: Replica, share: Array, rate: Array | None) -> float | None:
        times = scene.frame(CUT).times
        lately = self._newest(scene, share)
        if rate is None or not np.isfinite(lately).any() or not np.nanmin(lately) >= self.cut:
            return None
        answers = average(span(times, rate, scene.now - 300.0, scene.now)) * 300.0
        if not answers >= self.least_answers:
            return None
        ill = scene.troubled.get(str(one.entity), ())
        before = middle(without(times, np.where(share >= self.cut, np.nan, share), ill))
        known = np.isfinite(share) & (share < self.usual)
        if not before <= self.usual or known.sum() < 5:
            return None
        rising = run_start(times, share, share > before + 0.1)
        return min(rising or scene.now, scene.now - self.hold_seconds)

    def _finding(
        self, scene: Scene, entity: Entity, hit: list[tuple[Replica, float]], severity: Severity
    ) -> Finding:
        since = min(began for _, began in hit)
        shares = by(scene.frame(CUT), "replica")
        now = float(
            np.mean([average(self._newest(scene, shares[one.entity.id])) for one, _ in hit])
        )
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=severity,
            confidence=0.9 if severity is Severity.CRITICAL else 0.5,
            evidence=tuple(line for one in hit[:8] for line in self._evidence(scene, *one)),
            text=f"{now:.0%} of the answers of {entity.label} run into their length limit.",
            pool=hit[0][0].pool,
            model=hit[0][0].model,
            related=tuple(one.entity for one, _ in hit)[:50],
        )

    def _evidence(self, scene: Scene, one: Replica, since: float) -> Iterable[Evidence]:
        times, name = scene.frame(CUT).times, one.entity.id
        row = by(scene.frame(CUT), "replica")[name]
        share = average(self._newest(scene, row))
        before = middle(np.where(row >= self.cut, np.nan, row))
        yield say(
            CUT, one.entity, since, scene.now,
            f"{share:.0%} of its answers are cut at their limit, {before:.0%} before.",
            observed=share, expected=before, upper=self.cut,
        )  # fmt: skip
        length = by(scene.frame(LENGTH), "replica").get(name)
        if length is not None:
            long = average(span(times, length, scene.now - 300.0, scene.now))
            short = middle(span(times, length, 0.0, since - 60.0))
            if long > short:
                yield say(
                    LENGTH, one.entity, since, scene.now,
                    f"Its answers run to {long:.0f} tokens, {short:.0f} before.",
                    observed=long, expected=short,
                )  # fmt: skip
