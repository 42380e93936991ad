"""What a change did to its pool: better, worse, no difference, or cannot tell yet.

Before and after are compared at equal load, prompt mix and cache hit, signal by signal. Replicas
that began anew since the change speak for it; those that still run as before go on speaking for
the time before, so that a canary beside its siblings is judged as well as a rollout that is done.
A change of a node is judged for the replicas on it, less what befell their siblings elsewhere.
"""

from dataclasses import dataclass, replace

import numpy as np

from estimators.equal_load import LEAST_AFTER, LEAST_BEFORE, EqualLoad, compare_at_equal_load
from estimators.onset import Flags
from estimators.proportions import compare_shares
from incidents.before_and_after import AFTER, STEP, Ask, Sides, grid_of, on_node
from incidents.verdict_words import (
    ERROR_RATIO,
    SignalVerdict,
    Span,
    Verdict,
    Word,
    decide,
    side_by_side,
    summed_up,
)
from vocabulary import signals as s
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame

SURE = 0.02
"""The 99 % interval must leave at least so much to call something better or worse."""
ERROR_MARGIN = 0.005
"""Half a point of failed requests, half of what an objective of 99 % leaves; our judgement."""
ERROR_SURE = 0.001


@dataclass(frozen=True, slots=True)
class _Question:
    """A latency, the loads that explain it, and from which share on a difference matters."""

    signal: Signal
    loads: tuple[tuple[Signal, ...], ...]
    """Each by the best measure there is."""
    margin: float
    inverse: bool = False
    """Told as a rate; what is compared is seconds in the batch for each token (Little's law)."""


_BATCH, _KV = (s.BATCH_PER_STEP, s.RUNNING_MEAN), (s.KV_USAGE_MEAN,)
_PROMPTS = (s.PROMPT_PER_STEP, s.INPUT_TOKEN_RATE)
_ARRIVALS = ((s.RUNNING_MEAN,), (s.INPUT_TOKEN_RATE,), (s.PROMPT_LENGTH,))
QUESTIONS = (
    _Question(s.ITL_MEAN, (_BATCH, _KV, _PROMPTS), 0.05),
    _Question(s.TTFT_MEAN, _ARRIVALS, 0.10),
    _Question(s.OUTPUT_TOKEN_RATE, ((s.RUNNING_MEAN,), _KV, _PROMPTS), 0.05, inverse=True),
)
"""Margins are our judgement: noise at equal load is about 3 % between tokens, and a first token
waits for whatever is ahead of it."""


def rolled_out(span: Span, pool: str, ask: Ask) -> Verdict:
    """What an act on *pool* did."""
    return _judged(Sides(ask, pool, span))


def changed_under(span: Span, node: str, ask: Ask) -> Verdict | None:
    """What an act on *node* did to each pool with replicas on it; None where there are none."""
    asked: dict[str, Frame] = {}

    def once(signal: Signal, start: float, end: float, every: float) -> Frame:
        if signal.name not in asked:  # pools of one node are asked of the same span
            asked[signal.name] = ask(signal, start, end, every)
        return asked[signal.name]

    up = once(s.TARGET_UP, *grid_of(span), STEP)
    pools = sorted(set(on_node(up, node).values()) - {""})
    told = {pool: _judged(Sides(once, pool, span, node)) for pool in pools}
    return side_by_side(span, told) if told else None


def _judged(sides: Sides) -> Verdict:
    told = [_latency(sides, question) for question in QUESTIONS]
    return summed_up(sides.span, [one for one in (*told, _errors(sides)) if one is not None])


def _latency(sides: Sides, question: _Question) -> SignalVerdict | None:
    values = sides.grid(question.signal)
    if values is None:
        return None
    if question.inverse:
        running = sides.grid(s.RUNNING_MEAN)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(running) / values
    preempted = sides.grid(s.PREEMPTION_RATE)
    if preempted is not None:  # recomputing is another story
        values = np.where(np.nan_to_num(preempted) > 0.02, np.nan, values)
    values = np.where(np.isfinite(values) & (values > 0.0), values, np.nan)
    loads = sides.loads(question.loads)
    found = _compared(values, loads, sides)
    told = _shares(found, -1.0 if question.inverse else 1.0)
    return _said(question.signal.name, found, told, float(np.log1p(question.margin)), SURE, sides)


def _compared(values: Array, loads: Array, sides: Sides) -> EqualLoad:
    """Before and after at equal load, less the same of what is beside it where it can be told."""
    found = compare_at_equal_load(values, loads, sides.before, sides.after, same_members=sides.same)
    if sides.beside is None or found.effect is None:
        return found
    other = compare_at_equal_load(values, loads, *sides.beside, same_members=True)
    if other.effect is None:
        return found
    effect, reach = found.effect - other.effect, float(np.hypot(found.reach, other.reach))
    part = found.after_part * (found.reach / reach) ** 2
    return replace(
        found, effect=effect, lower=effect - reach, upper=effect + reach, after_part=part
    )


def _shares(found: EqualLoad, sign: float) -> tuple[float | None, float | None, float | None]:
    """Effect and interval as shares of what was, from logarithms."""
    if found.effect is None:
        return None, None, None
    ends = sorted(float(np.expm1(sign * end)) for end in (found.lower, found.upper))
    return float(np.expm1(sign * found.effect)), ends[0], ends[1]


def _errors(sides: Sides) -> SignalVerdict | None:
    """The share of requests that failed: as engines count them, else as their gateway does."""
    counted = _failed_at_engines(sides)
    if counted is None and not sides.node:
        counted = _failed_at_gateway(sides)
    if counted is None:
        return None
    (failed, ended), (failed_since, ended_since) = counted
    change = compare_shares(failed, ended, failed_since, ended_since)
    minutes = int((ended > 0.0).sum()), int((ended_since > 0.0).sum())
    if change is None:
        found = EqualLoad(minutes[0], minutes[1], 0)
        return _said(ERROR_RATIO, found, (None, None, None), ERROR_MARGIN, ERROR_SURE, sides)
    before, after = float(np.nansum(ended)), float(np.nansum(ended_since))
    found = EqualLoad(
        *minutes, 0, change.effect, change.lower, change.upper, before / (before + after)
    )
    told = (change.effect, change.lower, change.upper)
    return _said(ERROR_RATIO, found, told, ERROR_MARGIN, ERROR_SURE, sides)


_Counts = tuple[tuple[Array, Array], tuple[Array, Array]]
"""Failed and ended before, failed and ended after, by minute."""


def _failed_at_engines(sides: Sides) -> _Counts | None:
    failed, ended = sides.grid(s.FAILED_RATE), sides.grid(s.FINISHED_RATE)
    if failed is None or ended is None:
        return None
    known = np.isfinite(failed) & np.isfinite(ended)

    def minutes(side: Flags) -> tuple[Array, Array]:
        hits, of = (
            np.where(side & known, grid, 0.0).sum(axis=0) * STEP for grid in (failed, ended)
        )
        return hits, of

    return minutes(sides.before), minutes(sides.after)


def _failed_at_gateway(sides: Sides) -> _Counts | None:
    """A gateway does not say which replica answered: its minutes are split by time alone."""
    ended = sides.frame(s.GATEWAY_OPERATION_RATE).row(model=sides.model)
    if ended is None:
        return None
    # the errors' series of the same counter begins with the first error
    told = sides.frame(s.GATEWAY_ERROR_RATE).row(model=sides.model)
    failed = np.zeros(len(ended)) if told is None else np.nan_to_num(told)
    before = sides.times < sides.span.first
    after = sides.after.any(axis=0) & ~before
    ended = np.nan_to_num(ended)
    return (
        (failed[before] * STEP, ended[before] * STEP),
        (failed[after] * STEP, ended[after] * STEP),
    )


def _said(
    name: str,
    found: EqualLoad,
    told: tuple[float | None, float | None, float | None],
    margin: float,
    sure: float,
    sides: Sides,
) -> SignalVerdict:
    word = decide(found.effect, found.lower, found.upper, margin, sure)
    needs = _needs(found, margin, sure, sides) if word is Word.CANNOT_TELL else ""
    return SignalVerdict(name, word, *told, found.minutes_before, found.minutes_after, needs)


def _needs(found: EqualLoad, margin: float, sure: float, sides: Sides) -> str:
    """What would decide it, in words."""
    span = sides.span
    unlike = "the traffic since is unlike any before it: needs minutes at loads seen before"
    if found.minutes_before < LEAST_BEFORE:
        known = found.minutes_before
        return (
            f"only {known} min before it are known, and {LEAST_BEFORE} are needed to compare with"
        )
    if span.closed:
        return f"not decided within {(span.end - span.last) / 60.0:.0f} min"
    if not found.minutes_after:
        warm = f"needs traffic: {LEAST_AFTER} min of it, once replicas are warm"
        return unlike if found.minutes_elsewhere else warm
    more = float(LEAST_AFTER - found.minutes_after)
    if found.effect is not None:
        size = abs(found.effect)
        reach = max(margin - size, size - sure if size >= margin else 0.0)
        more = found.minutes_more(reach)
    if not np.isfinite(more):
        if found.minutes_elsewhere > found.minutes_after / 2:
            return unlike
        return "too near to call: the time before it is too short or too uneven to decide it"
    return _in_time(more / found.minutes_after, sides)


def _in_time(share: float, sides: Sides) -> str:
    """*share* times as many minutes again as were compared, at the traffic there was."""
    span = sides.span
    since = sides.times[sides.after.any(axis=0)]
    elapsed = max(float(span.end - since[0]) / 60.0, 1.0)
    wall = 5.0 * float(np.ceil(max(share * elapsed, 1.0) / 5.0))
    room = (span.last + AFTER - span.end) / 60.0
    if wall > room:
        return f"would need about {wall:.0f} min more, and only {room:.0f} min are looked at"
    return f"needs about {wall:.0f} min more at this traffic"
