"""Action cards over HTTP: shown, approved by people with names, never executed."""

from typing import Any

ACTION = "/api/v1/actions/i-0:R01"


def test_the_dry_run_is_the_plan_and_executes_nothing(client: Any) -> None:
    plan = client.post(f"{ACTION}/dry-run").json()
    assert plan["executed"] is False
    assert plan["dry_run"] == "kubectl delete pod llama-0 --dry-run=server"
    assert {"command", "precondition", "verify", "undo", "risk"} <= plan.keys()


def test_a_plan_of_two_people_needs_two_tokens(world: Any) -> None:
    one, two = world.client("operator"), world.client("second")
    first = one.post(f"{ACTION}/approve").json()
    assert (first["approved"], first["approved_by"], first["approvals_needed"]) == (
        False,
        ["operator"],
        2,
    )
    again = one.post(f"{ACTION}/approve").json()
    assert again["approved"] is False, "one person twice is one person"
    second = two.post(f"{ACTION}/approve").json()
    assert (second["approved"], second["approved_by"]) == (True, ["operator", "second"])
    assert [line.text for line in world.desk.incidents["i-0"].activity] == [
        "approved R01 (i-0:R01)"
    ] * 2


def test_a_claimed_name_does_not_approve_for_somebody_else(client: Any) -> None:
    client.post(
        "/api/v1/incidents/i-0/note", json={"who": "second", "text": "approved R01 (i-0:R01)"}
    )
    found = client.post(f"{ACTION}/approve").json()
    assert "second" not in found["approved_by"]


def test_execution_is_refused_with_the_command_to_run(client: Any, world: Any) -> None:
    client.post(f"{ACTION}/approve")
    answer = client.post(f"{ACTION}/execute")
    assert answer.status_code == 403
    assert "execution is switched off" in answer.json()["detail"]
    assert answer.json()["command"] == "kubectl delete pod llama-0"


def test_an_unknown_action_is_not_found(client: Any) -> None:
    for verb in ("dry-run", "approve", "execute"):
        assert client.post(f"/api/v1/actions/nope/{verb}").status_code == 404
