"""Prometheus text 0.0.4 as Python's client prints it: families in a fixed order, `_created` too."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from simulator.counting import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Value = float | Histogram | tuple[int, float]
"""A number, a histogram, or count and sum of a summary."""
Rows = Sequence[tuple[tuple[str, ...], Value]]
"""One entry a child: label values in the order of the family's labels, and its value."""


@dataclass(frozen=True, slots=True)
class Family:
    """What a server declares about one metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    always: bool = True
    """False: declared only once there is something to say, as a feature that is not on."""

    @property
    def header(self) -> str:
        """The two comment lines."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"


@cache
def families(server: str) -> tuple[Family, ...]:
    """The families of *server* (`vllm`, `llamacpp`, `litellm`), in the order of its page."""
    text = (Path(__file__).parent / f"{server}.tsv").read_text(encoding="utf-8")
    found = []
    for line in text.split("\n"):
        if line:
            name, kind, labels, help_text, *rarely = line.split("\t")
            own = tuple(labels.split(",")) if labels else ()
            found.append(Family(name, kind, own, help_text, not rarely))
    return tuple(found)


def number(value: float) -> str:
    """A value as the page spells it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


def label_text(pairs: Sequence[tuple[str, str]]) -> str:
    """`{a="x",b="y"}`, sorted by name and escaped; empty without labels."""
    if not pairs:
        return ""
    escaped = (
        (name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n"))
        for name, value in sorted(pairs)
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


@dataclass(frozen=True, slots=True)
class Numbers:
    """A page's values in the order of its lines, and what tells pages of other lines apart."""

    shape: object
    """Pages of one server with equal shapes differ in their values alone."""
    values: list[float]


@dataclass(slots=True)
class Writer:
    """Writes pages of one server, remembering the parts that never change."""

    server: str
    created: bool = True
    """Whether counters and histograms carry a `_created` family, as Python's client does."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Family → what this version of the server calls it."""
    spells: bool = True
    """False while nobody wants the text, but what `numbers` makes of the page."""
    _said: tuple[Mapping[str, Rows], float] = field(default_factory=lambda: ({}, 0.0))
    _prefixes: dict[tuple[str, tuple[str, ...]], list[str]] = field(default_factory=dict)

    def write(self, rows: Mapping[str, Rows], born: float) -> bytes:
        """The page with *rows* by family name; *born* is what `_created` says.

        A family without rows keeps its two comment lines, as in the real page.
        """
        self._said = rows, born
        if not self.spells:
            return b""
        parts: list[str] = []
        for family in families(self.server):
            children = rows.get(family.name, ())
            if not children and not family.always:
                continue
            if family.name in self.renamed:
                family = replace(family, name=self.renamed[family.name])  # noqa: PLW2901
            parts.append(family.header)
            for values, value in children:
                prefixes = self._prefixes_of(family, values, value)
                parts.extend(
                    f"{prefix} {text}\n"
                    for prefix, text in zip(prefixes, _texts(value), strict=True)
                )
            if children and self._dated(family):
                self._write_created(parts, family, children, born)
        return "".join(parts).encode()

    def numbers(self) -> "Numbers":
        """What the page written last says, without a word of its text."""
        rows, born = self._said
        shape: list[tuple[str, int, tuple[str, ...]]] = []
        values: list[float] = []
        for family in families(self.server):
            children = rows.get(family.name, ())
            for labels, value in children:
                known = len(values)
                values += _numbers(value)
                shape.append((family.name, len(values) - known, labels))
            if children and self._dated(family):
                values += [born] * len(children)
        return Numbers((tuple(self.renamed.items()), shape), values)

    def _dated(self, family: Family) -> bool:
        """Whether the page says when this family began to count."""
        return self.created and family.kind != "gauge" and _is_own(family.name)

    def _write_created(self, parts: list[str], family: Family, children: Rows, born: float) -> None:
        stem = family.name.removesuffix("_total") if family.kind == "counter" else family.name
        name = f"{stem}_created"
        parts.append(f"# HELP {name} {family.help}\n# TYPE {name} gauge\n")
        for values, _value in children:
            labels = label_text(tuple(zip(family.labels, values, strict=True)))
            parts.append(f"{name}{labels} {number(born)}\n")

    def _prefixes_of(self, family: Family, values: tuple[str, ...], value: Value) -> list[str]:
        key = (family.name, values)
        found = self._prefixes.get(key)
        if found is None:
            pairs = tuple(zip(family.labels, values, strict=True))
            plain = label_text(pairs)
            if isinstance(value, Histogram):
                bounds = [*(number(bound) for bound in value.bounds), "+Inf"]
                found = [
                    f"{family.name}_bucket{label_text((*pairs, ('le', bound)))}" for bound in bounds
                ]
                found += [f"{family.name}_count{plain}", f"{family.name}_sum{plain}"]
            elif isinstance(value, tuple):
                found = [f"{family.name}_count{plain}", f"{family.name}_sum{plain}"]
            else:
                found = [f"{family.name}{plain}"]
            self._prefixes[key] = found
        return found


def _texts(value: Value) -> list[str]:
    if isinstance(value, Histogram):
        cumulated = value.cumulated()
        return [*(f"{one}.0" for one in cumulated), f"{cumulated[-1]}.0", number(value.total)]
    if isinstance(value, tuple):
        return [f"{value[0]}.0", number(value[1])]
    return [number(value)]


def _numbers(value: Value) -> list[float]:
    """What `_texts` spells, as it is read again."""
    if isinstance(value, Histogram):
        cumulated = [float(one) for one in value.cumulated()]
        return [*cumulated, cumulated[-1], value.total]
    if isinstance(value, tuple):
        return [float(value[0]), float(value[1])]
    return [float(value)]


def _is_own(name: str) -> bool:
    """Collectors of the interpreter and of the process carry no creation time."""
    return not name.startswith(("python_", "process_"))
