"""How to tell that a plan worked: a query anyone can paste, what it must show, and by when."""

from store.promql import render_signal
from vocabulary.expressions import Signal


def until(signal: Signal, label: str, name: str, wanted: str, minutes: float) -> str:
    """`query` *wanted* within *minutes*."""
    return f"within {minutes:g} min: {render_signal(signal, {label: name})} {wanted}"
