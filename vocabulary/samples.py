"""What flows: series, samples and frames."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Labels = tuple[tuple[str, str], ...]
"""Label pairs, sorted by name; a value is never empty (absent and empty are one in Prometheus)."""

Array = npt.NDArray[np.float64]


def labels_of(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Sort *pairs* and leave out the empty ones."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted((name, value) for name, value in items if value))


class Series(NamedTuple):
    """A name and its labels: what stays the same from sample to sample."""

    name: str
    labels: Labels

    def label(self, name: str) -> str:
        """The value of label *name*, or the empty string."""
        return dict(self.labels).get(name, "")


class Sample(NamedTuple):
    """One value of one series at one moment. NaN is the mark that the series ended (stale)."""

    series: Series
    value: float
    at: float
    """Event time, Unix seconds UTC."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What an evaluated signal looks like: one row a label set, one column a moment.

    Missing is NaN: absent is not zero. Rows are in the order of *labels*.
    """

    labels: tuple[Labels, ...]
    times: Array
    """Shape (T,): Unix seconds, evenly spaced, ascending."""
    values: Array
    """Shape (S, T)."""

    def rows(self) -> Iterable[tuple[dict[str, str], Array]]:
        """Each row's labels and values."""
        for labels, row in zip(self.labels, self.values, strict=True):
            yield dict(labels), row

    def where(self, **match: str) -> "Frame":
        """The rows whose labels bear these values."""
        keep = list(range(len(self.labels)))
        for pair in match.items():
            keep = [index for index in keep if pair in self.labels[index]]
        return Frame(tuple(self.labels[i] for i in keep), self.times, self.values[keep])

    def row(self, **match: str) -> Array | None:
        """The only row with these labels; None when there is none or more than one."""
        found = self.where(**match)
        return found.values[0] if len(found.labels) == 1 else None

    @property
    def empty(self) -> bool:
        """True when no row holds a value."""
        return self.values.size == 0 or bool(np.all(np.isnan(self.values)))


def empty_frame(times: Array) -> Frame:
    """A frame with no rows."""
    return Frame((), times, np.empty((0, len(times)), dtype=np.float64))
