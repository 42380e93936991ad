"""What scaling did: whether the queue that it was meant for is gone, and what a token costs since.

Scaling changes the load, so nothing can be compared at equal load. Half an hour before the act is
compared with what is since its replicas are warm: the share of requests that wait, the share of
first tokens that come late, and dollars for a token. Service comes first; where it made no
difference, the cost decides. A queue that went while fewer calls came may have gone by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from estimators.equal_load import LEAST_AFTER
from estimators.onset import Flags
from estimators.proportions import compare_shares
from estimators.two_windows import compare
from incidents.before_and_after import AFTER, STEP, WARM_UP, Ask, grid_of
from incidents.verdict_words import (
    COST_OF_TOKENS,
    LATE_SHARE,
    TIME_OF_TOKENS,
    WAITING_SHARE,
    SignalVerdict,
    Span,
    Verdict,
    Word,
    decide,
)
from vocabulary import signals as s
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame, Labels

NEED = 1800.0
"""Seconds before the act in which what it was meant for shows; our judgement: twice the slowest
reaction of the usual autoscalers, whose windows are five minutes long."""
SPEND_LOOKS_BACK = 900.0
LATE_LOOKS_BACK = 300.0
"""The windows of the signals that tell of dollars an hour and of late first tokens."""
OTHER_TRAFFIC = 0.25
"""Calls a second that differ by more than this share are another traffic; our judgement."""
MARGINS = {
    WAITING_SHARE: (0.05, 0.01),
    LATE_SHARE: (0.01, 0.002),
    COST_OF_TOKENS: (0.10, 0.02),
    TIME_OF_TOKENS: (0.10, 0.02),
}
"""From which effect on a difference matters, and how far its interval must stay clear of none.
One late first token in a hundred is all that an objective of 99 % leaves; the others are our
judgement."""


def scaled(span: Span, pool: str, ask: Ask) -> Verdict:
    """What an act that scaled *pool* did."""
    seen = _Pool(ask, pool, span)
    service = [_queue(seen), _late(seen)]
    cost = _cost(seen)
    told = [one for one in (*service, cost) if one is not None]
    return _summed_up(seen, [one for one in service if one is not None], cost, told)


@dataclass(slots=True)
class _Pool:
    """A pool around an act, minute by minute, all of its replicas together."""

    ask: Ask
    pool: str
    span: Span
    times: Array = field(init=False)
    replicas: Array = field(init=False)
    """How many were measured."""
    running: Array = field(init=False)
    out: bool = field(init=False)
    """Whether more replicas were asked for than ran; by what came where nobody says."""
    before: Flags = field(init=False)
    after: Flags = field(init=False)

    def __post_init__(self) -> None:
        rows = self.rows(s.RUNNING)
        self.times = rows.times
        known = np.isfinite(rows.values) if len(rows.labels) else np.zeros((0, len(self.times)))
        self.replicas = known.sum(axis=0).astype(np.float64)
        self.running = _summed(rows)
        self.before = (self.times < self.span.first) & (self.times >= self.span.first - NEED)
        self.out = self._asked_for_more()
        since = self._arrived() if self.out else self.span.last
        self.after = self.times >= since + WARM_UP

    def rows(self, signal: Signal) -> Frame:
        """*signal* of the pool over the span."""
        return self.ask(signal, *grid_of(self.span), STEP).where(pool=self.pool)

    @property
    def ran(self) -> int:
        """Replicas just before the act."""
        known = self.replicas[self.before][-10:]
        return round(float(np.median(known))) if known.size else 0

    @property
    def run(self) -> int:
        """Replicas at the end."""
        return round(float(np.median(self.replicas[-5:]))) if self.replicas.size else 0

    def _asked_for_more(self) -> bool:
        wanted = _summed(self.rows(s.POOL_DESIRED))
        old, new = wanted[self.before], wanted[self.times > self.span.last]
        old, new = old[np.isfinite(old)], new[np.isfinite(new)]
        if old.size and new.size and old[-1] != new[0]:
            return bool(new[0] > old[-1])
        return self.run >= self.ran

    def waiting(self) -> Array:
        """Share of the requests in the engines that wait."""
        waiting = _summed(self.rows(s.WAITING))
        with np.errstate(invalid="ignore", divide="ignore"):
            there = waiting + self.running
            share: Array = np.where(there == 0.0, 0.0, waiting / there)
        return share

    def late(self) -> tuple[Array, Array] | None:
        """First tokens that came late, and all first tokens, of five minutes at a time."""
        share = dict(zip(*_labelled(self.rows(s.FIRST_TOKENS_LATE)), strict=True))
        rates = dict(zip(*_labelled(self.rows(s.FIRST_TOKEN_RATE)), strict=True))
        both = [(share[one], rates[one] * LATE_LOOKS_BACK) for one in share if one in rates]
        if not both:
            return None
        hits = np.nansum([late * tokens for late, tokens in both], axis=0)
        return hits, np.nansum([np.where(np.isfinite(late), of, 0.0) for late, of in both], axis=0)

    def traffic(self) -> float | None:
        """Calls a second since, over before; None when not known."""
        calls = _summed(self.rows(s.POOL_FINISHED_RATE))
        old, new = (calls[at & np.isfinite(calls)] for at in (self.before, self.after))
        return float(new.mean() / old.mean()) if old.size and new.size and old.mean() > 0 else None

    def tokens(self) -> Array:
        """Tokens an hour, prompt and output."""
        output, prompt = (_summed(self.rows(one)) for one in (s.OUTPUT_TOKEN_RATE,
                          s.INPUT_TOKEN_RATE))  # fmt: skip
        total: Array = 3600.0 * (output + np.nan_to_num(prompt))
        return np.where(total > 0.0, total, np.nan)

    def _arrived(self) -> float:
        """When the first replica more than before was there; never when none is."""
        more = self.times[(self.times >= self.span.first) & (self.replicas > self.ran)]
        return max(float(more[0]), self.span.last) if more.size else np.inf


def _labelled(rows: Frame) -> tuple[Sequence[Labels], Sequence[Array]]:
    return rows.labels, list(rows.values)


def _summed(rows: Frame) -> Array:
    """All rows together; NaN where none is known."""
    if not len(rows.labels):
        return np.full(len(rows.times), np.nan)
    total: Array = np.nansum(rows.values, axis=0)
    return np.where(np.isfinite(rows.values).any(axis=0), total, np.nan)


def _queue(seen: _Pool) -> SignalVerdict | None:
    share = seen.waiting()
    if not np.isfinite(share).any():
        return None
    return _compared(seen, WAITING_SHARE, share[seen.before], share[seen.after])


def _late(seen: _Pool) -> SignalVerdict | None:
    counted = seen.late()
    if counted is None:
        return None
    often = round(LATE_LOOKS_BACK / STEP)  # so that each first token counts once
    hits, of = counted
    old, new = np.flatnonzero(seen.before)[::-often], np.flatnonzero(seen.after)[::-often]
    minutes = int((of[seen.before] > 0.0).sum()), int((of[seen.after] > 0.0).sum())
    if min(minutes) < LEAST_AFTER:
        needs = _minutes(seen, *minutes)
        return SignalVerdict(LATE_SHARE, Word.CANNOT_TELL, None, None, None, *minutes, needs)
    found = compare_shares(hits[old], of[old], hits[new], of[new])
    assert found is not None  # both sides have first tokens
    return _said(seen, LATE_SHARE, (found.effect, found.lower, found.upper), minutes)


def _cost(seen: _Pool) -> SignalVerdict | None:
    """Dollars for a token; where nothing is priced, replicas for a token."""
    spend, name = _summed(seen.rows(s.CAPACITY_SPEND)), COST_OF_TOKENS
    began = seen.times[seen.after][:1]
    since = seen.after & (seen.times >= (began[0] if began.size else np.inf) + SPEND_LOOKS_BACK)
    if not (spend > 0.0).any():
        spend, name, since = seen.replicas, TIME_OF_TOKENS, seen.after
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.log(np.where(spend > 0.0, spend, np.nan) / seen.tokens())
    if not np.isfinite(each).any():
        return None
    return _compared(seen, name, each[seen.before], each[since])


def _compared(seen: _Pool, name: str, before: Array, after: Array) -> SignalVerdict:
    """Shares in points, the cost of a token in per cent (its logarithms are compared)."""
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    minutes = before.size, after.size
    if min(minutes) < LEAST_AFTER:
        needs = _minutes(seen, *minutes)
        return SignalVerdict(name, Word.CANNOT_TELL, None, None, None, *minutes, needs)
    base = before[0]  # what is flat is exactly so about it
    found = compare(before - base, after - base, floor=0.005)
    assert found is not None  # three points are enough for it
    told = found.effect, found.lower, found.upper
    if name in (COST_OF_TOKENS, TIME_OF_TOKENS):
        told = float(np.expm1(told[0])), float(np.expm1(told[1])), float(np.expm1(told[2]))
    return _said(seen, name, told, minutes)


def _said(
    seen: _Pool, name: str, told: tuple[float, float, float], minutes: tuple[int, int]
) -> SignalVerdict:
    word = decide(*told, *MARGINS[name])
    needs = _decided_by(seen) if word is Word.CANNOT_TELL else ""
    return SignalVerdict(name, word, *told, *minutes, needs)


def _minutes(seen: _Pool, before: int, after: int) -> str:
    if before < LEAST_AFTER:
        return f"only {before} min before it are known, and {LEAST_AFTER} are needed"
    if seen.span.closed:
        return f"not decided: {after} min since are known"
    return f"needs {LEAST_AFTER - after} min more with traffic, once its replicas are warm"


def _decided_by(seen: _Pool) -> str:
    left = (seen.span.last + AFTER - seen.span.end) / 60.0
    if seen.span.closed or left < 1.0:
        return "not decided: it moves too much to tell"
    return f"needs more time at this traffic; {left:.0f} min more are looked at"


def _summed_up(
    seen: _Pool, service: list[SignalVerdict], cost: SignalVerdict | None,
    told: list[SignalVerdict],
) -> Verdict:  # fmt: skip
    """Service first: worse, better or not to be told; where it made none, the cost decides."""
    words = {one.word for one in service}
    word = next(
        (one for one in (Word.WORSE, Word.BETTER, Word.CANNOT_TELL) if one in words),
        cost.word if cost is not None else Word.CANNOT_TELL,
    )
    lines = [one.text for one in service if one.word is word]
    if cost is not None:
        lines.append(cost.text)
    why = _unfounded(seen, word, {one.word for one in service} - {Word.NO_DIFFERENCE})
    if why:
        word, lines = Word.CANNOT_TELL, [why, *lines]
    there = f"{seen.ran} → {seen.run} replicas"
    if not any(one.effect is not None for one in told):  # all of them lack the same
        lines = [why] if why else list(dict.fromkeys(one.needs for one in told))[:1]
    return Verdict(word, "; ".join([there, *lines]), seen.span, tuple(told))


def _unfounded(seen: _Pool, word: Word, moved: set[Word]) -> str:
    """Why *word* says nothing of the act, and what would decide it; empty when it does."""
    if not seen.replicas.any():
        return "nothing was measured of this pool"
    if seen.out and seen.run <= seen.ran:
        ended = "none came while it was looked at" if seen.span.closed else "none is there yet"
        return f"more were asked for, and {ended}"
    traffic = seen.traffic()
    if traffic is None or word not in moved:
        return ""
    if word is Word.BETTER and traffic < 1.0 - OTHER_TRAFFIC:
        return f"calls fell to {traffic:.0%} of what they were: needs traffic as before"
    if word is Word.WORSE and traffic > 1.0 + OTHER_TRAFFIC:
        return f"calls grew to {traffic:.0%} of what they were: needs traffic as before"
    return ""
