"""`tidegauge incidents` against the real API over a small fleet in memory."""

import dataclasses
import json

import pytest

from tests.service.api.conftest import World
from tests.service.cli.conftest import Run
from vocabulary.entities import Entity, EntityKind
from vocabulary.incidents import Activity, IncidentState

HOSTILE = "\x1b[2J\x9b31mred\x07\r\u202e[bold]x[/bold]"


def test_the_list_is_exit_1_while_something_is_open(run: Run, api: str) -> None:
    ended = run("incidents", "list", "--output", "json")
    assert ended.code == 1
    assert {one["id"] for one in json.loads(ended.out)} == {"i-0", "i-1", "i-2"}
    assert not ended.err


def test_the_list_is_exit_0_when_all_is_resolved(run: Run, api: str, world: World) -> None:
    for number in range(3):
        assert run("incidents", "resolve", f"i-{number}", "--reason", "done").code == 0
    ended = run("incidents", "list")
    assert ended.code == 0
    assert "resolved" in ended.out


def test_an_empty_list_says_so(run: Run, api: str) -> None:
    ended = run("incidents", "list", "--severity", "info")
    assert (ended.code, ended.out) == (0, "No incidents match.\n")


def test_one_incident_reads_as_text_and_as_json(run: Run, api: str) -> None:
    shown = run("incidents", "show", "i-1")
    assert shown.code == 0
    for part in ("Engine stalled", "40 wait", "kubectl delete pod llama-0", "3 of 4 left"):
        assert part in shown.out
    assert json.loads(run("incidents", "show", "i-1", "-o", "json").out)["id"] == "i-1"


def test_people_act_on_an_incident(run: Run, api: str, world: World) -> None:
    assert run("incidents", "ack", "i-0").out == "i-0: acknowledged\n"
    assert run("incidents", "assign", "i-0", "ada").code == 0
    assert run("incidents", "silence", "i-0", "--minutes", "5", "--reason", "known").code == 0
    assert run("incidents", "note", "i-0", "looked").code == 0
    one = world.desk.incidents["i-0"]
    assert one.assignee == "ada"
    assert one.state is IncidentState.ACKNOWLEDGED
    assert [line.what for line in one.activity] == ["acknowledged", "assigned", "silenced", "note"]


def test_the_same_key_acts_once(run: Run, api: str, world: World) -> None:
    for _ in range(2):
        assert run("incidents", "note", "i-0", "once", "--idempotency-key", "k1").code == 0
    assert len(world.desk.incidents["i-0"].activity) == 1


def test_the_report_is_markdown(run: Run, api: str) -> None:
    ended = run("incidents", "report", "i-2")
    assert ended.code == 0
    assert ended.out.startswith("# Engine stalled\n")
    assert "## What to do" in ended.out


def test_an_incident_that_does_not_exist_is_one_line(run: Run, api: str) -> None:
    ended = run("incidents", "show", "nope")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "nope" in ended.err


def test_what_is_resolved_cannot_be_acknowledged(run: Run, api: str) -> None:
    run("incidents", "resolve", "i-0")
    ended = run("incidents", "ack", "i-0")
    assert ended.code == 2
    assert "resolved already" in ended.err


def test_a_missing_backend_is_exit_3_with_the_mend(run: Run) -> None:
    ended = run("incidents", "list", "--api-url", "http://127.0.0.1:9")
    assert ended.code == 3
    assert not ended.out
    assert ended.err.count("\n") == 1
    assert "tidegauge up" in ended.err


def test_an_address_that_is_none_is_wrong_usage(run: Run) -> None:
    ended = run("incidents", "list", "--api-url", "localhost")
    assert ended.code == 2
    assert "is no address" in ended.err


def test_a_wrong_token_is_said(run: Run, api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGAUGE_TOKEN", "x" * 32)
    ended = run("incidents", "list")
    assert ended.code == 2
    assert "HTTP 401" in ended.err


@pytest.mark.parametrize(
    "command", [("list",), ("show", "i-0"), ("show", "i-0", "-o", "json"), ("report", "i-0")]
)
def test_telemetry_cannot_steer_the_terminal(
    run: Run, api: str, world: World, command: tuple[str, ...]
) -> None:
    one = world.desk.incidents["i-0"]
    world.desk.incidents["i-0"] = dataclasses.replace(
        one,
        title=HOSTILE, headline=HOSTILE, entity=Entity(EntityKind.REPLICA, "x", HOSTILE),
        evidence=(dataclasses.replace(one.evidence[0], text=HOSTILE),),
        actions=(dataclasses.replace(one.actions[0], title=HOSTILE, command=HOSTILE),),
        activity=(Activity(1.0, HOSTILE, HOSTILE, HOSTILE),),
    )  # fmt: skip
    out = run("incidents", *command).out
    assert "red" in out
    steering = {letter for letter in out if not letter.isprintable() and letter != "\n"}
    assert not steering


def test_no_color_is_asked_for_in_vain_of_plain_output(
    run: Run, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[3" not in run("incidents", "list").out


def test_changes_are_listed_with_what_they_did(run: Run, api: str, world: World) -> None:
    shown = run("incidents", "changes").out
    assert "image 0.32 → 0.33" in shown
    assert json.loads(run("incidents", "changes", "-o", "json").out)[0]["verdict"] is None


def test_a_hand_over_is_printed_as_markdown(run: Run, api: str) -> None:
    told = run("incidents", "handover").out
    assert told.startswith("# Hand-over")
    assert "nobody has acknowledged it" in told
    assert json.loads(run("incidents", "handover", "-o", "json").out)["owed"]


def test_a_report_is_one_html_file_on_demand(run: Run, api: str) -> None:
    page = run("incidents", "report", "i-0", "--format", "html")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith("<!doctype html>")
    assert page.out.endswith("</html>\n")
    assert run("incidents", "report", "nope", "--format", "html").code == 2
