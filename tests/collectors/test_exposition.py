"""The page parser against the reference parser, and against pages that are none."""

import contextlib
import math
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as reference

from collectors._exposition import Exposition, Limits, Memory, absent, parse
from vocabulary.errors import SourceOversized, SourceUnreadable

PAGES = sorted((Path(__file__).parent / "pages").glob("*.prom"))
Flat = list[tuple[str, frozenset[tuple[str, str]], str]]


def flat(exposition: Exposition) -> Flat:
    return [
        (row.name, frozenset(row.labels), repr(value))
        for row, value in zip(exposition.layout.rows, exposition.values, strict=True)
    ]


def by_reference(text: str) -> Flat:
    """The reference adds `_total` to every counter that lacks it; undo that by what was written."""
    written = {line.split("{")[0].split(" ")[0] for line in text.splitlines()}
    return [
        (
            sample.name if sample.name in written else sample.name.removesuffix("_total"),
            frozenset(sample.labels.items()),
            repr(float(sample.value)),
        )
        for family in reference(text)
        for sample in family.samples
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_recorded_pages_read_as_the_reference_reads_them(page: Path) -> None:
    memory, body = Memory(), page.read_bytes()
    first, met, second = (parse(body, memory=memory) for _ in range(3))
    assert sorted(flat(first), key=repr) == sorted(by_reference(body.decode()), key=repr)
    assert flat(second) == flat(first), "the fast path says what the careful one said"
    assert second.layout is met.layout


names = st.from_regex(r"[a-z_:][a-z0-9_:]{0,12}", fullmatch=True)
label_names = st.from_regex(r"[a-z_](?!_)[a-z0-9_]{0,8}", fullmatch=True)  # `__` is reserved
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), include_characters="\n"),
    max_size=20,
)
numbers = st.floats(width=64) | st.integers(-(2**53), 2**53).map(float)
spaces = st.sampled_from(["", " ", "  ", "\t"])
timestamps = st.sampled_from(["", "", " 1700000000000", "\t-1"])


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@st.composite
def pages(draw: st.DrawFn) -> str:
    """A page in every spelling that the text format allows."""
    lines, seen = [], set()
    for _ in range(draw(st.integers(1, 12))):
        name, labels = draw(names), draw(st.dictionaries(label_names, texts, max_size=3))
        identity = (name, frozenset((k, v) for k, v in labels.items() if v))
        if identity in seen or name.endswith(("_total", "_created")):
            continue
        seen.add(identity)
        gap, comma = draw(spaces), draw(st.sampled_from(["", ","])) if labels else ""
        inside = f",{gap}".join(f'{gap}{k}{gap}={gap}"{escaped(v)}"' for k, v in labels.items())
        braces = f"{{{inside}{comma}{gap}}}" if labels or draw(st.booleans()) else ""
        value = draw(numbers)
        spelled = draw(st.sampled_from([repr(value), f"{value:e}" if value == 0 else repr(value)]))
        spelled = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(spelled, spelled)
        lines.append(f"{name}{gap}{braces} {spelled}{draw(timestamps)}")
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from(["", "# a comment", "# HELP x y", "# TYPE x gauge"])))
    return "\n".join(lines) + "\n"


@settings(max_examples=300, deadline=None)
@given(pages())
def test_generated_pages_read_as_the_reference_reads_them(text: str) -> None:
    expected = sorted(by_reference(text), key=repr)
    if not expected:
        return
    memory = Memory()
    for _ in range(2):
        assert sorted(flat(parse(text.encode(), memory=memory)), key=repr) == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | texts.map(lambda text: (text + "\n").encode()))
def test_any_bytes_are_read_or_refused_by_name(body: bytes) -> None:
    with contextlib.suppress(SourceUnreadable, SourceOversized):
        page = parse(body, memory=Memory())
        assert len(page.values) == len(page.layout.rows) > 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_page_cut_anywhere_within_a_line_is_refused(data: st.DataObject) -> None:
    body = (Path(__file__).parent / "pages" / "llamacpp-live.prom").read_bytes()
    cut = data.draw(st.integers(1, len(body) - 1))
    piece = body[:cut]
    if piece.endswith(b"\n"):
        return  # a whole number of lines is a page; the promised length tells (see the reach)
    with pytest.raises(SourceUnreadable):
        parse(piece)


def test_a_page_may_change_its_values_and_its_series() -> None:
    memory = Memory()
    assert parse(b'a{x="1"} 1\nb 2\n', memory=memory).values == [1.0, 2.0]
    assert parse(b'a{x="1"} 7\nb 8\n', memory=memory).values == [7.0, 8.0]
    grown = parse(b'a{x="1"} 7\na{x="2"} 9\nb 8\n', memory=memory)
    assert [str(row) for row in grown.layout.rows] == ['a{x="1"}', 'a{x="2"}', "b"]


def test_timestamps_and_exemplars_are_passed_over() -> None:
    body = b'a_total{x="}"} 3 # {trace_id="ab 1"} 0.5 1700000000\nb 1.5 1700000000000\n# EOF\n'
    page = parse(body)
    assert page.values == [3.0, 1.5]
    assert page.layout.rows[0].labels == (("x", "}"),)


def test_openmetrics_and_quoted_names_are_read() -> None:
    page = parse(b'# TYPE a counter\na_total 1\n{"my.name","l.b"="c"} 2\n# EOF\n')
    assert [(row.name, row.labels) for row in page.layout.rows] == [
        ("a_total", ()),
        ("my.name", (("l.b", "c"),)),
    ]


def test_types_come_from_type_lines() -> None:
    page = parse(b"# HELP a b\n# TYPE a_total histogram\n# TYPE b gauge\n#TYPE c gauge\nb 1\n")
    assert page.layout.types == (("a_total", "histogram"), ("b", "gauge"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n \n", "empty"),
        (b"# only comments\n", "no sample"),
        (b"<!DOCTYPE html><html>sign in</html>\n", "HTML"),
        (b"<script>alert(1)</script>\n", "HTML"),
        (b'{"status": "ok"}\n', "JSON"),
        (b"{}\n", "JSON"),
        (b"[]\n", "JSON"),
        (b"a 1\nb 2", "cut off"),
        (b"a 1\nb\n", "no sample in line 'b'"),
        (b"a one\n", "no sample"),
        (b"a 1_000\n", "no sample"),
        (b"a 0x10\n", "no sample"),
        (b"a 1 2 3\n", "no sample"),
        (b"a 1 soon\n", "no sample"),
        (b'a{x="1} 1\n', "no sample"),
        (b"a{x=1} 1\n", "labels cannot be read"),
        (b'a{x="1",,y="2"} 1\n', "labels cannot be read"),
        (b'a{x="1",x="2"} 1\n', "given twice"),
        (b'{x="1"} 1\n', "no name"),
        (b'{"a","b"} 1\n', "labels cannot be read"),
        (b"9a 1\n", "no name"),
        (b"a-b 1\n", "no name"),
        (b"a 1\nb 1\na 2\n", "'a' stands twice"),
        (b'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n', "stands twice"),
        (b'a{x=""} 1\na 2\n', "stands twice"),
        (b'a{x="\xff"} 1\n', "not UTF-8"),
        (b'a{x="\x1b[2J"} 1\n', "control character"),
        (b'a{x="\x00"} 1\n', "control character"),
        ('a{x="\u009b"} 1\n'.encode(), "control character"),
        (b'a{x="1"} 1\r\nb 1\r\n', "no sample"),
    ],
)
def test_what_is_no_page_is_refused_as_a_whole_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(SourceUnreadable, match=reason):
        parse(body, memory=Memory())


def test_an_error_in_a_known_page_is_found_on_the_fast_path_too() -> None:
    memory = Memory()
    parse(b"a 1\nb 2\n", memory=memory)
    for body in (b"a 1\nb 1_0\n", b"a 1\nb 1\r\n", b"a 1\na 1\n", b"a 1\nb 2 3 4\n"):
        with pytest.raises(SourceUnreadable):
            parse(body, memory=memory)


def test_markup_in_a_label_is_text() -> None:
    page = parse(b'a{model="<script>alert(1)</script>"} 1\n')
    assert page.layout.rows[0].labels == (("model", "<script>alert(1)</script>"),)


@pytest.mark.parametrize(
    ("body", "reason", "limit"),
    [
        (b"a" * 5000 + b" 1\n", "label of 5000 bytes", "label_bytes"),
        (b'a{x="' + b"y" * 5000 + b'"} 1\n', "label of 5000 bytes", "label_bytes"),
        (b"a{" + b",".join(b'l%d="1"' % n for n in range(80)) + b"} 1\n", "64 labels", "labels"),
        (b"".join(b"a%d 1\n" % n for n in range(1100)), "1000 samples", "samples"),
        (b"# c\n" * 4000 + b"a 1\n", "3000 lines", "lines"),
        (b"# " + b"c" * 200_000 + b"\na 1\n", "100000 are allowed", "bytes"),
    ],
)
def test_limits_bite_by_name(body: bytes, reason: str, limit: str) -> None:
    limits = Limits(bytes=100_000, samples=1000, lines=3000)
    with pytest.raises(SourceOversized, match=reason) as caught:
        parse(body, limits, Memory())
    assert caught.value.limit == limit


def test_a_refused_page_leaves_nothing_behind() -> None:
    memory = Memory()
    with pytest.raises(SourceUnreadable):
        parse(b"".join(b"a%d 1\n" % n for n in range(1000)) + b"broken\n", memory=memory)
    assert not memory.rows


def test_series_are_remembered_when_they_come_again() -> None:
    memory = Memory(max_met=100)
    body = b"".join(b"b%d 1\n" % n for n in range(100))
    for _ in range(2):
        assert len(parse(body, memory=memory).values) == 100
    assert len(memory.rows) == 100
    for scrape in range(50):
        parse(b"".join(b"c%d_%d 1\n" % (scrape, n) for n in range(90)), memory=memory)
    assert len(memory.rows) == 100, "what comes once pushes nothing out"
    assert len(memory.met) <= 100
    assert len(memory.layouts) == 1


def test_pieces_of_a_long_page_are_one_page() -> None:
    body = b"# TYPE a gauge\n" + b"".join(b'a{x="%d"} %d\n' % (n, n) for n in range(40_000))
    for text in (body, body + b"# EOF\n"):
        page = parse(text, memory=Memory())
        assert page.values == [float(n) for n in range(40_000)]
        assert page.layout.types == (("a", "gauge"),)
    with pytest.raises(SourceUnreadable, match="stands twice"):
        parse(body + b'a{x="0"} 1\n', memory=Memory())


def test_an_error_message_is_short_and_printable() -> None:
    with pytest.raises(SourceUnreadable) as caught:
        parse(b'a{x="\x1b]0;owned\x07' + b"y" * 3000 + b'"} 1\n')
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_page_that_spells_new_series_each_time_does_not_grow_us() -> None:
    memory = Memory(max_rows=5000, max_cells=20_000)
    for scrape in range(40):
        parse(b"".join(b'a{x="%d-%d"} 1\n' % (scrape, n) for n in range(1000)), memory=memory)
        assert len(memory.rows) <= 5000
        assert sum(len(one.rows) for one in memory.layouts.values()) <= 21_000
    assert parse(b"b 1\n", memory=memory).values == [1.0]


def test_a_page_that_shuffles_its_series_does_not_grow_us() -> None:
    memory, generator = Memory(max_cells=1000), random.Random(3)
    lines = [b"a%d 1\n" % n for n in range(100)]
    for _ in range(50):
        generator.shuffle(lines)
        parse(b"".join(lines), memory=memory)
        assert len(memory.layouts) <= 10
    assert len(memory.rows) == 100


def test_a_page_near_the_limit_costs_bounded_memory() -> None:
    generator = random.Random(7)
    body = b"".join(
        b'm{id="%d",x="%032x"} %d\n' % (n, generator.getrandbits(128), n) for n in range(20_000)
    )
    tracemalloc.start()
    try:
        parse(body, memory=Memory())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000, f"{peak} bytes for a page of {len(body)} bytes"


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -1.0, 9.223372036854776e18, float(2**63 - 16)]
)
def test_marks_for_unknown_are_absent(value: float) -> None:
    assert absent(value)


@pytest.mark.parametrize("value", [0.0, 1e-300, 1.5, 2.0**40, 9e18])
def test_numbers_are_not_absent(value: float) -> None:
    assert not absent(value)
