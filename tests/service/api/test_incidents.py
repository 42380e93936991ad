"""Incidents over HTTP: pages, filters, and acts that happen once under somebody's name."""

import math
from dataclasses import replace
from typing import Any

import pytest

from vocabulary.incidents import incident_json

WHERE = "/api/v1/incidents"


def test_the_list_is_the_stable_contract(client: Any, world: Any) -> None:
    answer = client.get(WHERE).json()
    assert answer["next_cursor"] is None
    assert answer["incidents"] == [incident_json(world.desk.incidents[f"i-{n}"]) for n in range(3)]


def test_pages_follow_the_cursor_and_end(client: Any) -> None:
    seen, cursor = [], None
    while True:
        answer = client.get(WHERE, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += [one["id"] for one in answer.json()["incidents"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    assert seen == ["i-0", "i-1", "i-2"]


def test_filters_reach_the_desk(client: Any) -> None:
    client.post(f"{WHERE}/i-1/resolve", json={})
    resolved = client.get(WHERE, params={"state": "resolved", "severity": "critical"}).json()
    assert [one["id"] for one in resolved["incidents"]] == ["i-1"]
    assert client.get(WHERE, params={"severity": "info"}).json()["incidents"] == []
    later = client.get(WHERE, params={"since": "2030-01-01T00:00:00Z", "state": "resolved"})
    assert later.json()["incidents"] == []


@pytest.mark.parametrize(
    ("verb", "body", "changed"),
    [
        ("ack", {}, {"state": "acknowledged"}),
        ("assign", {"assignee": "ada"}, {"assignee": "ada"}),
        ("silence", {"seconds": 3600}, {"silenced_until": "2026-11-23T10:26:40.000Z"}),
        ("resolve", {"reason": "fixed"}, {"state": "resolved"}),
        ("note", {"text": "looking"}, {}),
    ],
)  # fmt: skip
def test_every_act_answers_with_the_incident_and_says_who(
    client: Any, verb: Any, body: Any, changed: Any
) -> None:
    answer = client.post(f"{WHERE}/i-0/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    assert changed.items() <= answer.json().items()
    assert answer.json()["activity"][-1]["who"] == "operator"


def test_who_acts_is_named_beside_the_token_never_instead_of_it(client: Any) -> None:
    answer = client.post(f"{WHERE}/i-0/ack", json={"who": "ada"})
    assert answer.json()["activity"][-1]["who"] == "ada (via operator)"
    spoofed = client.post(f"{WHERE}/i-1/note", json={"who": "tidegauge", "text": "x"})
    assert spoofed.json()["activity"][-1]["who"] == "tidegauge (via operator)"


def test_ack_needs_no_body(client: Any) -> None:
    assert client.post(f"{WHERE}/i-0/ack").json()["state"] == "acknowledged"


def test_one_key_acts_once(client: Any, world: Any) -> None:
    for _ in range(3):
        answer = client.post(
            f"{WHERE}/i-0/note", json={"text": "x"}, headers={"Idempotency-Key": "k-1"}
        )
        assert answer.status_code == 200
    assert len(world.desk.incidents["i-0"].activity) == 1


def test_a_resolved_incident_refuses_with_a_conflict(client: Any) -> None:
    client.post(f"{WHERE}/i-0/resolve")
    answer = client.post(f"{WHERE}/i-0/ack")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "resolved already" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("assign", {}),
        ("assign", {"assignee": ""}),
        ("assign", {"assignee": "x" * 201}),
        ("silence", {"seconds": 1}),
        ("silence", {"seconds": 10**9}),
        ("silence", {"seconds": "nan"}),
        ("silence", {"seconds": None}),
        ("note", {"text": ""}),
        ("note", {"text": "x" * 4001}),
        ("note", {"text": "x", "state": "resolved"}),
        ("note", []),
    ],
)
def test_bodies_that_say_nothing_sensible_are_refused(
    client: Any, world: Any, verb: Any, body: Any
) -> None:
    answer = client.post(f"{WHERE}/i-0/{verb}", json=body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:tidegauge:problem:invalid"
    assert world.desk.incidents["i-0"].activity == ()


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"text": NaN', b"\xff"])
def test_broken_json_is_refused_not_a_crash(client: Any, body: Any) -> None:
    answer = client.post(
        f"{WHERE}/i-0/note", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400


def test_a_body_over_the_limit_is_refused(client: Any) -> None:
    answer = client.post(f"{WHERE}/i-0/note", json={"text": "x" * (1 << 20)})
    assert answer.status_code == 413
    streamed = client.post(
        f"{WHERE}/i-0/note",
        content=iter([b"x" * 100_000] * 20),
        headers={"content-type": "application/json"},
    )
    assert streamed.status_code == 413


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"state": "gone"},
        {"severity": "loud"},
        {"since": "yesterday"},
        {"since": "nan"},
        {"since": "-1"},
        {"since": "1e300"},
        {"q": "x" * 201},
    ],
)
def test_questions_that_mean_nothing_are_refused_with_a_sentence(client: Any, query: Any) -> None:
    answer = client.get(WHERE, params=query)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 10


@pytest.mark.parametrize("key", ["", "x" * 201, "with space", "ümlaut"])
def test_keys_are_plain_and_short(client: Any, key: Any) -> None:
    answer = client.post(
        f"{WHERE}/i-0/ack", headers={"Idempotency-Key": key.encode("latin-1", "replace")}
    )
    assert answer.status_code == 400


def test_an_unknown_incident_is_not_found(client: Any) -> None:
    for answer in (client.get(f"{WHERE}/nope"), client.post(f"{WHERE}/nope/ack")):
        assert answer.status_code == 404
        assert answer.json()["title"] == "not found"


def test_a_reader_reads_and_does_not_act(world: Any) -> None:
    reader = world.client("reader")
    assert reader.get(WHERE).status_code == 200
    assert reader.post(f"{WHERE}/i-0/ack").status_code == 403
    assert world.desk.incidents["i-0"].activity == ()


def test_no_act_by_get(client: Any) -> None:
    assert client.get(f"{WHERE}/i-0/ack").status_code == 405


def test_what_is_not_known_leaves_as_null(client: Any, world: Any) -> None:
    one = world.desk.incidents["i-0"]
    evidence = replace(one.evidence[0], observed=math.nan, upper=math.inf)
    world.desk.incidents["i-0"] = replace(one, evidence=(evidence,))
    told = client.get(f"{WHERE}/i-0").json()["evidence"][0]
    assert (told["observed"], told["upper"]) == (None, None)
