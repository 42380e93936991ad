"""Transfers of KV cache share a link, wait for a connection, and fail."""

import numpy as np
import pytest

from simulator.kv_link import Inbound, Prefill
from simulator.requests import Request

LINK = Prefill(replicas=1, bandwidth=1e9, connections=2, patience=1.0)


def inbound(**settings: float) -> Inbound:
    return Inbound(LINK, token_bytes=1_000_000, **settings)  # type: ignore[arg-type]


def request(number: int) -> Request:
    return Request(number, 0.0, 1000, 10, 0)


def fetched(link: Inbound, until: float) -> list[tuple[float, int, bool]]:
    return [(round(at, 6), one.request.ticket, fine) for at, one, fine in link.until(until)]


def test_one_transfer_has_the_link_to_itself() -> None:
    link = inbound()
    link.fetch(request(1), 500, 10.0, np.random.default_rng(1))
    assert link.next_end() == pytest.approx(10.5)
    assert fetched(link, 10.4) == []
    assert fetched(link, 11.0) == [(10.5, 1, True)]
    assert link.next_end() == np.inf


def test_two_share_it_and_a_third_waits_for_a_connection() -> None:
    link, rng = inbound(), np.random.default_rng(1)
    for number, tokens in ((1, 500), (2, 1000), (3, 250)):
        link.fetch(request(number), tokens, 0.0, rng)
    assert len(link.moving) == 2
    # 1 is through at 1.0 with half of the link, 3 at 1.5, and the rest of 2 then has it alone
    assert fetched(link, 5.0) == [(1.0, 1, True), (1.5, 3, True), (1.75, 2, True)]


def test_looking_often_changes_nothing() -> None:
    ends = []
    for looks in (1, 37):
        link, rng, found = inbound(), np.random.default_rng(1), []
        for number, tokens in ((1, 500), (2, 1000), (3, 250)):
            link.fetch(request(number), tokens, 0.0, rng)
        for look in range(looks):
            found += fetched(link, 2.0 * (look + 1) / looks)
        ends.append(found)
    assert ends[0] == ends[1]


def test_what_is_left_of_the_bandwidth_stretches_transfers() -> None:
    link = inbound(share=0.1)
    link.fetch(request(1), 500, 0.0, np.random.default_rng(1))
    assert fetched(link, 9.0) == [(5.0, 1, True)]


def test_a_transfer_that_fails_is_given_up_and_takes_no_bandwidth() -> None:
    link, rng = inbound(failing=1.0), np.random.default_rng(1)
    link.fetch(request(1), 500, 0.0, rng)
    link.failing = 0.0
    link.fetch(request(2), 500, 0.0, rng)
    assert fetched(link, 9.0) == [(0.5, 2, True), (1.0, 1, False)]


def test_callers_who_hang_up_free_their_connection() -> None:
    link, rng = inbound(), np.random.default_rng(1)
    asked = [request(number) for number in range(3)]
    for one in asked:
        link.fetch(one, 500, 0.0, rng)
    asked[0].abandoned = True
    assert link.cancelled() == [asked[0]]
    assert link.requests() == asked[1:]
    assert len(link.moving) == 2
