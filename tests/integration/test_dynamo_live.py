"""A real Dynamo, a router before two workers: each vantage tells each request once.

`tidegauge up` reads all three pages. What the router says and what the workers say is the same
work seen twice, so that no sum may cross the two.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from integration import products
from integration.products import Tidegauge, until
from rigs import dynamo, load
from rigs.dynamo import MODEL, Dynamo
from rigs.processes import fetched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

QUICK = {"interval_seconds": 1, "timeout_seconds": 0.8}
SENT, INPUT, OUTPUT = 8, 20, 10
"""Requests, and the tokens of each."""


@pytest.fixture(scope="module")
def server() -> Iterator[Dynamo]:
    # One request at a time, at half the mocker's speed: the others have to wait.
    with products.or_skip(), dynamo.serve(workers=2, batch=1, speed=0.5) as running:
        yield running


@pytest.fixture(scope="module")
def product(server: Dynamo) -> Iterator[Tidegauge]:
    pages = [f"{one.url}/metrics" for one in (server.frontend, *server.workers)]
    with products.up(pages, QUICK) as running:
        yield running


def told(product: Tidegauge, name: str, **labels: str) -> dict[str, float]:
    """Our samples *name* with these labels on the product's own page, summed by replica."""
    token = (product.data / "token").read_text(encoding="utf-8").strip()
    page = fetched(f"{product.url}/metrics", token=token)[1]
    found: dict[str, float] = {}
    for text, value in re.findall(rf"^{name}\{{(.*)\}} (\S+)", page, re.MULTILINE):
        about = dict(re.findall(r'(\w+)="([^"]*)"', text))
        if labels.items() <= about.items():
            who = about["replica"]
            found[who] = found.get(who, 0.0) + float(value)
    return found


def replica_of(url: str) -> str:
    return f"static/{url.removeprefix('http://')}"


def states(product: Tidegauge) -> dict[str, str]:
    return {one["entity"]["id"]: one["state"] for one in product.get("replicas")["replicas"]}


def refused(server: Dynamo) -> int:
    """Status of a call for a model that nobody has."""
    body = json.dumps({"model": "nobody", "prompt": "one", "max_tokens": 1}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.frontend.url}/v1/completions", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as error:
        opener.open(request, timeout=10)
    error.value.close()
    return error.value.code


def test_the_router_counts_the_tokens_that_were_sent_and_no_vantage_is_added_to_another(
    server: Dynamo, product: Tidegauge
) -> None:
    router = replica_of(server.frontend.url)
    workers = {replica_of(one.url) for one in server.workers}
    until(
        lambda: states(product) == dict.fromkeys(workers, "loading"),
        "workers say nothing before their first call, nor does the router, which is no replica",
        seconds=20,
    )  # fmt: skip

    answers = load.send(server.frontend.url, SENT, prompt_tokens=INPUT, max_tokens=OUTPUT)
    assert [(a.ok, a.prompt_tokens, a.completion_tokens) for a in answers] == [
        (True, INPUT, OUTPUT)
    ] * SENT
    assert refused(server) == 404

    operations = "tidegauge_gateway_operations_total"
    until(
        lambda: told(product, operations, status="ok") == {router: SENT}
        and told(product, operations, status="refused") == {router: 1.0},
        "every call is counted by how it ended", seconds=10,
    )  # fmt: skip
    until(lambda: states(product) == dict.fromkeys(workers, "idle"), "idle", seconds=10)
    assert not told(product, operations, status="error")
    for name, expected in (
        ("tidegauge_llm_input_tokens_total", SENT * INPUT),
        ("tidegauge_llm_output_tokens_total", SENT * OUTPUT),
        ("gen_ai_server_request_duration_seconds_count", SENT),
        ("gen_ai_server_time_to_first_token_seconds_count", SENT),
    ):
        seen = told(product, name, vantage="router", model=MODEL)
        assert seen == {router: float(expected)}, name
    assert not told(product, "tidegauge_llm_output_tokens_total", vantage="engine")

    # The workers took turns, and together they say once more what the router said.
    for name in (
        "gen_ai_server_request_duration_seconds_count",
        "gen_ai_server_time_to_first_token_seconds_count",
    ):
        seen = told(product, name, vantage="engine", engine="vllm", model=MODEL)
        assert seen == dict.fromkeys(workers, SENT / 2), name
    sums = "gen_ai_server_request_duration_seconds_sum"
    routed = told(product, sums, vantage="router", model=MODEL)[router]
    worked = sum(told(product, sums, vantage="engine").values())
    waited = sum(answer.seconds for answer in answers)
    assert 0.0 < worked <= routed <= waited, "seconds, and the router's hold the workers'"


def test_workers_that_are_busy_serve_and_a_frozen_one_alone_is_blind(
    server: Dynamo, product: Tidegauge
) -> None:
    first, second = (replica_of(one.url) for one in server.workers)
    work = load.start(
        server.frontend.url, 12, prompt_tokens=INPUT, max_tokens=300, concurrency=6
    )  # fmt: skip
    until(
        lambda: states(product) == {first: "serving", second: "serving"},
        "both serve", seconds=20,
    )  # fmt: skip
    in_flight = "tidegauge_gateway_in_flight"
    until(
        lambda: told(product, in_flight, model=MODEL).get(replica_of(server.frontend.url)) == 6.0,
        "the router holds what was sent", seconds=10,
    )  # fmt: skip
    waiting = "tidegauge_llm_requests_waiting"
    running = "tidegauge_llm_requests_running"
    until(
        lambda: told(product, running, vantage="engine") == {first: 1.0, second: 1.0}
        and told(product, waiting, vantage="engine") == {first: 2.0, second: 2.0},
        "one request in each batch and the others behind it", seconds=20,
    )  # fmt: skip

    server.workers[0].freeze()
    until(lambda: states(product).get(first) == "blind", "it is blind", seconds=15)
    assert states(product)[second] in {"serving", "idle"}
    (blind,) = product.get("replicas", state="blind")["replicas"]
    assert blind["reason"] == "page hung"
    server.workers[0].thaw()
    assert all(answer.ok for answer in work.answers())
    until(
        lambda: states(product) == {first: "idle", second: "idle"}, "idle", seconds=20
    )  # fmt: skip
