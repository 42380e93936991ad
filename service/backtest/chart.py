"""A small SVG chart of one piece of evidence, drawn from the stored series."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from incidents.evidence import LABEL_OF
from service.markdown_text import one_line
from store.asking import Asking
from vocabulary.errors import StoreError
from vocabulary.incidents import EvidenceRecord, Incident, rfc3339
from vocabulary.samples import Array
from vocabulary.signals import BY_NAME

WIDTH, HEIGHT = 560, 130
_LEFT, _BOTTOM = 62, 18
_COLUMNS = 240
_MOST_ROWS = 8
"""Lines in one chart; more of them nobody can tell apart."""
BEFORE, AFTER = 3600.0, 1800.0
"""Seconds shown before the onset and after the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Rows of one signal around an incident."""

    times: Array
    rows: Sequence[Array]
    begin: float
    end: float
    """The span of the incident, which is shaded."""
    lines: Sequence[float]
    """Levels to compare with: what was expected, and the bounds."""
    unit: str
    title: str
    marks: Sequence[float] = ()
    """Moments at which something was changed."""

    def svg(self) -> str:
        """Self-contained, in the colours of the page around it."""
        low, high = self._range()
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{harmless(self.title)}">'
            f"{self._shade()}{self._axis(low, high)}"
            + "".join(self._level(level, low, high) for level in self.lines)
            + "".join(self._mark(at) for at in self.marks)
            + "".join(self._line(row, low, high) for row in self.rows)
            + "</svg>"
        )

    def _range(self) -> tuple[float, float]:
        known = np.concatenate([row[np.isfinite(row)] for row in self.rows])
        everything = [*known.tolist(), *self.lines]
        low, high = min(0.0, *everything), max(everything)
        return low, high if high > low else low + 1.0

    def _x(self, moment: float) -> float:
        first, last = float(self.times[0]), float(self.times[-1])
        share = min(max((moment - first) / (last - first), 0.0), 1.0)
        return _LEFT + share * (WIDTH - _LEFT - 4)

    def _y(self, value: float, low: float, high: float) -> float:
        return 6 + (1 - (value - low) / (high - low)) * (HEIGHT - _BOTTOM - 10)

    def _shade(self) -> str:
        left, right = self._x(self.begin), self._x(self.end)
        return (
            f'<rect class="shade" x="{left:.1f}" y="4" width="{max(right - left, 1):.1f}" '
            f'height="{HEIGHT - _BOTTOM - 4}"/>'
        )

    def _axis(self, low: float, high: float) -> str:
        marks = [
            f'<text x="{_LEFT - 6}" y="{self._y(value, low, high) + 4:.1f}" '
            f'text-anchor="end">{value:.3g}</text>'
            for value in (low, high)
        ]
        for moment, anchor in ((self.times[0], "start"), (self.times[-1], "end")):
            said = (rfc3339(float(moment)) or "")[5:16].replace("T", " ")
            marks.append(
                f'<text x="{self._x(float(moment)):.1f}" y="{HEIGHT - 4}" '
                f'text-anchor="{anchor}">{said}</text>'
            )
        return "".join(marks)

    def _level(self, value: float, low: float, high: float) -> str:
        height = self._y(value, low, high)
        return f'<path class="level" d="M{_LEFT} {height:.1f}H{WIDTH - 4}"/>'

    def _mark(self, moment: float) -> str:
        if not self.times[0] <= moment <= self.times[-1]:
            return ""
        return f'<path class="change" d="M{self._x(moment):.1f} 4V{HEIGHT - _BOTTOM}"/>'

    def _line(self, row: Array, low: float, high: float) -> str:
        pen, parts = "M", []
        for moment, value in zip(self.times.tolist(), row.tolist(), strict=True):
            if not np.isfinite(value):
                pen = "M"  # absent is a gap, never a zero
                continue
            parts.append(f"{pen}{self._x(moment):.1f} {self._y(value, low, high):.1f}")
            pen = "L"
        return f'<path class="line" d="{"".join(parts)}"/>'


def chart_of(
    evidence: EvidenceRecord, incident: Incident, until: float, store: Asking
) -> Chart | None:
    """The chart of *evidence*; None where its signal is no word of ours or nothing is known."""
    signal = BY_NAME.get(evidence.signal)
    end = incident.resolved_at if incident.resolved_at is not None else until
    start, stop = incident.since - BEFORE, min(end + AFTER, until)
    if signal is None or stop <= start:
        return None
    step = max(15.0, float(np.ceil((stop - start) / _COLUMNS / 15.0)) * 15.0)
    try:
        frame = store.evaluate(signal, start, stop, step)
    except StoreError:
        return None
    rows = [
        row
        for labels, row in frame.rows()
        if labels.get(LABEL_OF[evidence.entity.kind]) == evidence.entity.id
    ][:_MOST_ROWS]
    if not rows or len(frame.times) < 2:
        return None
    levels = (evidence.expected, evidence.lower, evidence.upper)
    lines = [level for level in levels if level is not None]
    title = f"{signal.meaning} {evidence.entity.label}"
    return Chart(frame.times, rows, incident.since, end, lines, evidence.unit or signal.unit, title)


def harmless(value: object) -> str:
    """*value* as text of HTML: escaped, and without what steers a terminal or the way one reads."""
    return escape(one_line(value), quote=True)
