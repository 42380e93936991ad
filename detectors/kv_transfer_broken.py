"""KV cache between prefill and decode comes late, fails, or stays where nobody needs it."""

from collections.abc import Iterable, Mapping
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
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 7200.0
RATED = 300.0
"""Seconds over which failures and leases that end are counted, by their signals."""


def _watch(signal: Signal) -> Watch:
    return Watch(signal, LOOKBACK, 60.0, every=30.0)


USAGE = _watch(signals.KV_USAGE_MEAN)
CAPACITY = _watch(signals.KV_CAPACITY)
RUNNING = _watch(signals.RUNNING_MEAN)
PROMPT = _watch(signals.PROMPT_LENGTH)
ANSWER = _watch(signals.ANSWER_LENGTH)
TRANSFER = _watch(signals.KV_TRANSFER_SECONDS_PER_GB)
CAME = _watch(signals.KV_TRANSFER_RATE)
FAILED = _watch(signals.KV_TRANSFER_FAILURE_RATE)
EXPIRED = _watch(signals.KV_EXPIRY_RATE)
FINISHED = _watch(signals.FINISHED_RATE)
_HELD = (USAGE, CAPACITY, RUNNING, PROMPT, ANSWER)


@dataclass(frozen=True, slots=True)
class KvTransferBroken(Detector):
    """KV cache of prompts computed apart comes late, not at all, or leaks.

    A GB takes a multiple of the usual time where a link falls back from RDMA to TCP. Blocks are
    held until the other side says that it has them; where that word is lost they are given up
    when a lease is over, or they stay: then more of the cache is held than its requests can hold,
    and it grows. What they can hold follows from how many run and how long prompts and answers
    are, so that longer prompts and larger batches explain themselves. The last is wrong where an
    engine counts cached prefixes of nobody as used.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.KV_TRANSFER_BROKEN
    watches: ClassVar[tuple[Watch, ...]] = (*_HELD, TRANSFER, CAME, FAILED, EXPIRED, FINISHED)

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

    slower: float = 5.0
    """Seconds a GB takes over before; that four transfers share a link explains four."""
    failing: float = 0.2
    """Share of transfers that fail, from which it is no accident. Our judgement."""
    expiring: float = 0.03
    """Share of computed prompts that nobody fetches in time: callers who hang up in between are
    fewer. Our judgement."""
    least_events: float = 8.0
    """Failures or expiries in five minutes."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that fetches slowly or in vain, that waits in vain, or that leaks."""
        rows = {watch: by(scene.frame(watch), "replica") for watch in self.watches}
        own = {
            one: {w: found[one.entity.id] for w, found in rows.items() if one.entity.id in found}
            for one in scene.replicas
        }
        fetching = [
            self._late(scene, one, row)
            or self._vain(scene, one, row, FAILED, CAME, self.failing,
                          "the KV cache that {0} fetches does not come")
            for one, row in own.items()
        ]  # fmt: skip
        found = [one for one in fetching if one is not None]
        yield from found
        told = {one.entity for one in found}
        for one, row in own.items():
            waits = None
            if not self._explained(one, row, own):
                waits = self._vain(scene, one, row, EXPIRED, FINISHED, self.expiring,
                                   "the prompts that {0} computes are never fetched")  # fmt: skip
            if waits is None and one.entity not in told and all(watch in row for watch in _HELD):
                waits = self._judge(scene, one, row)
            if waits is not None:
                yield waits

    def _explained(
        self, one: Replica, row: dict[Watch, Array], all_rows: Mapping[Replica, dict[Watch, Array]]
    ) -> bool:
        """Whether leases end here because as many transfers failed where *one*'s prompts go."""
        failed = sum(
            np.nan_to_num(newest(found[FAILED]))
            for other, found in all_rows.items()
            if other.model == one.model and FAILED in found
        )
        return bool(EXPIRED in row and failed >= 0.5 * newest(row[EXPIRED]) > 0.0)

    def _late(self, scene: Scene, one: Replica, row: dict[Watch, Array]) -> Finding | None:
        if TRANSFER not in row:
            return None
        times, now = scene.frame(TRANSFER).times, scene.now
        usual = middle(span(times, row[TRANSFER], 0.0, now - 3.0 * RATED))
        lately = span(times, row[TRANSFER], now - RATED, now)
        if not np.isfinite(lately).sum() >= 3 or not np.nanmin(lately) >= self.slower * usual > 0.0:
            return None
        since = run_start(times, row[TRANSFER], row[TRANSFER] > self.slower * usual) or now - RATED
        text = (
            f"A GB of KV cache reaches {one.entity.label} in {newest(row[TRANSFER]):.2g} s, which"
            f" used to take {usual:.2g} s."
        )
        evidence = say(
            TRANSFER, one.entity, since, now, text, observed=newest(row[TRANSFER]), expected=usual
        )
        return self._broken(scene, one, since, evidence)

    def _vain(
        self, scene: Scene, one: Replica, row: dict[Watch, Array], watch: Watch, of: Watch,
        least: float, said: str,
    ) -> Finding | None:  # fmt: skip
        """At least a share of *least* of what *of* counts is what *watch* counts."""
        if watch not in row or of not in row:
            return None
        times, begin = scene.frame(watch).times, scene.now - RATED
        bad, good = newest(row[watch]), average(span(times, row[of], begin, scene.now))
        if watch is FAILED:
            good = newest(row[of])
        whole = np.nan_to_num(good) + (bad if watch is FAILED else 0.0)
        if not bad * RATED >= self.least_events or not bad >= least * whole:
            return None
        since = run_start(times, row[watch], row[watch] > 0.0) or begin
        text = f"{min(1.0, bad / whole):.0%} of {said.format(one.entity.label)}."
        evidence = say(watch, one.entity, since, scene.now, text, observed=bad, upper=least * whole)
        return self._broken(scene, one, since, evidence)

    def _broken(self, scene: Scene, one: Replica, since: float, evidence: Evidence) -> Finding:
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=(evidence,),
            text=evidence.text,
            pool=one.pool,
            model=one.model,
        )

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
