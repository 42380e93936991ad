"""Maintenance, hand-over and similar incidents over HTTP, with a real desk behind."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from incident_scenes import INTERVAL, NOON, Story, stalled
from starlette.testclient import TestClient

from service.handover import markdown
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import Change, Entity, EntityKind

HOSTILE = "![x](http://evil.example/p.png) <b>`code`</b> | *bold*"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    made = Story(tmp_path / "control.sqlite")
    made.world.add_pool()
    yield made
    made.records.close()


@pytest.fixture
def real(world: Any, story: Story) -> Iterator[TestClient]:
    world.scene, world.clock = story.world.scene(), story.clock
    seams = {
        "desk": story.desk,
        "maintenance": story.desk.maintenance,
        "hushed": story.desk.in_maintenance,
        "silences": story.records.silences,
    }
    with world.client(**seams) as client:
        yield client


WORK = {"scope": {"pool": "prod/chat"}, "seconds": 3600, "reason": "new kernel", "who": "ada"}


def test_a_window_is_previewed_opened_listed_and_ended(real: TestClient, story: Story) -> None:
    story.tick(stalled(story.world.replicas[0], NOON + INTERVAL))
    shown = real.post("/api/v1/maintenance/preview", json=WORK).json()
    assert (shown["replicas_inside"], shown["replicas_known"]) == (3, 3)
    assert shown["incidents"] == [story.only().id]
    assert real.get("/api/v1/maintenance").json()["maintenance"] == []
    key = {"Idempotency-Key": "one"}
    window = real.post("/api/v1/maintenance", json=WORK, headers=key).json()
    assert real.post("/api/v1/maintenance", json=WORK, headers=key).json() == window
    assert (window["state"], window["who"]) == ("active", "ada (via operator)")
    (listed,) = real.get("/api/v1/maintenance").json()["maintenance"]
    assert listed["scope"]["pool"] == "prod/chat"
    ended = real.post(f"/api/v1/maintenance/{window['id']}/end").json()
    assert (ended["state"], ended["ended_by"]) == ("over", "operator")
    assert real.post(f"/api/v1/maintenance/{window['id']}/end").status_code == 409


@pytest.mark.parametrize(
    "bad",
    [
        {"scope": {}},
        {"scope": {"failure_mode": "gremlins"}},
        {"scope": {"entity": "nonsense"}},
        {"scope": {"pool": "p"}, "seconds": 1},
        {"scope": {"pool": "p"}, "seconds": 1e9},
        {"scope": {"pool": "p"}, "starts_at": "soon"},
        {"scope": {"planet": "p"}},
    ],
)
def test_a_window_that_makes_no_sense_is_refused_in_one_line(real: TestClient, bad: Any) -> None:
    answer = real.post("/api/v1/maintenance", json={"seconds": 600, **bad})
    assert answer.status_code == 400
    assert "\n" not in answer.json()["detail"]


def test_a_reader_may_look_and_not_open(world: Any, story: Story) -> None:
    with world.client("reader", maintenance=story.desk.maintenance) as client:
        assert client.get("/api/v1/maintenance").status_code == 200
        assert client.post("/api/v1/maintenance", json=WORK).status_code == 403


def test_a_server_without_windows_says_so(client: Any) -> None:
    assert client.get("/api/v1/maintenance").json() == {"maintenance": []}
    assert client.post("/api/v1/maintenance", json=WORK).status_code == 403
    assert client.get("/api/v1/handover").json()["maintenance"] == []


def test_a_hand_over_tells_what_is_open_changed_quiet_and_owed(
    real: TestClient, story: Story, world: Any
) -> None:
    first, *_ = story.world.replicas
    story.tick(stalled(first, NOON + INTERVAL))
    one = story.only()
    story.desk.acknowledge(one.id, "ada")
    story.desk.note(one.id, "ada", f"approved R01 ({one.id}:R01)")
    story.desk.silence(one.id, "ada", 3600.0, HOSTILE)
    real.post("/api/v1/maintenance", json=WORK)
    pool = Entity(EntityKind.POOL, "prod/chat")
    world.scene = replace(
        story.world.scene(), changes=(Change(NOON, "rollout", pool, HOSTILE, "prod/chat"),)
    )
    told = real.get("/api/v1/handover").json()
    assert [row["id"] for row in told["open"]] == [one.id]
    assert told["open"][0]["new"] is True
    assert told["changes"][0]["kind"] == "rollout"
    assert told["silenced"][0]["who"] == "ada"
    assert told["maintenance"][0]["state"] == "active"
    owed = " / ".join(line["text"] for line in told["owed"])
    assert "R01 was approved by ada" in owed
    assert "its silence ends" in owed
    assert "maintenance mw-" in owed
    text = real.get("/api/v1/handover", params={"format": "markdown"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert text.text == markdown(told)
    assert "![x](" not in text.text
    assert "<b>" not in text.text


def test_what_paged_and_ended_unexplained_is_owed_a_word(real: TestClient, story: Story) -> None:
    one = story.world.replicas[0]
    story.hold(120.0, lambda now: stalled(one, now))
    story.hold(1200.0)
    (ended,) = real.get("/api/v1/handover").json()["ended"]
    assert ended["resolved_at"] is not None
    owed = real.get("/api/v1/handover").json()["owed"]
    assert owed == [
        {"incident": ended["id"], "text": "it paged and ended, and nobody wrote down why"}
    ]


def test_an_open_incident_that_nobody_took_is_owed(real: TestClient, story: Story) -> None:
    story.tick(stalled(story.world.replicas[0], NOON + INTERVAL))
    owed = real.get("/api/v1/handover").json()["owed"]
    assert owed[0]["text"] == "nobody has acknowledged it"


def test_an_incident_names_the_last_one_like_it_and_the_card_that_was_said_yes_to(
    real: TestClient, story: Story
) -> None:
    one = story.world.replicas[0]
    story.hold(60.0, lambda now: stalled(one, now))
    before = story.only()
    story.desk.note(before.id, "ada", f"approved R01 ({before.id}:R01)")
    story.desk.resolve(before.id, "ada", "restarted it")
    story.clock.moment += 2 * 86_400.0
    story.hold(60.0, lambda now: stalled(one, now))
    newest = max(story.incidents(), key=lambda each: each.opened_at)
    assert newest.id != before.id
    (found,) = real.get(f"/api/v1/incidents/{newest.id}").json()["similar"]
    assert found["id"] == before.id
    assert set(found["alike"]) >= {"mode", "entity", "pool"}
    assert (found["ended"], found["ended_by"], found["cards"]) == ("restarted it", "ada", ["R01"])
    assert real.get(f"/api/v1/incidents/{before.id}").json()["similar"] == []


def test_the_word_of_an_approval_is_the_one_that_is_looked_for() -> None:
    from incidents.similar import APPROVAL
    from service.api.actions import _line

    card = Action("i:R01", "R01", "t", Autonomy.APPROVAL, "p", "c", "d", "v", "u", "r")
    match = APPROVAL.match(_line(card))
    assert match is not None
    assert match.group(1) == "R01"
