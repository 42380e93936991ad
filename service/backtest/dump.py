"""History out of a file: OpenMetrics text with a time on every line, as `promtool tsdb` dumps it.

A file that knows our words is read in them, any other in the servers' own names, as a Prometheus
that scrapes the servers itself would be asked (`instance` is the replica).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from store.columns import Columns, Millis, Piece, grid, merged, side_by_side
from store.dialect import Dialect, Spelling
from store.evaluation import evaluate
from store.selection import Selection, Selector, selection
from vocabulary.errors import ConfigError
from vocabulary.expressions import Match, Signal
from vocabulary.metrics import TARGET_UP
from vocabulary.samples import Array, Frame, Labels, labels_of

MOST_SAMPLES = 200_000_000
"""Samples of one file: 3.2 GB of memory (our judgement)."""
_SERIES = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:\\.|[^"\\])*)"\s*(?:,|$)')
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_MILLISECONDS = 1e11
"""A time from here on is in milliseconds, as Prometheus' older text format writes it."""

_Row = tuple[Labels, Millis, Array]


class Dump:
    """The samples of *file*; implements `store.asking.Asking`.

    Raises:
        ConfigError: It cannot be read, or a line is none; the line is named.
    """

    def __init__(self, file: Path, dialect: Dialect) -> None:
        self._series = _read(file)
        self.dialect: Dialect = {} if TARGET_UP.name in self._series else dialect
        self._selected: dict[tuple[str, Match], list[_Row]] = {}

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        """*signal* at start, start + step, … up to and including end (Unix seconds).

        Raises:
            StoreError: The question is too large, or labels are not unique.
        """
        return evaluate(signal.expr, self._selection, grid(start, end, step))

    def newest(self) -> float | None:
        """Time of the newest sample, or None when there is none."""
        ends = [int(times[-1]) for rows in self._series.values() for _, times, _ in rows]
        return max(ends) / 1000.0 if ends else None

    def _selection(self, selectors: Sequence[Selector], after: int, until: int) -> Selection:
        return selection([self._columns(*one, after, until) for one in selectors])

    def _columns(self, name: str, match: Match, after: int, until: int) -> Columns:
        pieces = []
        for labels, times, values in self._rows(name, match):
            first, last = np.searchsorted(times, (after, until), side="right")
            if first < last:
                pieces.append(Piece(labels, times[first:last], values[first:last]))
        return side_by_side(pieces)

    def _rows(self, name: str, match: Match) -> list[_Row]:
        """Series of our *name*; where several spellings tell of one, the newest spelling does."""
        if (name, match) not in self._selected:
            found: dict[Labels, _Row] = {}
            for spelling in self.dialect.get(name, (Spelling(name),)):
                for row in self._spelled(spelling, match):
                    found.setdefault(row[0], row)
            self._selected[name, match] = list(found.values())
        return self._selected[name, match]

    def _spelled(self, spelling: Spelling, match: Match) -> Iterator[_Row]:
        theirs = spelling.matching(match)
        if theirs is None:
            return
        for labels, times, values in self._series.get(spelling.name, ()):
            known = dict(labels)
            if all(known.get(label, "") == value for label, value in theirs):
                ours = {mine: known.get(other, "") for mine, other in spelling.renamed.items()}
                whole = labels_of({**known, **ours, **spelling.fixed})
                yield whole, times, values if spelling.factor == 1.0 else values * spelling.factor


def _read(file: Path) -> dict[str, list[_Row]]:
    columns: dict[str, tuple[list[float], list[float]]] = {}
    samples = 0
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith("#") or not line.strip():
                    continue
                series, value, at = _sample(line, f"{file}, line {number}")
                times, values = columns.setdefault(series, ([], []))
                times.append(at)
                values.append(value)
                samples += 1
                if samples > MOST_SAMPLES:
                    raise ConfigError(f"{file} holds more than {MOST_SAMPLES} samples; split it")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    found: dict[str, list[_Row]] = {}
    for series, (times, values) in columns.items():
        name, labels = _named(series, str(file))
        moments = np.rint(np.array(times) * 1000).astype(np.int64)
        found.setdefault(name, []).append((labels, *merged([(moments, np.array(values))])))
    return found


def _sample(line: str, where: str) -> tuple[str, float, float]:
    parts = line.rsplit(None, 2)
    try:
        series, value, at = parts[0], float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        series, value, at = "", 0.0, np.nan
    if not 0.0 <= at < np.inf:
        raise ConfigError(
            f"{where}: {line.strip()[:60]!r} is no `name{{labels}} value time`; dump it with "
            "promtool tsdb dump-openmetrics"
        )
    return series, value, at / 1000.0 if at >= _MILLISECONDS else at


def _named(series: str, where: str) -> tuple[str, Labels]:
    found = _SERIES.fullmatch(series)
    if found is None:
        raise ConfigError(f"{where}: {series[:60]!r} is no series")
    labels, rest = {}, found[2] or ""
    while rest:
        label = _LABEL.match(rest)
        if label is None:
            raise ConfigError(f"{where}: {series[:60]!r} has labels that cannot be read")
        labels[label[1]] = re.sub(r"\\.", lambda one: _ESCAPED.get(one[0], one[0]), label[2])
        rest = rest[label.end() :]
    return found[1], labels_of(labels)
