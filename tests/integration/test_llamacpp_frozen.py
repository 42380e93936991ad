"""A real llama-server that freezes: what is not seen is `blind`, says why, and becomes an incident.

SIGSTOP leaves its sockets open, so that connections are accepted and nothing answers: what a
machine that swaps, a debugger or a stuck disk looks like from outside.
"""

from collections.abc import Iterator

import pytest
from integration import products
from integration.products import Tidegauge, until
from rigs import llamacpp, load
from rigs.processes import Server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

QUICK = {
    "interval_seconds": 2,
    "timeout_seconds": 1.5,
    "incidents": {"mitigated_seconds": 4, "quiet_seconds": 12},
}
"""Twelve missed reads, after which a page that hangs is an incident, are 24 s at this interval."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with products.or_skip(), llamacpp.serve(size=llamacpp.SLOW) as running:
        yield running


@pytest.fixture(scope="module")
def product(server: Server) -> Iterator[Tidegauge]:
    page = f"{server.url}/metrics#model={llamacpp.MODEL}"  # its page names no model
    with products.up([page], QUICK) as running:
        yield running


def test_a_frozen_server_is_blind_then_an_incident_and_both_end_when_it_goes_on(
    server: Server, product: Tidegauge
) -> None:
    until(lambda: product.state() == ("idle", "no work"), "idle", product, seconds=30)
    work = load.start(server.url, 40, prompt_tokens=32, max_tokens=100, concurrency=4)
    until(lambda: product.state()[0] == "serving", "serving", product, seconds=30)
    assert product.incidents() == []

    server.freeze()
    until(lambda: product.state() == ("blind", "page hung"), "blind", product, seconds=20)
    opened = until(
        lambda: product.incident("target_hung", "open"), "target_hung opens", product, seconds=120
    )
    assert opened["entity"]["id"] == f"static/{server.url.removeprefix('http://')}"
    assert opened["model"] == llamacpp.MODEL
    assert opened["severity"] == "warning", "nobody is known to be hit: there is no gateway to ask"
    assert "hung" in opened["headline"]
    assert [one["signal"] for one in opened["evidence"]] == ["target_up"]
    assert product.state() == ("blind", "page hung"), "unknown is neither idle nor stalled"

    server.thaw()
    until(lambda: product.state()[0] in {"serving", "idle"}, "seen again", product, seconds=30)
    until(lambda: product.incident("target_hung", "resolved"), "it resolves", product, seconds=60)
    assert all(answer.ok for answer in work.answers()), "the load itself went through"
    until(lambda: product.state() == ("idle", "no work"), "idle again", product, seconds=60)
    assert [one["failure_mode"] for one in product.incidents()] == ["target_hung"]


def test_a_signal_ends_it_soon_its_exit_code_tells_of_incidents_and_they_are_kept(
    server: Server, product: Tidegauge
) -> None:
    known = product.incidents()
    product.process.terminate()
    code = product.process.wait(10)
    assert code == (1 if known else 0)
    with products.up([f"{server.url}/metrics"], {**QUICK, "data_dir": str(product.data)}) as again:
        assert again.incidents() == known, "what was known is known after a restart"
