"""Ollama: what its API tells, and that nothing else is made up."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors._reading import PageReader, Reading
from collectors.ollama import Ollama
from vocabulary import metrics as m
from vocabulary.contracts import Page, Target
from vocabulary.errors import SourceDown, SourceHung
from vocabulary.samples import labels_of

URL = "http://10.0.0.1:11434"
PS = (Path(__file__).parent / "pages" / "ollama-ps-0.33.json").read_bytes()
WHO = labels_of({"replica": "static/10.0.0.1:11434", "pool": "box"})


class Api:
    """Answers by path; an exception is raised, and a path without an answer is down."""

    nvml: Any = None
    pods = ()

    def __init__(self, **answers: bytes | Exception) -> None:
        self.answers = {f"{URL}/api/{path}": answer for path, answer in answers.items()}

    def offered(self, driver: str, pool: str, device: str) -> None:
        return None

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        answer = self.answers.get(url, SourceDown("nothing there"))
        if isinstance(answer, Exception):
            raise answer
        return Page(answer, "application/json", 200, 0.1)


def read(api: Api, **settings: Any) -> Reading:
    reader = PageReader({}, apis={"ollama": Ollama(**settings)})
    return reader.read(Target(f"{URL}/api/ps", WHO), api, 5.0)


def memory(reading: Reading) -> dict[tuple[str, str], float]:
    return {
        (one.series.label("model"), one.series.label("place")): one.value
        for one in reading.samples
        if one.series.name == m.MODEL_MEMORY.name
    }


def test_loaded_models_are_told_with_where_their_memory_is() -> None:
    reading = read(Api(ps=PS, version=b'{"version":"0.33.0"}'))
    assert (reading.verdict, reading.collector) == ("ok", "ollama")
    assert memory(reading)["qwen3:8b", "device"] == 6e9
    assert memory(reading)["qwen3:8b", "host"] == 5e8
    assert {one.series.label("version") for one in reading.samples} == {"0.33.0"}
    assert {one.series.label("pool") for one in reading.samples} == {"box"}


def test_no_model_loaded_is_a_known_zero_and_tokens_are_never_told() -> None:
    reading = read(Api(ps=b'{"models":[]}'))
    assert [(one.series.name, one.value) for one in reading.samples] == [
        (m.MODELS_LOADED.name, 0.0)
    ]
    told = {one.series.name for one in read(Api(ps=PS)).samples}
    assert told == {m.MODELS_LOADED.name, m.MODEL_MEMORY.name}


def test_a_release_that_is_not_told_costs_nothing_else() -> None:
    for version in (SourceHung("no answer"), b"<html>", b'{"version":7}'):
        reading = read(Api(ps=PS, version=version))
        assert len(memory(reading)) == 4
        assert {one.series.label("version") for one in reading.samples} == {""}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (SourceHung("no answer"), "hung"),
        (b"<html>", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (b"[]", "unreadable"),
        (b'{"data":[]}', "unreadable"),
        (b'{"models":[{"size":1}]}', "unreadable"),
        (b'{"models":["x"]}', "unreadable"),
        (b"\xff\xfe{", "unreadable"),
    ],
)
def test_another_answer_is_a_named_state(answer: bytes | Exception, verdict: str) -> None:
    reading = read(Api(ps=answer))
    assert (reading.verdict, reading.samples, reading.collector) == (verdict, (), "ollama")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["models", "name", "size", "size_vram", "x"]), inner)
    ),
    max_leaves=12,
)


@given(_JSON | st.fixed_dictionaries({"models": st.lists(_JSON, max_size=3)}))
def test_whatever_comes_is_read_or_named(said: object) -> None:
    reading = read(Api(ps=json.dumps(said).encode()))
    assert reading.verdict in {"ok", "unreadable"}
    assert all(0 <= one.value < 2**70 for one in reading.samples)


@pytest.mark.parametrize("size", [None, -1, True, "6", 2**70, float("inf")])
def test_a_size_that_is_none_is_not_told(size: object) -> None:
    body = json.dumps({"models": [{"name": "a", "size": 5, "size_vram": size}]})
    assert memory(read(Api(ps=body.encode()))) == {}


def test_names_beyond_the_limit_are_one_and_their_memory_adds_up() -> None:
    models = [{"name": f"m{n}", "size": 2, "size_vram": 1} for n in range(9)]
    found = memory(read(Api(ps=json.dumps({"models": models}).encode()), max_models=2))
    assert {name for name, _ in found} == {"m0", "m1", "other"}
    assert found["other", "device"] == 7.0
