"""A KV cache fills up with blocks that no request holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, middle, newest, say, span
from estimators.onset import run_start
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.expressions import Signal
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 7200.0


def _watch(signal: Signal) -> Watch:
    return Watch(signal, LOOKBACK, 60.0, every=30.0)


USAGE = _watch(signals.KV_USAGE_MEAN)
CAPACITY = _watch(signals.KV_CAPACITY)
RUNNING = _watch(signals.RUNNING_MEAN)
PROMPT = _watch(signals.PROMPT_LENGTH)
ANSWER = _watch(signals.ANSWER_LENGTH)


@dataclass(frozen=True, slots=True)
class KvTransferBroken(Detector):
    """More of the KV cache is held than its requests can hold, and it grows.

    Between prefill and decode, blocks are held until the other side says that it has them; where
    that word is lost they stay. What requests can hold follows from how many run and how long
    prompts and answers are, so that longer prompts and larger batches explain themselves. Wrong
    where an engine counts cached prefixes of nobody as used.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.KV_TRANSFER_BROKEN
    watches: ClassVar[tuple[Watch, ...]] = (USAGE, CAPACITY, RUNNING, PROMPT, ANSWER)

    times_held: float = 1.8
    """Tokens held for each token that the requests bring, over the same before."""
    more_running: float = 1.6
    """Requests running over before, at most: where more run, it is they who hold it."""
    least_usage: float = 0.3
    """Share of the cache in use from which it matters."""
    hold_seconds: float = 600.0
    """How long it must be so."""
    growth: float = 0.05
    """Share of the cache by which what is unexplained must have grown in twice that time."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose cache is held by nobody."""
        rows = {watch: by(scene.frame(watch), "replica") for watch in self.watches}
        for one in scene.replicas:
            if all(one.entity.id in found for found in rows.values()):
                finding = self._judge(scene, one, {w: rows[w][one.entity.id] for w in rows})
                if finding is not None:
                    yield finding

    def _judge(self, scene: Scene, one: Replica, row: dict[Watch, Array]) -> Finding | None:
        times, now = scene.frame(USAGE).times, scene.now
        brought = row[RUNNING] * (row[PROMPT] + row[ANSWER]) / np.maximum(row[CAPACITY], 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(row[RUNNING] >= 1.0, row[USAGE] / brought, np.nan)
        usual = middle(span(times, ratio, 0.0, now - 3.0 * self.hold_seconds))
        lately = span(times, ratio, now - self.hold_seconds, now)
        if not usual > 0.0 or not np.isfinite(lately).any():
            return None
        busy = average(span(times, row[RUNNING], now - self.hold_seconds, now))
        calm = middle(span(times, row[RUNNING], 0.0, now - 3.0 * self.hold_seconds))
        if not busy <= self.more_running * calm:
            return None
        full = average(span(times, row[USAGE], now - self.hold_seconds, now))
        if not np.nanmin(lately) >= self.times_held * usual or not full >= self.least_usage:
            return None
        unexplained = row[USAGE] - usual * brought
        early = average(
            span(times, unexplained, now - 2.5 * self.hold_seconds, now - 1.5 * self.hold_seconds)
        )
        late = average(span(times, unexplained, now - self.hold_seconds, now))
        if not late - early >= self.growth:
            return None
        since = run_start(times, ratio, ratio > 1.2 * usual) or now - self.hold_seconds
        return self._finding(scene, one, since, newest(row[USAGE]), late)

    def _finding(
        self, scene: Scene, one: Replica, since: float, usage: float, nobody: float
    ) -> Finding:
        text = (
            f"The KV cache of {one.entity.label} is {usage:.0%} full, and about {nobody:.0%} of it"
            " is held by no request."
        )
        evidence = say(
            USAGE, one.entity, since, scene.now, text,
            observed=usage, expected=max(0.0, usage - nobody),
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if usage >= 0.95 else Severity.WARNING,
            confidence=0.8,
            evidence=(evidence,),
            text=text,
            pool=one.pool,
            model=one.model,
        )
