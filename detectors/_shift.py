"""A ratio that moved to another level and stayed there: how mixes and habits change."""

from collections.abc import Iterable
from dataclasses import dataclass

from detectors._evidence import span, without
from estimators.onset import crossing_time
from estimators.robust import finite, middle_of
from estimators.two_windows import compare, trimmed_least, trimmed_most, went_away
from vocabulary.samples import Array


@dataclass(frozen=True, slots=True)
class Shift:
    """Where a row stood and where it stands now."""

    before: float
    after: float
    since: float
    """When it moved, Unix seconds."""

    @property
    def ratio(self) -> float:
        """After over before; infinite from zero."""
        return self.after / self.before if self.before > 0.0 else float("inf")


def shifted(
    times: Array,
    row: Array,
    *,
    recent: float,
    now: float,
    chance: float = 1e-4,
    least: float = 0.0,
    ill: Iterable[tuple[float, float]] = (),
) -> Shift | None:
    """How the newest *recent* seconds differ from all before; None when chance explains it.

    *chance* is the two-sided probability of such a difference between equal stretches. Nothing is
    learnt from the spans in *ill*. A blip that is gone again is no shift. None, too, where it
    surely is no *least* times what it was, which costs no statistics to see.
    """
    ill = tuple(ill)
    usual = without(times, row, ill)
    before = span(times, usual, float(times[0]), now - recent - 300.0)
    after = span(times, row, now - recent, now)
    past, present = finite(before), finite(after)
    if past.size < 10 or present.size < 5:
        return None
    if least > 0.0 and trimmed_most(present) < least * trimmed_least(past):
        return None
    floor = 0.02 * max(abs(middle_of(past)), 1e-9)
    found = compare(before, after, floor=floor)
    if found is None or found.p_value > chance or went_away(before, after):
        return None
    # The trouble that goes on may be this very shift: only what is over is no part of its story.
    over = [(start, end) for start, end in ill if end < now]
    moved = crossing_time(times, without(times, row, over), found.before, found.after)
    since = moved if moved is not None and moved >= now - 2.0 * recent - 600.0 else now - recent
    return Shift(found.before, found.after, since)
