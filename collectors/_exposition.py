"""Prometheus pages, read fast: text 0.0.4 and OpenMetrics.

A page looks the same scrape after scrape and only its values move, so what was worked out about a
series (its name, its labels, whether it is allowed) is remembered under the raw bytes that spell
it. A page of known series costs two splits and one look-up a line; every other page takes the
careful path, line by line, which also is the one that knows how to complain.

Anything wrong refuses the page as a whole: half of a page is not half of the truth.
"""

import codecs
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors._last_pages import NUMERIC, LastPages
from vocabulary.errors import SourceOversized, SourceUnreadable

Pairs = tuple[tuple[str, str], ...]
"""Labels as the page spells them, in the page's order."""

COUNTER, GAUGE, HISTOGRAM, UNTYPED = "counter", "gauge", "histogram", "untyped"

_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_SERIES = re.compile(
    rb'[ \t]*+([^\s{}"#,=]*+)[ \t]*+(\{(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+\})?[ \t]*+', re.DOTALL
)
_LABEL = re.compile(
    rb'[ \t]*+(?:"((?:[^"\\]++|\\.)*+)"|([^\s"=,{}]++))[ \t]*+'
    rb'(?:=[ \t]*+"((?:[^"\\]++|\\.)*+)")?[ \t]*+(?:,|\Z)[ \t]*+',
    re.DOTALL,
)
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?"
                     rb"|inf|infinity|nan)", re.IGNORECASE)  # fmt: skip
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_PIECE = 256 * 1024
"""A longer page is read in pieces, so that it is never in memory line by line as a whole; and no
line may be as long, for 64 labels of a common length are 4 KiB."""
_TYPES = {b"counter": COUNTER, b"gauge": GAUGE, b"histogram": HISTOGRAM, b"summary": "summary"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one page may cost us."""

    bytes: int = 16 * 1024 * 1024
    """After inflation. Prometheus-compatible agents cap at 16 MiB by default (VictoriaMetrics)."""
    samples: int = 50_000
    """Lines with a value; a vLLM page of 16 ranks has 6,000."""
    lines: int = 150_000
    """Lines of any kind, so that a page of comments is no bomb either: two more a sample."""
    labels: int = 64
    """Labels of one series."""
    label_bytes: int = 4096
    """Length of a name or a value."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One series as the page spells it. Rows are kept, so that identity is equality."""

    name: str
    labels: Pairs
    raw: bytes = b""
    """The bytes that spell it."""

    def __str__(self) -> str:
        inside = ",".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What stays the same while a page's values move. Layouts are kept: identity is equality."""

    rows: tuple[Row, ...]
    types: tuple[tuple[str, str], ...]
    """Name and type of each family, as its `# TYPE` line says."""
    names: tuple[str, ...]
    """Every sample name, once, in the page's order."""
    plans: dict[object, Any] = field(default_factory=dict)
    """What readers have worked out about this layout, under keys of their own."""


@dataclass(frozen=True, slots=True)
class Exposition:
    """One page, read: a value for each row of its layout."""

    layout: Layout
    values: Sequence[float]


@dataclass(slots=True)
class Memory:
    """What has been worked out before. Losing it costs time and nothing else."""

    max_rows: int = 100_000
    """About 50 MB; a page beyond it makes us forget and begin again."""
    max_met: int = 10_000
    """Series seen once, of which nothing is worth remembering until they come again: a page that
    makes up new ones for each scrape must not push out everybody else's."""
    max_cells: int = 2_000_000
    """Rows of all layouts together: 16 MB of references."""
    rows: dict[bytes, Row] = field(default_factory=dict)
    met: dict[bytes, Row] = field(default_factory=dict)
    layouts: dict[tuple[object, ...], Layout] = field(default_factory=dict)
    pages: LastPages = field(default_factory=LastPages)
    cells: int = 0

    def keep_rows(self, again: dict[bytes, Row], new: dict[bytes, Row]) -> None:
        """Remember the rows of a good page that were met *again*, and that the *new* were met."""
        if len(self.rows) + len(again) > self.max_rows:
            self.rows.clear()
            self._forget_layouts()
        self.rows.update(again)
        if len(self.met) + len(new) > self.max_met:
            self.met.clear()
        if len(new) <= self.max_met:
            self.met.update(new)

    def layout(self, rows: tuple[Row, ...], types: tuple[bytes, ...]) -> Layout:
        """The layout of these rows and `# TYPE` lines, checked and kept once."""
        key = (rows, types)
        found = self.layouts.get(key)
        if found is None:
            if self.cells >= self.max_cells:
                self._forget_layouts()
            found = self.layouts[key] = _layout(rows, types)
            self.cells += len(rows)
        return found

    def _forget_layouts(self) -> None:
        self.layouts.clear()
        self.cells = 0


_SHARED = Memory()


def parse(
    body: bytes, limits: Limits | None = None, memory: Memory = _SHARED, source: str = ""
) -> Exposition:
    """Read a page. Timestamps, exemplars, HELP and UNIT are passed over.

    Pages of the same *source* are read faster when little has changed.

    Raises:
        SourceOversized: More bytes, samples, labels or longer text than *limits* allow.
        SourceUnreadable: Not a page of metrics, or one with an error in it; the reason names it.
    """
    limits = limits or Limits()
    _demand_page(body, limits)
    if source and (before := memory.pages.read(source, body)) is not None:
        return Exposition(*before)
    types: list[bytes] = []
    rows: list[Row] = []
    values: list[float] = []
    again: dict[bytes, Row] = {}
    new: dict[bytes, Row] = {}
    seen, all_known = 0, True
    for piece in _pieces(body):
        lines: list[bytes] = []
        for chunk in piece.split(b"\n#"):  # no sample line begins with a hash
            head, *rest = chunk.split(b"\n")
            if head.startswith(b" TYPE"):
                types.append(head)
            lines += rest
            seen += len(rest) + 1
        if seen > limits.lines:
            raise _too_many_lines(limits)
        quick = _known(lines, memory.rows)
        all_known = all_known and quick is not None
        found, numbers = quick or _careful(lines, memory, again, new, limits)
        rows += found
        values += numbers
        if len(rows) > limits.samples:
            raise SourceOversized(
                f"the page holds more than {limits.samples} samples", limit="samples"
            )
    if not rows:
        raise SourceUnreadable("the page holds no sample")
    if again or new:
        memory.keep_rows(again, new)
    if new:
        return Exposition(_layout(tuple(rows), tuple(types)), values)
    layout = memory.layout(tuple(rows), tuple(types))
    if source and all_known:
        memory.pages.keep(source, body, [row.raw for row in rows], layout, values)
    return Exposition(layout, values)


def _pieces(body: bytes) -> Iterable[bytes]:
    """The page in pieces of whole lines, a line feed before each; a mark of the end left out."""
    end = len(body) - 6 if body.endswith(b"# EOF\n") else len(body)
    start = 0
    while start < end:
        cut = body.find(b"\n", start + _PIECE, end) + 1 or end
        if cut - start > 2 * _PIECE:
            raise SourceOversized(f"a line has more than {_PIECE} bytes", limit="line_bytes")
        yield b"\n" + body[start:cut]
        start = cut


def _demand_page(body: bytes, limits: Limits) -> None:
    """Refuse what is no page of metrics, in words that say what it is instead."""
    if len(body) > limits.bytes:
        raise SourceOversized(
            f"the page has {len(body)} bytes; {limits.bytes} are allowed", limit="bytes"
        )
    if len(body) > 4 * _PIECE and body.count(b"\n") > limits.lines:  # before any work on them
        raise _too_many_lines(limits)
    start = body[:64].lstrip()
    if not start:
        raise SourceUnreadable("the page is empty")
    if start.startswith(b"<"):
        raise SourceUnreadable("answered HTML (a login page?), not metrics")
    if start.startswith(b"["):
        raise SourceUnreadable("answered JSON, not metrics: another path may hold the page")
    if start.startswith(b"{") and re.match(rb'\{\s*("[^"]*"\s*:|\})', body.lstrip()):
        raise SourceUnreadable("answered JSON, not metrics: another path may hold the page")
    if not body.endswith(b"\n"):
        raise SourceUnreadable("the page is cut off: its last line does not end")
    if not body.isascii():
        _demand_utf8(body)


def _too_many_lines(limits: Limits) -> SourceOversized:
    return SourceOversized(f"the page has more than {limits.lines} lines", limit="lines")


def _demand_utf8(body: bytes) -> None:
    """Look at a page piece by piece: as text it may take four times its bytes."""
    decoder, position = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        for position in range(0, len(body), _PIECE):
            decoder.decode(body[position : position + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        near = f"near byte {position}" if position else "near its beginning"
        raise SourceUnreadable(f"the page is not UTF-8 {near}") from None


def _known(lines: list[bytes], rows: dict[bytes, Row]) -> tuple[list[Row], list[float]] | None:
    """The fast path: None as soon as one line is not `<known series> <number>`."""
    parts = [line.rpartition(b" ") for line in lines if line]
    try:
        found = [rows[key] for key, _, _ in parts]
        values = [float(raw) for _, _, raw in parts]
    except (KeyError, ValueError):
        return None
    if b"".join([raw for _, _, raw in parts]).translate(None, NUMERIC):
        return None
    return found, values


def _careful(
    lines: list[bytes],
    memory: Memory,
    again: dict[bytes, Row],
    new: dict[bytes, Row],
    limits: Limits,
) -> tuple[list[Row], list[float]]:
    """Line by line; series not remembered go to *again* or *new*."""
    rows: list[Row] = []
    values: list[float] = []
    for line in lines:
        bare = line.strip(b" \t")
        if not bare or bare.startswith(b"#"):
            continue
        match = _SERIES.match(line)
        number = _NUMBER.match(line, match.end()) if match else None
        if match is None or number is None or not _ends_well(line[number.end() :]):
            raise SourceUnreadable(f"no sample in line {_shown(line)}")
        raw, value = line[: match.end()].rstrip(b" \t"), float(number[0])
        row = memory.rows.get(raw) or again.get(raw) or new.get(raw)
        if row is None and (row := memory.met.get(raw)) is not None:
            again[raw] = row
        if row is None:
            row = new[raw] = _series(raw, limits)
        rows.append(row)
        values.append(value)
        if len(new) > limits.samples:
            raise SourceOversized(
                f"the page holds more than {limits.samples} samples", limit="samples"
            )
    return rows, values


def _ends_well(rest: bytes) -> bool:
    """What may follow a value: nothing, a timestamp, an exemplar."""
    before, _, _ = rest.partition(b"#")
    if before and before[:1] not in b" \t":
        return False
    words = before.split()
    return not words or (len(words) == 1 and _NUMBER.fullmatch(words[0]) is not None)


def _series(raw: bytes, limits: Limits) -> Row:
    """A series out of the bytes that spell it: `name{label="value",…}`."""
    bare, brace, inside = raw.lstrip(b" \t").partition(b"{")
    name = bare.rstrip(b" \t")
    pairs: list[tuple[str, str]] = []
    position, inside = 0, inside[:-1].strip(b" \t") if brace else b""
    while position < len(inside):
        match = _LABEL.match(inside, position)
        if match is None:
            raise SourceUnreadable(f"labels cannot be read in {_shown(raw)}")
        position = match.end()
        quoted, plain, value = match.groups()
        if value is None:  # a quoted name moves into the braces: {"my.metric", a="b"}
            if name or quoted is None:
                raise SourceUnreadable(f"labels cannot be read in {_shown(raw)}")
            name = quoted
            continue
        if len(pairs) == limits.labels:
            raise SourceOversized(
                f"more than {limits.labels} labels in {_shown(raw)}", limit="labels"
            )
        label = _text(quoted, limits, raw) if quoted is not None else _plain(plain, limits, raw)
        pairs.append((label, _text(value, limits, raw)))
    if len({label for label, _ in pairs}) < len(pairs):
        raise SourceUnreadable(f"a label is given twice in {_shown(raw)}")
    if not name:
        raise SourceUnreadable(f"no name in {_shown(raw)}")
    spelled = _plain(name, limits, raw) if bare.strip() else _text(name, limits, raw)
    return Row(spelled, tuple(pairs), raw)


def _plain(raw: bytes, limits: Limits, series: bytes) -> str:
    if not _NAME.match(raw):
        raise SourceUnreadable(f"{_shown(raw)} is no name, in {_shown(series)}")
    return _text(raw, limits, series)


def _text(raw: bytes, limits: Limits, series: bytes) -> str:
    """Unescaped text, within its length, free of control characters but an escaped line feed."""
    if len(raw) > limits.label_bytes:
        raise SourceOversized(
            f"a label of {len(raw)} bytes in {_shown(series)}; {limits.label_bytes} are allowed",
            limit="label_bytes",
        )
    text = raw.decode()
    if _CONTROL.search(text):
        raise SourceUnreadable(f"a control character in {_shown(series)}")
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    return sys.intern(text)


def _unescaped(match: re.Match[str]) -> str:
    return {"n": "\n", "\\": "\\", '"': '"'}.get(match[1], match[0])


def _layout(rows: tuple[Row, ...], types: tuple[bytes, ...]) -> Layout:
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for row in rows:
        identity = row.name, frozenset(pair for pair in row.labels if pair[1])
        if identity in seen:
            raise SourceUnreadable(f"{_shown(str(row).encode())} stands twice on the page")
        seen.add(identity)
    families: dict[str, str] = {}
    for line in types:
        words = line.split()
        if len(words) == 3:
            families[words[1].strip(b'"').decode()] = _TYPES.get(words[2].lower(), UNTYPED)
    return Layout(rows, tuple(families.items()), tuple(dict.fromkeys(row.name for row in rows)))


def _shown(raw: bytes) -> str:
    """A piece of a hostile page that is safe to print."""
    text = raw[:120].decode(errors="replace")
    return repr(text + ("…" if len(raw) > 120 else ""))


BLANK = float(2**63 - 16)
"""From here up, numbers are marks for "unset"."""


def absent(value: float) -> bool:
    """Whether a number stands for "I do not know".

    NaN and infinities; −1 as old hit rates use it (none of our words is negative); and the
    blank marks from 2^63 − 16 up that DCGM and LiteLLM print for "unset".
    """
    return not 0.0 <= value < BLANK  # which holds of NaN, too
