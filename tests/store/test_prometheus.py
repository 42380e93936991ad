"""The HTTP client: what it asks, what it makes of answers, and how it fails."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs

import httpx2
import numpy as np
import pytest

from store import prometheus
from store.prometheus import PrometheusStore
from vocabulary import signals
from vocabulary.errors import StoreError, StoreUnreachable
from vocabulary.samples import Frame

T0 = 1_750_000_000.0

Answer = Callable[[httpx2.Request], httpx2.Response]


def matrix(*rows: tuple[dict[str, str], list[list[Any]]], **more: Any) -> dict[str, Any]:
    result = [{"metric": labels, "values": values} for labels, values in rows]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


def store_that_hears(
    answer: Answer, url: str = "http://prom:9090", **options: Any
) -> closing[PrometheusStore]:
    return closing(PrometheusStore(url, transport=httpx2.MockTransport(answer), **options))


def evaluated(answer: Answer) -> Frame:
    with store_that_hears(answer) as store:
        return store.evaluate(signals.RUNNING, T0, T0 + 30, 15)


def saying(status: int, body: Any) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: httpx2.Response(status, content=content)


def test_asks_for_the_signal_with_what_it_was_given() -> None:
    heard: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        heard.append(request)
        return httpx2.Response(200, json=matrix())

    url = "https://u:secret@prom/prefix/"
    with store_that_hears(answer, url, headers={"X-Scope-OrgID": "t"}) as store:
        store.evaluate(signals.RUNNING, T0, T0 + 30.25, 15)
    [request] = heard
    assert str(request.url).endswith("prom/prefix/api/v1/query_range")
    assert request.headers["x-scope-orgid"] == "t"
    assert request.headers["authorization"].startswith("Basic ")
    form = {key: value[0] for key, value in parse_qs(request.content.decode()).items()}
    assert form["query"].startswith("sum by (pool, model, replica, vantage) (tidegauge_llm_")
    assert (form["start"], form["end"], form["step"]) == (
        "1750000000.000",
        "1750000030.000",
        "15.000",
    )


def test_makes_a_frame_and_leaves_absent_what_is_absent() -> None:
    frame = evaluated(
        saying(
            200,
            matrix(
                ({"__name__": "x", "replica": "b"}, [[T0 + 15, "2"]]),
                ({"replica": "a"}, [[T0, "1"], [T0 + 15, "NaN"], [T0 + 30, "+Inf"]]),
                ({"replica": "c"}, [[T0, "NaN"]]),
                ({"replica": "d"}, [[T0 + 7, "1"], [T0 + 99, "1"]]),
            ),
        )
    )
    assert frame.labels == ((("replica", "a"),), (("replica", "b"),))
    expected = [[1.0, np.nan, np.inf], [np.nan, 2.0, np.nan]]
    assert np.array_equal(frame.values, expected, equal_nan=True)
    assert frame.times.tolist() == [T0, T0 + 15, T0 + 30]


def test_an_empty_answer_is_an_empty_frame() -> None:
    assert evaluated(saying(200, matrix())).values.shape == (0, 3)


def test_splits_what_is_longer_than_a_backend_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_POINTS", 4)
    spans: list[tuple[float, float]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        form = parse_qs(request.content.decode())
        start, end = float(form["start"][0]), float(form["end"][0])
        spans.append((start - T0, end - T0))
        points = [[start + n, str(start + n - T0)] for n in range(int(end - start) + 1)]
        return httpx2.Response(200, json=matrix(({"replica": "a"}, points)))

    with store_that_hears(answer) as store:
        frame = store.evaluate(signals.RUNNING, T0, T0 + 9, 1)
    assert spans == [(0, 3), (4, 7), (8, 9)]
    assert frame.values.tolist() == [[float(n) for n in range(10)]]


def test_keeps_remarks_once_and_bounded() -> None:
    body = matrix(warnings=["w" * 900], infos=["metric might not be a counter"])
    with store_that_hears(saying(200, body)) as store:
        for _ in range(2):
            store.evaluate(signals.RUNNING, T0, T0, 1)
        assert store.warnings == ("w" * 500, "metric might not be a counter")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            saying(400, {"status": "error", "errorType": "bad_data", "error": "no such thing"}),
            StoreError,
            "bad_data: no such thing",
        ),
        (saying(401, b"who are you"), StoreError, "refuses our credentials"),
        (saying(403, {"status": "error"}), StoreError, "refuses our credentials"),
        (saying(503, b"Service Unavailable"), StoreUnreachable, "not ready"),
        (saying(302, b""), StoreError, "HTTP 302"),
        (saying(200, b"<html>login</html>"), StoreError, "no Prometheus answer"),
        (saying(200, {"status": "success"}), StoreError, "without data"),
        (saying(200, {"status": "success", "data": {}}), StoreError, "no matrix"),
        (
            saying(200, {"status": "success", "data": {"result": ["x"]}}),
            StoreError,
            "no matrix",
        ),
        (saying(200, matrix(({}, [["now", "then"]]))), StoreError, "no numbers"),
        (saying(200, matrix(({}, [[1]]))), StoreError, "no numbers"),
    ],
)
def test_a_bad_answer_is_a_clear_error(answer: Answer, kind: type[StoreError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        evaluated(answer)
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx2.ConnectError("refused"), "does not answer"),
        (httpx2.ReadTimeout("slow"), "in time"),
        (httpx2.RemoteProtocolError("cut"), "does not answer"),
    ],
)
def test_no_answer_is_unreachable(failure: Exception, words: str) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise failure

    with pytest.raises(StoreUnreachable, match=words):
        evaluated(fail)


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 1 << 20)
    with pytest.raises(StoreError, match="more than 1 MiB"):
        evaluated(saying(200, b"x" * (2 << 20)))


def test_credentials_never_stand_in_a_message() -> None:
    url = "http://user:secret@prom:9090"
    with store_that_hears(saying(401, b""), url) as store, pytest.raises(StoreError) as caught:
        store.newest()
    assert "prom:9090" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["prom:9090", "ftp://prom", "http://", "/path", "http://[::1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="URL"):
        PrometheusStore(url)


def newest(vector: list[dict[str, Any]], tsdb: Answer) -> float | None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("status/tsdb"):
            return tsdb(request)
        return httpx2.Response(200, json={"status": "success", "data": {"result": vector}})

    with store_that_hears(answer) as store:
        return store.newest()


def test_newest_is_of_what_is_scraped_or_of_the_head_or_unknown() -> None:
    head = {"status": "success", "data": {"headStats": {"maxTime": 1_750_000_000_123}}}
    empty = {"status": "success", "data": {"headStats": {"maxTime": -9223372036854775808}}}
    assert newest([{"metric": {}, "value": [T0, str(T0 - 5)]}], saying(500, b"")) == T0 - 5
    assert newest([], saying(200, head)) == 1_750_000_000.123
    assert newest([], saying(200, empty)) is None
    assert newest([], saying(404, b"not a Prometheus")) is None
    with pytest.raises(StoreUnreachable):
        newest([], saying(503, b""))
