"""From a page's layout to our series: worked out once a layout, then only values are added up."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from collectors._exposition import BLANK, COUNTER, GAUGE, HISTOGRAM, UNTYPED, Layout, absent
from collectors._words import PageLabels, Word
from vocabulary.metrics import Kind
from vocabulary.samples import Labels, Sample, Series, labels_of

About = Callable[[PageLabels, Mapping[str, str]], Labels]
"""The labels of a series of ours, out of the page's labels and the word's own."""

Add = Callable[[str, Labels, Word, int], None]
"""Makes a row of the page part of a series of ours."""

_PARTS = ("bucket", "sum", "count")


@dataclass(slots=True)
class Output:
    """One series of ours and the rows of the page it is made of."""

    series: Series
    word: Word
    rows: list[int] = field(default_factory=list)
    factors: tuple[int, ...] = ()
    """Rows of the gauge that the value is multiplied with."""

    @property
    def only(self) -> int:
        """The one row whose value, scaled, is all there is to it; -1 where there is more."""
        word = self.word
        plain = word.how is sum and word.whole is None and not word.times
        return self.rows[0] if plain and len(self.rows) == 1 else -1

    def value(self, layout: Layout, values: Sequence[float]) -> float | None:
        """Its value now; None when one of its rows says nothing, for a part is not the whole."""
        found = [values[row] for row in self.rows]
        blank = self.word.blank_from
        if any(absent(one) or one >= blank for one in found):
            return None
        if self.word.whole is not None:
            labels = (dict(layout.rows[row].labels) for row in self.rows)
            return self.word.whole(list(zip(labels, found, strict=True)))
        value = self.word.how(found) * self.word.scale
        return self._multiplied(value, values) if self.word.times else value

    def _multiplied(self, value: float, values: Sequence[float]) -> float | None:
        """By its gauge; None where that does not say one number."""
        said = {values[row] for row in self.factors}
        number = said.pop() if len(said) == 1 else math.nan
        return None if absent(number) else value * number


@dataclass(frozen=True, slots=True)
class Plan:
    """What a page of one layout says in our words."""

    outputs: tuple[Output, ...]
    _quick: list[tuple[Output, int, float, float]] = field(default_factory=list, repr=False)
    """Each output with its only row, scale, and from where a value is blank: most series of a page
    are one row of it, and are read here without a call for each."""

    def __post_init__(self) -> None:
        for one in self.outputs:
            blank = min(one.word.blank_from, BLANK)
            self._quick.append((one, one.only, one.word.scale, blank))

    def samples(self, layout: Layout, values: Sequence[float], at: float) -> list[Sample]:
        """The values of a page of this layout, as samples of the moment *at*."""
        samples: list[Sample] = []
        for output, only, scale, blank in self._quick:
            if only >= 0:
                if 0.0 <= values[only] < blank:
                    samples.append(Sample(output.series, values[only] * scale, at))
            elif (value := output.value(layout, values)) is not None:
                samples.append(Sample(output.series, value, at))
        return samples


def plan(layout: Layout, words: Iterable[Word], about: About) -> Plan:
    """Find each word on a page of this layout."""
    page = _Page(layout)
    outputs: dict[Series, Output] = {}

    def add(name: str, labels: Labels, word: Word, row: int) -> None:
        series = Series(name, labels)
        if series not in outputs:
            outputs[series] = Output(series, word, factors=page.gauge(word.times))
        outputs[series].rows.append(row)

    for word in words:
        family = page.family(word)
        if word.metric.kind is Kind.HISTOGRAM and not word.part:
            for labels, sources in _by_labels(family, word, about, layout).items():
                _add_histogram(labels, sources, word, add)
            continue
        name, wanted = word.metric.name, word.part
        if word.metric.kind is Kind.HISTOGRAM:
            name, wanted = f"{name}_{word.part}", ""
        for part, row in family:
            if part == wanted:
                theirs = dict(layout.rows[row].labels)
                own = word.own(theirs)
                if own is not None:
                    add(name, about(theirs, own), word, row)
    return Plan(tuple(outputs.values()))


class _Page:
    """The page's families by kind and folded name, as its `# TYPE` lines say and never by suffix.

    Names are folded because the same server writes `vllm:x` or `vllm_x`, and `x_total` or `x`, by
    what the reader or a proxy in between asked for. Where no type is given, the table's word for
    the kind is taken.
    """

    def __init__(self, layout: Layout) -> None:
        types = {_folded(name): kind for name, kind in layout.types}
        rows: dict[str, list[int]] = {}
        for index, row in enumerate(layout.rows):
            rows.setdefault(row.name, []).append(index)
        self._names = {_folded(name) for name in layout.names}
        self._families: dict[tuple[str, str], list[tuple[str, int]]] = {}
        spelled: dict[tuple[str, str], str] = {}
        for name in layout.names:
            for kind, folded, part in _readings(_folded(name), types):
                raw = name.removesuffix(f"_{part}") if part else name
                if spelled.setdefault((kind, folded), raw) == raw:  # `a:b` and `a_b` count once
                    family = self._families.setdefault((kind, folded), [])
                    family.extend((part, row) for row in rows[name])

    def gauge(self, name: str) -> tuple[int, ...]:
        """Rows of the gauge of this name."""
        found = self._families.get((GAUGE, _folded(name)), ()) if name else ()
        return tuple(row for _, row in found)

    def family(self, word: Word) -> list[tuple[str, int]]:
        """Part and row of the newest spelling that this page holds; nothing when it holds none."""
        if word.unless and _folded(word.unless) in self._names:
            return []
        for spelling in word.spellings:
            name = _folded(spelling)
            if word.kind is Kind.COUNTER:
                name = name.removesuffix("_total")
            if (word.kind.value, name) in self._families:
                return self._families[word.kind.value, name]
        return []


def _folded(name: str) -> str:
    return name.replace(":", "_")


def _readings(name: str, types: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """As what a sample name can be read: kind, family and part."""
    stem = name.removesuffix("_total")
    if types.get(name) == HISTOGRAM:  # Triton's manual shows buckets without their suffix
        yield HISTOGRAM, name, "bucket"
        return
    for part in _PARTS:
        base = name.removesuffix(f"_{part}")
        if base == name:
            continue
        if types.get(base) == HISTOGRAM:
            yield HISTOGRAM, base, part
            return
        if base not in types and name not in types:
            yield HISTOGRAM, base, part
    created = name.removesuffix("_created")
    if created != name and (created in types or f"{created}_total" in types):
        return  # when a counter began; prometheus_client prints it as a gauge family of its own
    kind = types.get(name) or types.get(stem, UNTYPED)
    if kind in {COUNTER, UNTYPED}:
        yield COUNTER, stem, ""
    if kind in {GAUGE, UNTYPED}:
        yield GAUGE, name, ""


_Sources = dict[frozenset[tuple[str, str]], dict[tuple[str, str], int]]
"""Series of a histogram family (their labels without `le`), each as (part, le) to row."""


def _by_labels(
    family: list[tuple[str, int]], word: Word, about: About, layout: Layout
) -> dict[Labels, _Sources]:
    """The histograms of a family, by the labels they come together under."""
    found: dict[Labels, _Sources] = {}
    for part, row in family:
        labels = dict(layout.rows[row].labels)
        bound = _bound(labels.pop("le", ""), word.scale)
        own = word.own(labels)
        if own is not None and (part == "bucket") == bool(bound):
            sources = found.setdefault(about(labels, own), {})
            sources.setdefault(frozenset(labels.items()), {})[part, bound] = row
    return found


def _bound(text: str, scale: float) -> str:
    """An upper bound in our unit, spelled in one way; empty when it is none."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return (
        "+Inf"
        if math.isinf(number)
        else repr(number if scale == 1.0 else round(number * scale, 12))
    )


def _add_histogram(labels: Labels, sources: _Sources, word: Word, add: Add) -> None:
    """Sums and counts always add up; buckets only where every source has the same bounds."""
    counted = replace(word, scale=1.0)
    bounds = {frozenset(key for key in rows if key[0] == "bucket") for rows in sources.values()}
    for rows in sources.values():
        for (part, bound), row in rows.items():
            if part != "bucket":
                add(f"{word.metric.name}_{part}", labels, word if part == "sum" else counted, row)
            elif len(bounds) == 1:
                bucket = labels_of([*labels, ("le", bound)])
                add(f"{word.metric.name}_bucket", bucket, counted, row)
