"""What a replica is doing, told from counters that must move while work is queued.

Health endpoints and gauges are not asked: a deadlocked engine answers the first and freezes the
second. A replica is `stalled` only where a counter that moves at every step is known, has
provably not moved, and work was there all that time. An engine that counts requests when they
finish, and no steps, is `stalled` when none has finished, and nothing else of it has moved, for
longer than all but one in a thousand of its requests took.
"""

from dataclasses import dataclass

import numpy as np

from estimators.onset import run_start
from vocabulary.entities import ReplicaState
from vocabulary.samples import Array

BLIND_WORDS = {"hung": "page hung", "": "not scraped"}
"""Verdicts of the reader whose reason has other words than the verdict itself."""
UNKNOWN_NAMES = "unknown names"
NO_WORK = "tells nothing of its work"
"""A page with names we know, and neither requests nor progress among them."""
ANSWERS = frozenset({UNKNOWN_NAMES, NO_WORK})
"""Reasons to be blind of a server that is there and answers."""
ASLEEP = "asleep"


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The last minutes of one replica; arrays share *times*, NaN is missing."""

    times: Array
    up: Array
    """1 where the page was read, 0 where it was not."""
    verdict: str
    """The reader's newest word: `ok`, `hung`, …; empty when the target is gone."""
    running: Array
    waiting: Array
    heartbeat: Array
    """Steps, or tokens counted as they come, a second; all NaN where neither is counted."""
    finished: Array
    """Requests that ended a second, else the tokens counted at their end; all NaN where neither is
    counted. The only sign of work where running requests are not counted."""
    awake: Array
    kv_usage: Array
    ever_up: bool = False
    """Its page was read before, this lookback or earlier."""
    ever_moved: bool = False
    """Its heartbeat was seen to move since this process started."""
    first_seen: float = 0.0
    started: float | None = None
    """When the server started, where it says so."""
    slowest: float = float("nan")
    """Seconds in which all but one in a thousand of its requests finished; NaN when unknown."""
    quiet_since: float | None = None
    """Since when nothing of it moved while work was there, as the last look saw it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state, why, and since when as far as the data can date it."""

    state: ReplicaState
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class StateRules:
    """The thresholds between states."""

    stall_seconds: float = 75.0
    """Without a step while work is there. Grammar compilation freezes healthy engines for 10 to
    40 s (vllm#21148); stalls go unnoticed for 5 to 22 minutes without a heartbeat rule."""
    window_seconds: float = 60.0
    """Window of the heartbeat's rate: it is zero that long after the last step."""
    loading_seconds: float = 900.0
    """A server that never answered may take this long: cold starts of 400 to 970 s are
    published for 8-GPU models."""
    queue_seconds: float = 60.0
    """A queue that stays this long while steps run is saturation."""
    full_cache: float = 0.95
    """Share of KV blocks from which admission stops."""
    unread_seconds: float = 120.0
    """A heartbeat that was measured and is not any more, for this long: nobody reads the page."""

    def judge(self, sight: Sight) -> Judgement:
        """The state of a replica from the last minutes."""
        now = float(sight.times[-1])
        if sight.verdict != "ok":
            return self._unread(sight, now)
        signs = (sight.running, sight.heartbeat, sight.finished)
        if not any(np.isfinite(part).any() for part in signs):
            if now - sight.first_seen < self.queue_seconds:
                return Judgement(ReplicaState.LOADING, "first look", now)
            return Judgement(ReplicaState.BLIND, NO_WORK, now)
        unread = self._heartbeat_lost(sight)
        if unread is not None:
            return Judgement(ReplicaState.BLIND, BLIND_WORDS[""], unread)
        if _newest(sight.awake) == 0.0:
            return Judgement(ReplicaState.IDLE, ASLEEP, now)
        return self._working(sight, now)

    def _unread(self, sight: Sight, now: float) -> Judgement:
        down = run_start(sight.times, sight.up, sight.up == 0.0)
        since = down if down is not None and sight.verdict else _last_known(sight.times, sight.up)
        if not sight.ever_up and now - sight.first_seen < self.loading_seconds:
            return Judgement(ReplicaState.LOADING, "has not answered yet", sight.first_seen)
        reason = BLIND_WORDS.get(sight.verdict, sight.verdict)
        return Judgement(ReplicaState.BLIND, reason, since)

    def _heartbeat_lost(self, sight: Sight) -> float | None:
        """When a heartbeat that was measured stopped being measured; None when it did not."""
        known = np.flatnonzero(np.isfinite(sight.heartbeat))
        if not known.size:
            return None
        last = float(sight.times[known[-1]])
        return last if float(sight.times[-1]) - last >= self.unread_seconds else None

    def _working(self, sight: Sight, now: float) -> Judgement:
        work = _work(sight)
        if not _newest(work) > 0.0:
            return self._without_visible_work(sight, now)
        stalled = self._stalled_since(sight, work)
        if stalled is not None:
            young = sight.started is not None and now - sight.started < self.loading_seconds
            if young and not sight.ever_moved:
                return Judgement(ReplicaState.LOADING, "no step since it started", stalled)
            return Judgement(
                ReplicaState.STALLED, f"no step for {now - stalled:.0f} s with work queued", stalled
            )
        silent = self._silent_since(sight)
        if silent is not None:
            reason = f"nothing finished or moved for {now - silent:.0f} s with work queued"
            return Judgement(ReplicaState.STALLED, reason, silent)
        return self._moving(sight, now)

    def _moving(self, sight: Sight, now: float) -> Judgement:
        queued = run_start(sight.times, sight.waiting, sight.waiting > 0.0)
        if queued is not None and now - queued >= self.queue_seconds:
            return Judgement(ReplicaState.SATURATED, "requests wait while steps run", queued)
        if _newest(sight.kv_usage) >= self.full_cache:
            return Judgement(ReplicaState.SATURATED, "KV cache full", now)
        moves = np.isfinite(sight.heartbeat).any()
        return Judgement(
            ReplicaState.SERVING, "steps run" if moves else "progress is not counted by step", now
        )

    def _without_visible_work(self, sight: Sight, now: float) -> Judgement:
        """Where running requests are not counted (Triton's core), those that end show work."""
        if np.isfinite(sight.running).any():
            return Judgement(ReplicaState.IDLE, "no work", now)
        if _newest(sight.finished) > 0.0:
            return Judgement(ReplicaState.SERVING, "requests finish", now)
        return Judgement(ReplicaState.IDLE, "no request waits or finishes", now)

    def _stalled_since(self, sight: Sight, work: Array) -> float | None:
        flat = run_start(sight.times, sight.heartbeat, sight.heartbeat == 0.0)
        busy = run_start(sight.times, work, work > 0.0)
        if flat is None or busy is None or not np.isfinite(sight.heartbeat[-1]):
            return None
        spacing = float(sight.times[1] - sight.times[0])
        since = max(flat - self.window_seconds + spacing, busy)
        return since if float(sight.times[-1]) - since >= self.stall_seconds else None

    def _silent_since(self, sight: Sight) -> float | None:
        """For engines without a heartbeat: since when they are silent for too long."""
        since = self.quiet_since(sight)
        if since is None or not np.isfinite(sight.slowest) or np.isfinite(sight.heartbeat).any():
            return None
        longest = max(self.stall_seconds, sight.slowest)
        return since if float(sight.times[-1]) - since > longest else None

    def quiet_since(self, sight: Sight) -> float | None:
        """Since when no request finished, and batch and cache stood still, while work was there.

        What was not measured counts as moving. A silence longer than the look is carried on from
        the last one. None when anything moves.
        """
        moving = (sight.finished != 0.0) | ~(_work(sight) > 0.0)
        for gauge in (sight.running, sight.kv_usage):
            moving[1:] |= np.abs(np.diff(gauge)) > 0.0  # False where either is unknown
        start = run_start(sight.times, np.where(moving, 1.0, 0.0), ~moving)
        if start is None:
            return None
        whole = start == float(sight.times[0])
        if whole and sight.quiet_since is not None and sight.quiet_since <= start:
            return sight.quiet_since
        return start


def _work(sight: Sight) -> Array:
    """Requests that run or wait; NaN where neither is known."""
    work: Array = np.nansum([sight.running, sight.waiting], axis=0)
    work[~np.isfinite(sight.running) & ~np.isfinite(sight.waiting)] = np.nan
    return work


def _newest(values: Array) -> float:
    known = np.flatnonzero(np.isfinite(values))
    return float(values[known[-1]]) if known.size else float("nan")


def _last_known(times: Array, values: Array) -> float:
    known = np.flatnonzero(np.isfinite(values))
    return float(times[known[-1]]) if known.size else float(times[0])
