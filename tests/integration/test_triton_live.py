"""A real Triton, watched by `tidegauge up`: what was sent is what is counted, and how it is."""

import re
import time
from collections.abc import Iterator

import pytest
from integration import products
from integration.products import Tidegauge, until
from rigs import triton
from rigs.processes import fetched
from rigs.triton import Triton

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

QUICK = {"interval_seconds": 1, "timeout_seconds": 0.8}
PATIENCE = 2.2
SLOW = 1.5
"""Seconds of a request of which only two can be answered before the third has waited too long."""
ENDS = {"unknown": 6.0, "error": 4.0}
"""How the requests below end: four alone and two of a queue well, one raising, three unserved."""


@pytest.fixture(scope="module")
def server() -> Iterator[Triton]:
    with products.or_skip(), triton.serve(patience_seconds=PATIENCE) as running:
        yield running


@pytest.fixture(scope="module")
def product(server: Triton) -> Iterator[Tidegauge]:
    with products.up([server.page], QUICK) as running:
        yield running


def told(product: Tidegauge, name: str, **labels: str) -> float | None:
    """The sum of our samples *name* with these labels on the product's own page."""
    token = (product.data / "token").read_text(encoding="utf-8").strip()
    page = fetched(f"{product.url}/metrics", token=token)[1]
    found = [
        float(value)
        for text, value in re.findall(rf"^{name}\{{(.*)\}} (\S+)", page, re.MULTILINE)
        if all(f'{label}="{wanted}"' in text for label, wanted in labels.items())
    ]
    return sum(found) if found else None


def test_every_request_is_counted_once_by_how_it_ended_and_times_are_seconds(
    server: Triton, product: Tidegauge
) -> None:
    idle = ("idle", "no request waits or finishes")
    until(lambda: product.state() == idle, "idle", product, seconds=20)
    begun = time.monotonic()
    assert [server.infer(seconds) for seconds in (0.25, 0.25, -1.0, 0.25, 0.25)] == [
        200, 200, 500, 200, 200,
    ]  # fmt: skip
    alone = time.monotonic() - begun
    until(lambda: product.state() == ("serving", "requests finish"), "serving", product, seconds=10)

    begun = time.monotonic()
    queue = server.start(5, SLOW)
    waiting = until(
        lambda: told(product, "tidegauge_llm_requests_waiting", model=triton.MODEL),
        "requests wait", product, seconds=10,
    )  # fmt: skip
    assert 1.0 <= waiting <= 4.0, "the one that runs does not wait"
    until(
        lambda: product.state() == ("serving", "progress is not counted by step"),
        "serving with a queue", product, seconds=10,
    )  # fmt: skip
    assert sorted(future.result() for future in queue) == [200, 200, 503, 503, 503]
    queued = time.monotonic() - begun

    finished = "tidegauge_llm_requests_finished_total"
    about = {"engine": "triton", "vantage": "engine", "model": triton.MODEL}
    until(
        lambda: {
            how: told(product, finished, finish_reason=how, **about) for how in ENDS
        } == ENDS,
        f"they end as {ENDS}", product, seconds=10,
    )  # fmt: skip
    failed = "tidegauge_llm_requests_failed_total"
    assert told(product, failed, error_type="backend", **about) == 1.0
    assert told(product, failed, error_type="rejected", **about) == 3.0
    assert told(product, failed, error_type="other", **about) == 0.0

    # Four quarters of a second alone; in the queue, one worked at once and one after the first.
    lasted = told(product, "gen_ai_server_request_duration_seconds_sum", **about)
    waited = told(product, "tidegauge_llm_queue_duration_seconds_sum", **about)
    assert lasted is not None
    assert waited is not None
    # They were not sent in the same moment, which the second need not wait for; a busy machine
    # adds to both, never more than passed outside of the work itself.
    assert 1.0 + SLOW + 2 * SLOW - 0.3 <= lasted <= alone + 2 * queued
    assert SLOW - 0.3 <= waited <= (alone - 1.0) + (queued - SLOW)
    assert told(product, "gen_ai_server_request_duration_seconds_count", **about) == 6.0


def test_a_frozen_server_is_blind_because_its_page_hangs_and_then_idle_again(
    server: Triton, product: Tidegauge
) -> None:
    until(lambda: product.state()[0] in {"idle", "serving"}, "it is seen", product, seconds=20)
    server.freeze()
    until(lambda: product.state() == ("blind", "page hung"), "blind", product, seconds=15)
    server.thaw()
    idle = ("idle", "no request waits or finishes")
    until(lambda: product.state() == idle, "idle after its last minute", product, seconds=90)
    assert product.incidents() == [], "some seconds of blindness are nobody's incident"
