"""Which series there are: numbers for names and labels, found again by label equality."""

from collections.abc import Iterable
from typing import NamedTuple

from store.columns import UNKNOWN_BIRTH
from store.rows import Rows
from store.selection import Selector
from store.windows import LOOKBACK
from vocabulary.expressions import Match
from vocabulary.samples import Series

_MOST_SELECTORS = 4096
"""Remembered answers to label equalities; forgotten all at once when there are more."""

_Source = tuple[str, str, str]
"""Name, `replica` and `vantage`: what one page or one client tells about one word."""


class Chosen(NamedTuple):
    """The series that a selector finds, by rising number."""

    numbers: tuple[int, ...]
    rows: Rows
    births: tuple[int, ...]


class SeriesIndex:
    """Numbers series, and remembers for each selector that was asked which series it has.

    It also judges births: a series began before our eyes when its source (same name, same
    `replica` and `vantage`) was read within the lookback before, and this series was not there.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.numbers: dict[Series, int] = {}
        self.series: dict[int, Series] = {}
        self.births: dict[int, int] = {}
        self._named: dict[str, list[int]] = {}
        self._selected: dict[Selector, list[int]] = {}
        self._chosen: dict[Selector, Chosen] = {}
        self._source_of: dict[int, _Source] = {}
        self._seen: dict[_Source, int] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self.numbers)

    def admit(self, series: Series, at: int | None) -> int | None:
        """The number of a *series* not seen before *at*; None when there are too many already."""
        if len(self.numbers) >= self.limit:
            return None
        number = self._next
        seen = self._seen.get(_source(series))
        born = at is not None and seen is not None and at - seen <= LOOKBACK
        self.restore(number, series, at if born and at is not None else UNKNOWN_BIRTH)
        return number

    def restore(self, number: int, series: Series, birth: int) -> None:
        """Take up *series* under the *number* and with the *birth* it had before."""
        self.numbers[series] = number
        self.series[number] = series
        self._next = max(self._next, number + 1)
        if birth != UNKNOWN_BIRTH:
            self.births[number] = birth
        self._source_of[number] = _source(series)
        self._named.setdefault(series.name, []).append(number)
        for (name, match), found in self._selected.items():
            if name == series.name and _bears(series, match):
                found.append(number)

    def reserve(self, numbered: int) -> None:
        """Never give a number up to *numbered* again, even when its series is forgotten."""
        self._next = max(self._next, numbered + 1)

    def seen(self, numbers: Iterable[int], at: int) -> set[str]:
        """The sources of these series were read up to *at*; gives the names of the series."""
        sources = {self._source_of[number] for number in numbers}
        for source in sources:
            self._seen[source] = max(self._seen.get(source, at), at)
        return {source[0] for source in sources}

    def select(self, name: str, match: Match) -> list[int]:
        """Numbers of the series *name* that bear *match*; an empty value asks for no label."""
        key = (name, match)
        if key not in self._selected:
            if len(self._selected) >= _MOST_SELECTORS:
                self._selected.clear()
                self._chosen.clear()
            named = self._named.get(name, [])
            self._selected[key] = [one for one in named if _bears(self.series[one], match)]
        return self._selected[key]

    def choose(self, selector: Selector) -> Chosen:
        """What `select` finds, and what is known of it; the same object until there is more."""
        numbers = self.select(*selector)
        known = self._chosen.get(selector)
        if known is None or len(known.numbers) != len(numbers):
            known = self._chosen[selector] = Chosen(
                tuple(numbers),
                Rows([self.series[number].labels for number in numbers]),
                tuple(self.births.get(number, UNKNOWN_BIRTH) for number in numbers),
            )
        return known

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop series of which no sample is left."""
        gone = set(numbers)
        names = set()
        for number in gone:
            series = self.series.pop(number)
            names.add(series.name)
            del self.numbers[series], self._source_of[number]
            self.births.pop(number, None)
        for name in names:
            self._named[name] = [one for one in self._named[name] if one not in gone]
        living = set(self._source_of.values())
        self._seen = {source: at for source, at in self._seen.items() if source in living}
        self._selected.clear()
        self._chosen.clear()


def _source(series: Series) -> _Source:
    return series.name, series.label("replica"), series.label("vantage")


def _bears(series: Series, match: Match) -> bool:
    labels = dict(series.labels)
    return all(labels.get(name, "") == value for name, value in match)
