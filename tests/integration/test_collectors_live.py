"""Real servers' pages through the real reach: what was asked of them is what we say they did."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rigs import litellm, llamacpp, load, upstream, vllm
from rigs.cache import RigUnavailable
from rigs.processes import wait_until

import collectors
from collectors._reading import PageCollector, PageReader, Reading
from service.reach import HttpReach
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Target
from vocabulary.discovery import discover
from vocabulary.metrics import Metric

pytestmark = [pytest.mark.integration, pytest.mark.prove, pytest.mark.timeout(1800)]

COLLECTORS = {
    name: cls()
    for name, cls in discover(collectors, Collector).items()
    if issubclass(cls, PageCollector)
}


@contextmanager
def or_skip() -> Iterator[None]:
    try:
        yield
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)


def read(url: str, token: str = "", seconds: float = 20.0, **headers: str) -> Reading:
    """A patient reading: a machine that tests much at once makes servers slow, not wrong."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    target = Target(url, (("replica", "static/rig"),), headers)
    return PageReader(COLLECTORS, seconds).read(target, HttpReach(), time.time())


def value(reading: Reading, metric: Metric, part: str = "", **labels: str) -> float | None:
    """Sum over the series with these labels; None when there is none."""
    found = [
        one.value
        for one in reading.samples
        if one.series.name == metric.name + part
        and labels.items() <= dict(one.series.labels).items()
    ]
    return sum(found) if found else None


def test_llama_server_counts_what_it_was_asked_and_is_hung_when_it_hangs() -> None:
    with or_skip(), llamacpp.serve() as server:
        url = f"{server.url}/metrics"
        assert read(url).verdict == "ok"
        answers = load.send(server.url, 6, prompt_tokens=20, max_tokens=10)
        assert all(answer.ok for answer in answers)
        after = read(url)
        assert after.collector == "llamacpp"
        assert value(after, m.INPUT_TOKENS) == 120.0
        assert value(after, m.OUTPUT_TOKENS, count_at="finish") == 60.0
        assert value(after, m.REQUESTS_RUNNING) == 0.0
        assert (value(after, m.ENGINE_STEPS) or 0) >= 20.0
        server.freeze()
        frozen = read(url, seconds=1.0)
        assert (frozen.verdict, frozen.samples) == ("hung", ())
        server.thaw()
        assert wait_until(lambda: read(url).verdict == "ok")
    assert read(url).verdict == "down"


def test_vllm_counts_what_it_was_asked_and_is_not_ok_without_its_engine() -> None:
    with or_skip(), vllm.serve() as server:
        url = f"{server.url}/metrics"
        before = read(url)
        assert value(before, m.ENGINE_AWAKE) == 1.0
        assert (value(before, m.KV_CACHE_CAPACITY) or 0) > 1000
        assert all(one.ok for one in server.send(4, prompt_tokens=64, max_tokens=10))
        after = read(url)
        assert after.collector == "vllm"
        assert value(after, m.INPUT_TOKENS) == 256.0
        assert value(after, m.OUTPUT_TOKENS, count_at="step") == 40.0
        assert value(after, m.REQUESTS_FINISHED) == 4.0
        assert value(after, m.REQUESTS_FINISHED, finish_reason="length") == 4.0
        for histogram in (
            m.TIME_TO_FIRST_TOKEN, m.TIME_PER_OUTPUT_TOKEN, m.REQUEST_DURATION, m.QUEUE_DURATION,
        ):  # fmt: skip
            assert value(after, histogram, "_count") == 4.0
            assert value(after, histogram, "_bucket", le="+Inf") == 4.0
        assert value(after, m.INTER_TOKEN_LATENCY, "_count") == 36.0
        assert (value(after, m.ENGINE_STEPS) or 0) >= 10.0
        assert value(after, m.REQUESTS_RUNNING) == 0.0
        # asked for OpenMetrics, the same server rewrites its own names
        rewritten = read(url, Accept="application/openmetrics-text;version=1.0.0")
        assert {one.series for one in rewritten.samples} == {one.series for one in after.samples}
        server.kill_engine_core()
        assert wait_until(lambda: read(url).verdict != "ok", timeout_seconds=60)


def ask(url: str, key: str, **body: Any) -> int:
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps({"messages": [{"role": "user", "content": "one two three"}], **body}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def test_litellm_says_whose_calls_they_were_and_nothing_else_about_people() -> None:
    search = litellm.Tenant(key_alias="ci-key", team_id="t-1", team_alias="search", user_id="ann")
    alone = litellm.Tenant(key_alias="lonely-key", user_id="bob")
    keys = {"sk-search": search, "sk-alone": alone}
    with or_skip(), upstream.serve() as behind:
        routes = [
            litellm.Route("chat", behind.url),
            litellm.Route("broken", "http://127.0.0.1:9"),
        ]
        with litellm.serve(litellm.config(routes), keys) as gateway:
            assert ask(gateway.url, "sk-search", model="chat", max_tokens=5) == 200
            assert ask(gateway.url, "sk-search", model="chat", max_tokens=7, user="eve") == 200
            assert ask(gateway.url, "sk-alone", model="chat", max_tokens=3) == 200
            assert ask(gateway.url, "sk-search", model="broken", max_tokens=3) >= 500
            assert ask(gateway.url, "sk-mistyped", model="chat", max_tokens=3) == 401

            slashless = read(f"{gateway.url}/metrics", litellm.MASTER_KEY)
            assert slashless.verdict == "unreadable"
            assert "/metrics/" in slashless.detail, "the mend is in the message"
            page = f"{gateway.url}/metrics/"
            assert read(page).verdict == "unauthorised"

            def settled() -> bool:
                reading = read(page, litellm.MASTER_KEY)
                return value(reading, m.OUTPUT_TOKENS, model="chat") == 15.0

            assert wait_until(settled, timeout_seconds=20)
            reading = read(page, litellm.MASTER_KEY)
    assert reading.collector == "litellm"
    assert value(reading, m.OUTPUT_TOKENS, tenant="search") == 12.0
    assert value(reading, m.GATEWAY_OPERATIONS, tenant="search", status="ok") == 2.0
    assert value(reading, m.GATEWAY_OPERATIONS, tenant="search", status="error") == 1.0
    assert value(reading, m.GATEWAY_ATTEMPTS, model="chat", outcome="ok") == 3.0
    assert (value(reading, m.GATEWAY_ATTEMPTS, model="broken", outcome="error") or 0) >= 1.0
    assert value(reading, m.REQUEST_DURATION, "_count", model="chat") == 3.0
    spent = value(reading, m.GATEWAY_SPEND, tenant="search")
    tokens_in = value(reading, m.INPUT_TOKENS, tenant="search")
    assert spent is not None
    assert tokens_in is not None
    assert spent == pytest.approx(tokens_in * 1e-6 + 12 * 2e-6)
    hashed = {one.series.label("tenant") for one in reading.samples} - {"", "search"}
    assert len(hashed) == 1
    assert next(iter(hashed)).startswith("k-")
    shown = repr(reading.samples)
    for private in ("ci-key", "lonely-key", "ann", "bob", "eve", "sk-", "127.0.0.1", "urllib"):
        assert private not in shown
