"""The samples of all series that several selectors find, side by side."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from store.columns import Columns, joined
from store.rows import Rows
from vocabulary.expressions import Match

Selector = tuple[str, Match]
"""The name of series, and the labels they bear."""


class Selection(NamedTuple):
    """Samples in the order of the selectors."""

    columns: Columns
    rows: Sequence[Rows]
    """For each selector the label sets of its series."""


class Source(Protocol):
    """Where the evaluation gets its samples."""

    def __call__(self, selectors: Sequence[Selector], after: int, until: int) -> Selection:
        """The series of each selector, with their samples in (after, until] milliseconds."""
        ...


def selection(several: Sequence[Columns]) -> Selection:
    """What was found for each selector by itself."""
    return Selection(joined(several), [Rows(columns.labels) for columns in several])
