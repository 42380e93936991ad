"""Nothing that is written into telemetry gets out of the fence, and no answer is too long."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.mcp.fence import CLOSE, OPEN, Found, fenced, line

HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from('`<>\n\r\u2028\u202e\u200b\x1b\x9b"\\'))
)
JSON = st.recursive(
    st.one_of(HOSTILE, st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(HOSTILE, inner)),
    max_leaves=20,
)


@given(st.dictionaries(HOSTILE, JSON))
def test_data_is_one_line_that_reads_back_as_it_was(data: dict[str, Any]) -> None:
    shown = line(data)
    assert shown.isprintable()
    assert not set("`<>") & set(shown)
    assert json.loads(shown) == data


@given(st.dictionaries(HOSTILE, JSON), st.integers(2000, 4000))
def test_an_answer_has_one_fence_and_keeps_its_limit(data: dict[str, Any], limit: int) -> None:
    answer = fenced("get_incident", Found(data, "ask for less"), limit)
    assert len(answer) <= limit
    lines = answer.split("\n")
    assert (lines[1], lines[3]) == (OPEN, CLOSE)
    assert answer.count(OPEN) == answer.count(CLOSE) == 1
    json.loads(lines[2])


def test_what_is_cut_is_counted_and_the_way_to_the_rest_is_named() -> None:
    rows = [{"id": number, "text": "x" * 100} for number in range(200)]
    answer = fenced("list", Found({"rows": rows, "few": [1, 2]}, "ask with offset"), 5000)
    shown = json.loads(answer.split("\n")[2])
    left_out = 200 - len(shown["rows"])
    assert shown["few"] == [1, 2], "what fits is whole"
    assert answer.endswith(f"\ntruncated: {left_out} of rows left out; ask with offset")


def test_one_text_is_bounded_and_says_by_how_much() -> None:
    answer = fenced("get", Found({"text": "x" * 5000}))
    assert "(4000 more characters)" in answer


def test_an_entry_that_cannot_be_cut_is_named() -> None:
    answer = fenced("get", Found({f"key-{n}": "x" * 900 for n in range(50)}), 5000)
    assert "larger than an answer may be" in answer
