"""Label sets of a table's rows, and what follows from them alone, each worked out once.

The same series are asked for tick by tick. As long as they are the same object, how they fall into
groups, which rows of two tables belong together and how they are ordered is remembered with them.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

from vocabulary.errors import StoreError
from vocabulary.samples import Array, Labels

Places = npt.NDArray[np.intp]
"""Indices of rows."""
_Found = TypeVar("_Found")

_MOST_REMEMBERED = 64
"""What is remembered of one set of rows (our judgement): so many groupings and pairings."""


class Groups(NamedTuple):
    """What is left of rows when only some labels count."""

    rows: "Rows"
    """Each group once."""
    order: Places
    """The rows before, group by group."""
    starts: Places
    """Where each group begins in *order*."""


class Pairs(NamedTuple):
    """Rows of two tables that belong together."""

    rows: "Rows"
    mine: Places
    theirs: Places


class Buckets(NamedTuple):
    """Histograms among rows that have the same buckets."""

    bounds: Array
    """Upper bounds, shape (B,)."""
    places: Places
    """Shape (B, H): the row of each bucket of each histogram."""
    owners: Places
    """Shape (H,): which histograms they are."""


class Rows:
    """An immutable sequence of label sets."""

    __slots__ = ("_known", "labels")

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = tuple(labels)
        self._known: dict[Hashable, object] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def _once(self, key: Hashable, make: Callable[[], _Found]) -> _Found:
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            found = self._known[key] = make()
        return cast("_Found", found)

    def groups(self, wanted: frozenset[str]) -> Groups:
        """The rows grouped by the *wanted* labels, groups in the order of their first rows."""
        return self._once(("groups", wanted), lambda: self._grouped(wanted))

    def _grouped(self, wanted: frozenset[str]) -> Groups:
        numbers: dict[Labels, int] = {}
        owner = np.array(
            [numbers.setdefault(_only(one, wanted), len(numbers)) for one in self.labels], np.intp
        )
        order = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[order], np.arange(len(numbers)))
        return Groups(Rows(tuple(numbers)), order, starts)

    def pairs(self, other: "Rows", on: frozenset[str]) -> Pairs:
        """Which rows have equal labels *on* here and in *other*.

        Raises:
            StoreError: More than one row of one side has them.
        """
        return self._once(("pairs", other, on), lambda: self._paired(other, on))

    def _paired(self, other: "Rows", on: frozenset[str]) -> Pairs:
        above, below = self._unique(on), other._unique(on)
        both = [labels for labels in above if labels in below]
        mine = np.array([above[labels] for labels in both], np.intp)
        return Pairs(Rows(both), mine, np.array([below[labels] for labels in both], np.intp))

    def _unique(self, on: frozenset[str]) -> dict[Labels, int]:
        rows: dict[Labels, int] = {}
        for index, labels in enumerate(self.labels):
            key = _only(labels, on)
            if rows.setdefault(key, index) != index:
                raise StoreError(
                    f"more than one series has {dict(key)}: aggregate by "
                    f"{', '.join(sorted(on))} before dividing"
                )
        return rows

    def buckets(self, wanted: frozenset[str]) -> tuple["Rows", Sequence[Buckets]]:
        """The histograms these rows are, by the *wanted* labels; rows with no bound are none."""
        return self._once(("buckets", wanted), lambda: self._bucketed(wanted))

    def _bucketed(self, wanted: frozenset[str]) -> tuple["Rows", Sequence[Buckets]]:
        found: dict[Labels, tuple[list[float], list[int]]] = {}
        for index, labels in enumerate(self.labels):
            try:
                bound = float(dict(labels).get("le", ""))
            except ValueError:
                continue  # no bucket; Prometheus passes it over with a warning
            bounds, places = found.setdefault(_only(labels, wanted), ([], []))
            bounds.append(bound)
            places.append(index)
        alike: dict[tuple[float, ...], list[int]] = {}
        each = list(found.values())
        for owner, (bounds, _) in enumerate(each):
            alike.setdefault(tuple(bounds), []).append(owner)
        return Rows(tuple(found)), [
            Buckets(
                np.array(bounds), np.array([each[one][1] for one in owners]).T, np.array(owners)
            )
            for bounds, owners in alike.items()
        ]

    def ordered(self) -> tuple["Rows", Places]:
        """The rows in the order of their labels, and where each is here."""
        return self._once("ordered", self._in_order)

    def _in_order(self) -> tuple["Rows", Places]:
        places = sorted(range(len(self.labels)), key=self.labels.__getitem__)
        return Rows([self.labels[place] for place in places]), np.array(places, np.intp)

    def some(self, places: Sequence[int]) -> "Rows":
        """The rows at *places*; all of them are these rows themselves."""
        if len(places) == len(self.labels):
            return self
        key = ("some", tuple(places))
        return self._once(key, lambda: Rows([self.labels[place] for place in places]))


def stacked(several: Sequence[Rows]) -> Rows:
    """The rows of all, one after the other."""
    if len(several) == 1:
        return several[0]
    others = tuple(several[1:])
    return several[0]._once(
        ("stacked", others), lambda: Rows([one for rows in several for one in rows.labels])
    )


def _only(labels: Labels, wanted: frozenset[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in wanted)
