"""How good scores are: events found for false pages, and the volume under the PR surface.

An event is found when a row of it, or one within ten minutes or three rows after, is alarmed. A
page is a stretch of alarms (gaps of 30 minutes or three rows bridged); it is false where it lies
outside of events, and again for every 4 h it stays up there, which is when Alertmanager repeats it.
No point adjustment: an event found late gains nothing in the volume.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vocabulary.samples import Array

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
REPEAT_SECONDS = 4 * 3600.0
LEVELS = 200
"""Thresholds that are tried for one budget."""
WIDTHS = (0, 25, 50, 75, 100)
"""Rows by which labels are widened for the volume."""
POINTS = 250
DRAWS = 400
UNKNOWN = -9.0
"""Score of rows that are not judged: below every other."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of one series from its first judged row on, and what was labelled there."""

    of: str
    odd: Flags
    scores: Array
    step: float
    days: float


def judged(of: str, odd: Flags, scores: Array, first: int, step: float) -> Judged:
    """The judged part of a series, rows without a score below all others."""
    known = np.nan_to_num(scores[first:].astype(np.float64), nan=UNKNOWN)
    return Judged(of, odd[first:], known, step, len(known) * step / 86_400.0)


def stretches(flags: Flags, gap: int = 1) -> Rows:
    """First and last row of each stretch; those not more than *gap* rows apart are one."""
    rows = np.flatnonzero(flags)
    if not rows.size:
        return np.empty((0, 2), np.intp)
    cuts = np.flatnonzero(np.diff(rows) > gap)
    return np.column_stack([rows[np.r_[0, cuts + 1]], rows[np.r_[cuts, rows.size - 1]]])


def verdict(one: Judged, alarmed: Flags) -> tuple[int, int, int]:
    """Events, events found, false pages."""
    late, gap = max(3, int(600.0 / one.step)), max(3, int(1800.0 / one.step))
    repeat = max(1, int(REPEAT_SECONDS / one.step))
    events, rows = stretches(one.odd, 3), np.flatnonzero(alarmed)
    if not rows.size:
        return len(events), 0, 0
    first, last = events[:, 0] - late, events[:, 1] + late
    at = np.searchsorted(rows, events[:, 0])
    found = int((rows[np.minimum(at, rows.size - 1)] <= last)[at < rows.size].sum())
    false = 0
    for begin, end in stretches(alarmed, gap).tolist():
        low, high = np.searchsorted(last, begin), np.searchsorted(first, end, side="right")
        if low >= high:
            false += 1 + (end - begin) // repeat
            continue
        if begin < first[low]:
            false += 1 + int(first[low] - begin) // repeat
        for index in range(low, high):
            until = int(first[index + 1]) if index + 1 < high else end
            false += max(0, until - int(last[index])) // repeat
    return len(events), found, false


def volume(odd: Flags, scores: Array) -> float:
    """VUS-PR (Paparrizos et al., VLDB 2022); NaN where nothing or everything is odd.

    Labels are widened by a falling slope on both sides; the area under precision and recall,
    the latter times the share of events of which anything is caught, is averaged over widths.
    """
    count, total = len(odd), int(odd.sum())
    if total in (0, count):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    levels = ranked[np.linspace(0, count - 1, POINTS).astype(int)]
    caught = np.searchsorted(-ranked, -levels, side="right")
    areas = []
    for width in WIDTHS:
        soft = _widened(odd, width)
        right = np.cumsum(soft[order])[caught - 1]
        beside = np.cumsum(np.where(odd, 0.0, soft)[order])[caught - 1]
        highest = np.array([scores[a : b + 1].max() for a, b in stretches(soft > 0.0)])
        met = (highest[None] >= levels[:, None]).mean(axis=1)
        recall = np.minimum(right / (total + beside / 2.0), 1.0) * met
        areas.append(float(np.diff(np.concatenate([[0.0], recall])) @ (right / caught)))
    return float(np.mean(areas))


def _widened(odd: Flags, width: int) -> Array:
    soft = odd.astype(np.float64)
    if width:
        slope = np.sqrt(1.0 - np.arange(width // 2 + 1) / width)
        for begin, end in stretches(odd):
            after = soft[end : end + width // 2]
            after += slope[: len(after)]
            reach = min(width // 2, int(begin))
            soft[begin - reach : begin] += slope[1 : reach + 1][::-1]
    soft = np.minimum(soft, 1.0)
    soft[odd] = 1.0
    return soft


@dataclass(frozen=True, slots=True)
class Figures:
    """What one detector did, by series: everything else is drawn from it."""

    of: npt.NDArray[np.str_]
    counts: npt.NDArray[np.int_]
    """[series, level, (events, found, false)]."""
    days: Array
    volumes: Array

    def recall(self, budget: float, rows: Rows) -> float:
        """Best mean recall over sets whose mean false pages a series-day keep to *budget*."""
        recall, false = [], []
        for name in np.unique(self.of):
            part = rows[self.of[rows] == name]
            events, found, pages = self.counts[part].sum(axis=0).T
            recall.append(found / np.maximum(events, 1))
            false.append(pages / self.days[part].sum())
        kept = np.mean(false, axis=0) <= budget
        return float(np.mean(recall, axis=0)[kept].max()) if kept.any() else 0.0

    def volume(self, rows: Rows) -> float:
        """Mean over sets of their series' mean volume."""
        return float(np.mean([
            np.nanmean(self.volumes[rows[self.of[rows] == name]]) for name in np.unique(self.of)
        ]))  # fmt: skip


def figures(series: Sequence[Judged]) -> Figures:
    """Judge every series at one common ladder of thresholds."""
    known = np.concatenate([one.scores for one in series])
    levels = np.unique(np.quantile(known, 1.0 - np.logspace(-6.5, np.log10(0.2), LEVELS)))
    levels = levels[levels > known.min()]
    counts = [[verdict(one, one.scores >= level) for level in levels] for one in series]
    return Figures(
        np.array([one.of for one in series]),
        np.array(counts).reshape(len(series), len(levels), 3),
        np.array([one.days for one in series]),
        np.array([volume(one.odd, one.scores) for one in series]),
    )


def drawn(of: npt.NDArray[np.str_]) -> list[Rows]:
    """Bootstrap samples of series, drawn within each set; the same for every detector."""
    rng = np.random.default_rng(1)
    parts = [np.flatnonzero(of == name) for name in np.unique(of)]
    return [np.concatenate([rng.choice(part, part.size) for part in parts]) for _ in range(DRAWS)]


def interval(figure: Callable[[Rows], float], samples: Sequence[Rows], whole: int) -> list[float]:
    """The figure with its 95 % bootstrap interval."""
    values = [figure(rows) for rows in samples]
    low, high = np.nanquantile(values, [0.025, 0.975])
    return [round(float(one), 3) for one in (figure(np.arange(whole)), low, high)]
