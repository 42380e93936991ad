"""A page read from what it was before says exactly what it says when read alone."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors._exposition import Exposition, Memory, parse
from collectors._last_pages import LastPages
from vocabulary.errors import SourceOversized, SourceUnreadable

PAGE = [
    b"# HELP a help",
    b"# TYPE a counter",
    b'a{x="1"} 1',
    b'a{x="2"} 2.5e3',
    b"# TYPE b gauge",
    b"b NaN",
    b"",
    b'c{y="a b"} -1',
]


def outcome(body: bytes, memory: Memory, source: str = "") -> object:
    try:
        page: Exposition = parse(body, memory=memory, source=source)
    except (SourceUnreadable, SourceOversized) as error:
        return type(error).__name__
    return [str(row) for row in page.layout.rows], repr(page.values), page.layout.types


changes = st.one_of(
    st.tuples(
        st.just("value"), st.sampled_from([b"7", b"+Inf", b"1_0", b"nan", b"x", b"3 4", b"  5"])
    ),
    st.tuples(st.just("line"), st.sampled_from([b"", b"#", b"d 1", b'a{x="1"} 9', b"b", b" b 2"])),
    st.tuples(st.just("drop"), st.just(b"")),
    st.tuples(st.just("swap"), st.just(b"")),
)


def changed(lines: list[bytes], where: int, change: tuple[str, bytes]) -> list[bytes]:
    kind, text = change
    index = where % len(lines)
    lines = list(lines)
    if kind == "value":
        lines[index] = lines[index].rpartition(b" ")[0] + b" " + text
    elif kind == "line":
        lines[index] = text
    elif kind == "drop" and len(lines) > 1:
        del lines[index]
    elif kind == "swap":
        lines[0], lines[index] = lines[index], lines[0]
    return lines


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 20), changes), max_size=3), max_size=6))
def test_a_remembered_page_reads_like_a_new_one(
    scrapes: list[list[tuple[int, tuple[str, bytes]]]],
) -> None:
    memory = Memory()
    for edits in [[], [], *scrapes]:
        lines = PAGE
        for where, change in edits:
            lines = changed(lines, where, change)
        body = b"\n".join(lines) + b"\n"
        assert outcome(body, memory, "here") == outcome(body, Memory())


def test_a_page_of_which_numbers_moved_keeps_its_layout_and_values() -> None:
    memory = Memory()
    bodies = [b"a %d\nb 1\nc %d\n" % (n, -n) for n in range(5)]
    read = [parse(body, memory=memory, source="here") for body in bodies]
    assert [page.values for page in read] == [[float(n), 1.0, float(-n)] for n in range(5)]
    assert len({id(page.layout) for page in read[1:]}) == 1


def test_what_was_handed_out_is_not_written_into() -> None:
    memory = Memory()
    parse(b"a 1\n", memory=memory)
    first = parse(b"a 2\n", memory=memory, source="here")
    parse(b"a 3\n", memory=memory, source="here")
    assert first.values == [2.0]


def test_pages_of_two_sources_are_two() -> None:
    memory = Memory()
    for n in range(3):
        assert parse(b"a %d\n" % n, memory=memory, source="one").values == [float(n)]
        assert parse(b"a %d\n" % -n, memory=memory, source="two").values == [float(-n)]


@pytest.mark.parametrize("sources", [3, 50])
def test_text_kept_stays_within_its_limit(sources: int) -> None:
    pages = LastPages(max_bytes=1000, patience=20)
    memory, generator = Memory(pages=pages), random.Random(5)
    for n in range(400):
        body = b'a{x="%s"} %d\n' % (b"y" * generator.randint(1, 300), n)
        for _ in range(2):
            parse(body, memory=memory, source=str(n % sources))
        assert sum(size for _, size, _ in pages._pages.values()) == pages._bytes <= 1000
    assert pages._pages, "somebody has a place"
