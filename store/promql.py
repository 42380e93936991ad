"""Signals as PromQL: what a Prometheus-compatible backend is asked, and what a person may paste."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from store.dialect import Dialect, Spelling
from store.leaves import part_of
from vocabulary.expressions import (
    By,
    Expr,
    Increase,
    Last,
    Late,
    Match,
    Over,
    Quantile,
    Rate,
    Ratio,
    Scaled,
    Signal,
    bound_spellings,
)
from vocabulary.metrics import Metric

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def render(
    expr: Expr, match: Mapping[str, str] | None = None, dialect: Dialect | None = None
) -> str:
    """*expr* as PromQL, every selector narrowed by the label equalities in *match*."""
    return _Rendering(tuple((match or {}).items()), dialect or {}).text(expr)


def render_signal(
    signal: Signal, match: Mapping[str, str] | None = None, dialect: Dialect | None = None
) -> str:
    """*signal* as PromQL, every selector narrowed by the label equalities in *match*."""
    known = None if dialect else _template(signal, tuple(match or ()))
    if known is None or match is None:
        return render(signal.expr, match, dialect)
    values = list(match.values())
    return _MARK.sub(lambda mark: quoted(values[int(mark[1])]), known)


_MARK = re.compile(r'"@(\d+)@"')


@lru_cache(maxsize=1024)
def _template(signal: Signal, labels: tuple[str, ...]) -> str | None:
    """*signal* with a mark for the value of each label: a storm asks for thousands of values.

    None where the signal speaks of one of *labels* itself, so that a value could be said twice.
    """
    marks = {label: f"@{place}@" for place, label in enumerate(labels)}
    text = render(signal.expr, marks)
    once = all(text.count(f"{label}=") == text.count(f'{label}="@') for label in labels)
    return text if once else None


def quoted(text: str) -> str:
    """*text* as a PromQL string: whatever it holds, it stays one value."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if escaped.isprintable():  # nothing of it is escaped, and a storm quotes very many names
        return f'"{escaped}"'
    return '"' + "".join(_escaped(character) for character in escaped) + '"'


def _escaped(character: str) -> str:
    if character == "\n":
        return "\\n"
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"  # half a surrogate pair is no character, and no backend takes it
    return f"\\u{code:04x}" if code < 0x20 or 0x7F <= code < 0xA0 else character


def duration(seconds: float) -> str:
    """*seconds* as a PromQL duration in the largest unit that fits: `90s`, `5m`, `250ms`."""
    millis = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if millis and millis % size == 0:
            return f"{millis // size}{unit}"
    return f"{millis}ms"


def number(value: float) -> str:
    """*value* as a PromQL number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


@dataclass(frozen=True, slots=True)
class _Rendering:
    match: Match
    dialect: Dialect

    def text(self, expr: Expr) -> str:  # noqa: PLR0911 - one for each word of the language
        match expr:
            case Last(metric, match):
                return self._leaf(metric.name, match, lambda selector: selector)
            case Rate(metric, window, match, part):
                return self._ranged("rate", part_of(metric, part), match, window)
            case Increase(metric, window, match, part):
                return self._ranged("increase", part_of(metric, part), match, window)
            case Over(how, metric, window, match):
                return self._ranged(f"{how}_over_time", metric.name, match, window)
            case Quantile(q, metric, by, window, match):
                buckets = self._ranged("rate", part_of(metric, "bucket"), match, window)
                grouped = f"sum by ({_names((*by, 'le'))}) ({buckets})"
                return f"histogram_quantile({number(q)}, {grouped})"
            case Late(metric, bound, by, window, match):
                return self._late(metric, bound, by, window, match)
            case By(how, inner, labels):
                return f"{how} by ({_names(labels)}) ({self.text(inner)}{_known(inner)})"
            case Ratio(top, bottom, on):
                divisor = f"({self._operand(bottom)} != 0)"
                return f"{self._operand(top)} / on ({_names(on)}) {divisor}"
            case Scaled(inner, factor):
                return f"{self._operand(inner)} * {number(factor)}"

    def _late(
        self, metric: Metric, bound: float, by: Sequence[str], window: float, match: Match
    ) -> str:
        name, labels = part_of(metric, "bucket"), _names(by)
        spoken = [
            self._ranged("rate", name, (*match, ("le", spelling)), window)
            for spelling in bound_spellings(bound)
        ]
        every = self._ranged("rate", part_of(metric, "count"), match, window)
        in_time = f"sum by ({labels}) ({' or '.join(spoken)})"
        return f"1 - {in_time} / on ({labels}) (sum by ({labels}) ({every}) != 0)"

    def _operand(self, expr: Expr) -> str:
        text = self.text(expr)
        return f"({text})" if isinstance(expr, Late | Ratio | Scaled) else text

    def _ranged(self, function: str, name: str, match: Match, window: float) -> str:
        return self._leaf(
            name, match, lambda selector: f"{function}({selector}[{duration(window)}])"
        )

    def _leaf(self, name: str, match: Match, around: Callable[[str], str]) -> str:
        wanted = tuple(dict.fromkeys((*match, *self.match)))
        spoken = [
            _in_our_words(around(_selector(spelling.name, theirs)), spelling)
            for spelling in self.dialect.get(name, (Spelling(name),))
            if (theirs := spelling.matching(wanted)) is not None
        ]
        if not spoken:  # no spelling can match; neither does our own name, and that is the answer
            return around(_selector(name, wanted))
        return spoken[0] if len(spoken) == 1 else f"({' or '.join(spoken)})"


def _selector(name: str, match: Match) -> str:
    inside = [f"{_label(label)}={quoted(value)}" for label, value in match]
    if _METRIC_NAME.fullmatch(name):
        return name + (f"{{{','.join(inside)}}}" if inside else "")
    return f"{{{','.join((quoted(name), *inside))}}}"


def _label(name: str) -> str:
    """A label name, quoted where only Prometheus 3 can say it."""
    return name if _LABEL_NAME.fullmatch(name) else quoted(name)


def _names(labels: Sequence[str]) -> str:
    return ", ".join(_label(name) for name in labels)


def _in_our_words(text: str, spelling: Spelling) -> str:
    for ours, theirs in spelling.renamed.items():
        text = f'label_replace({text}, {quoted(ours)}, "$1", {quoted(theirs)}, "(.*)")'
    for ours, value in spelling.fixed.items():
        literal = quoted(value.replace("$", "$$"))  # `$` begins a reference to a group
        text = f'label_replace({text}, {quoted(ours)}, {literal}, "", "")'
    return text if spelling.factor == 1.0 else f"({text} * {number(spelling.factor)})"


def _known(expr: Expr) -> str:
    """A filter that takes NaN away before rows are folded: unknown is absent, as in our frames."""
    return " >= -Inf" if _may_be_nan(expr) else ""


def _may_be_nan(expr: Expr) -> bool:
    match expr:
        case Quantile():
            return True
        case Ratio(top, bottom):
            return _may_be_nan(top) or _may_be_nan(bottom)
        case Scaled(inner):
            return _may_be_nan(inner)
        case _:
            return False
