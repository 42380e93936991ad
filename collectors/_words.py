"""How a page collector says which of our words a page speaks: a table, not code."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vocabulary.metrics import Kind, Metric

PageLabels = Mapping[str, str]
Aggregate = Callable[[list[float]], float]


@dataclass(frozen=True, slots=True)
class Word:
    """One of our metrics, and where a page says it.

    Several series of a page that end up under the same labels (engines, data-parallel ranks, label
    values we do not keep) are brought together by *how*. Two words of one metric and equal labels
    add up.
    """

    metric: Metric
    spellings: tuple[str, ...]
    """Upstream names as text 0.0.4 writes them, newest first. Only the first that a page holds is
    read, so that a page with both the old and the new name is not counted twice."""
    take: tuple[tuple[str, str], ...] = ()
    """Our label and the page's label it is read from."""
    where: tuple[tuple[str, str], ...] = ()
    """Page labels a series must bear to be meant; an empty value asks for their absence."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Labels of ours that are always the same."""
    label: Callable[[PageLabels], Mapping[str, str] | None] | None = None
    """For what a table cannot say: our labels out of the page's; None passes the series over."""
    how: Aggregate = sum
    part: str = ""
    """`count` or `sum`: our counter is that part of the page's histogram, or the page's counter is
    that part of our histogram, which then has no buckets."""
    typed: Kind | None = None
    """The page's type, where it differs from our metric's."""
    unless: str = ""
    """A name of the page that says the same better: where it stands, this word is silent."""
    scale: float = 1.0
    """What the page's unit is multiplied with to become ours: values, sums and bounds."""
    times: str = ""
    """A gauge of the page that the value is multiplied with: the tokens of one of the blocks that
    are counted. Where the page does not hold one such number, the word is silent."""
    blank_from: float = math.inf
    """From here up a value is the source's mark for "I do not know"."""
    whole: Callable[[Sequence[tuple[PageLabels, float]]], float | None] | None = None
    """For values that hide in labels: one value out of all the series that come together."""
    raw: tuple["Word", ...] = ()
    """The nearest that plain words come to a word with *label*, for asking a backend that holds
    the pages' own series."""

    @property
    def kind(self) -> Kind:
        """The type that the page's family must have."""
        if self.part:
            return Kind.COUNTER if self.metric.kind is Kind.HISTOGRAM else Kind.HISTOGRAM
        return self.typed or self.metric.kind

    def own(self, labels: PageLabels) -> dict[str, str] | None:
        """Our labels for a series of the page, or None when it is not meant."""
        if any(labels.get(name, "") != value for name, value in self.where):
            return None
        own = {ours: clean(labels.get(theirs, "")) for ours, theirs in self.take}
        own.update(self.fixed)
        if self.label is not None:
            more = self.label(labels)
            if more is None:
                return None
            own.update(more)
        return own


class Folding:
    """Keeps the first *limit* names it meets and calls the rest `other`.

    Names that users choose become labels, and labels become series that are kept for weeks.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._met: set[str] = set()

    def __call__(self, name: str) -> str:
        if name not in self._met:
            if len(self._met) >= self._limit:
                return "other"
            self._met.add(name)
        return name


def clean(text: str, longest: int = 120) -> str:
    """A label value we may keep: one line, no longer than *longest* characters."""
    return " ".join(text.split())[:longest]


def model_name(text: str) -> str:
    """A model as people call it: of a path on the server's disk only the last part."""
    path = text.startswith(("/", "./", "~")) or text.count("/") > 1
    return clean(text.rstrip("/").rpartition("/")[2] if path else text)
