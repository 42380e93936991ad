"""Which changes have a verdict, over which stretch of time, and by which comparison.

A rollout, a configuration or a driver is asked about its pool; what was done to a node about every
pool with replicas on it; scaling about what it was meant for. Nothing else is a question.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from incidents.before_and_after import AFTER, BEFORE, WARM_UP, Ask
from incidents.rollout_verdict import changed_under, rolled_out
from incidents.scaling_verdict import scaled
from incidents.verdict_words import Span, Verdict
from vocabulary.entities import Change, EntityKind

ONE_ACT = 600.0
"""Changes so near each other are one act: an image and its arguments."""

_POOLS_OWN = frozenset({"rollout", "config", "driver"})
"""Kinds of change that can make a pool better or worse at equal load. Another model is another
baseline."""


class Subject(NamedTuple):
    """What a change may have made better or worse."""

    about: str
    """`pool`, `node` or `scaling`."""
    id: str


def subject_of(change: Change) -> Subject | None:
    """What is asked of *change*; None when nothing is."""
    pool = change.pool or change.entity.id
    if change.entity.kind is EntityKind.POOL and change.kind in _POOLS_OWN:
        return Subject("pool", pool)
    if change.entity.kind is EntityKind.REPLICA and change.kind in _POOLS_OWN and change.pool:
        return Subject("pool", pool)  # where nobody tells of rollouts, a replica's version does
    if change.entity.kind is EntityKind.POOL and change.kind == "scale":
        return Subject("scaling", pool)
    if change.entity.kind is EntityKind.NODE and _alters_node(change):
        return Subject("node", change.entity.id)
    return None


def _alters_node(change: Change) -> bool:
    """Whether a node is another one since: a version of its own, or a boot; a cordon is not."""
    return change.kind in {"driver", "restart"} or (change.kind == "node" and "→" in change.what)


def verdict_on(change: Change, changes: Iterable[Change], ask: Ask, now: float) -> Verdict | None:
    """What *change*, one of *changes*, did until *now*; None for what cannot be judged."""
    subject = subject_of(change)
    if subject is None:
        return None
    span = act_of(change, changes, now)
    if subject.about == "node":
        return changed_under(span, subject.id, ask)
    judge = scaled if subject.about == "scaling" else rolled_out
    return judge(span, subject.id, ask)


def act_of(change: Change, changes: Iterable[Change], now: float) -> Span:
    """What to compare for *change*: other acts of its kind on the same thing bound it.

    Scaling does not end what is learnt of a rollout at equal load; a rollout does end what is
    learnt of scaling.
    """
    mine = subject_of(change)
    others = [(one.at, subject_of(one)) for one in changes]
    acts = [at for at, subject in others if subject is not None and subject == mine]
    ends: list[float] = []
    if mine is not None and mine.about == "scaling":
        ends = [at for at, subject in others if subject == Subject("pool", mine.id)]
    return span_of(change.at, acts, now, ends)


def span_of(at: float, acts: Sequence[float], now: float, ends: Sequence[float] = ()) -> Span:
    """The stretches to compare: from the act before, and up to the act after or one of *ends*."""
    first = last = at
    for other in sorted(acts, reverse=True):
        first = other if 0.0 <= first - other <= ONE_ACT else first
    for other in sorted(acts):
        last = other if 0.0 <= other - last <= ONE_ACT else last
    bounds = [*acts, *ends]
    previous = max((other for other in bounds if other < first), default=-np.inf)
    following = min((other for other in bounds if other > last), default=np.inf)
    start = max(first - BEFORE, min(previous + WARM_UP, first))
    end = max(last, min(last + AFTER, following, now))
    return Span(start, first, last, end, closed=end < now or now >= last + AFTER)
