"""How to tell that a plan worked: a query anyone can paste, what it must show, and by when."""

from store.promql import render_signal
from vocabulary.actions import Check, Goal
from vocabulary.expressions import Signal


def until(signal: Signal, label: str, name: str, wanted: str, minutes: float) -> str:
    """`query` *wanted* within *minutes*."""
    return f"within {minutes:g} min: {render_signal(signal, {label: name})} {wanted}"


def watched(
    signal: Signal,
    label: str,
    name: str,
    goal: Goal,
    minutes: float,
    bound: float = 0.0,
    *,
    lasting: bool = False,
) -> Check:
    """The same for a program: *goal* within *minutes*, or until they are over where *lasting*."""
    return Check(goal, minutes, signal.name, label, name, bound, lasting)


SHOWN = Check(Goal.SHOWN, 1.0)
"""The object itself shows it at once."""
