"""`tidegauge actions` against the real API, desk and executor: from a plan to a verified log."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from execution_site import NODE, PODS, Site

from incidents.desk import IncidentDesk
from service.api.application import create_app
from service.doors import Doors, Right, token_of
from service.network import free_port
from service.server import HttpServer
from tests.service.api.conftest import SECRETS, World
from tests.service.cli.conftest import Run

RESTART, CORDON, DRAIN = (f"inc-0123456789ab-{card}" for card in ("R02", "R09", "R10"))
PEOPLE = {"one": "one-secret-0123456789", "two": "two-secret-0123456789"}


@pytest.fixture
def site(world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(tmp_path / "control.sqlite")
    made.keep(made.incident.evolve(actions=tuple(map(made.card, ("R02", "R09", "R10")))))
    rights = frozenset({Right.READ, Right.ACT})
    tokens = [token_of("operator", SECRETS["operator"])]
    for name, secret in PEOPLE.items():
        tokens.append(token_of(name, secret, rights, person=True))
        (tmp_path / name).write_text(secret + "\n")
    desk = IncidentDesk(made.records, (), made.clock)
    wiring = world.wiring(
        desk=desk, execution=made.executor, clock=made.clock, doors=Doors(tuple(tokens))
    )
    server = HttpServer(create_app(wiring), "127.0.0.1", free_port())
    server.start()
    monkeypatch.setenv("TIDEGAUGE_API_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("TIDEGAUGE_TOKEN", SECRETS["operator"])
    yield made
    server.stop()
    made.records.close()


def planned(run: Run, action: str) -> str:
    told = json.loads(run("actions", "dry-run", action, "-o", "json").out)
    return str(told["plan"]["plan"])


def test_a_plan_goes_from_dry_run_to_a_verified_log(run: Run, site: Site) -> None:
    shown = run("actions", "dry-run", RESTART)
    assert shown.code == 0
    assert f"POST {PODS}/chat-0/eviction" in shown.out
    assert "nobody of 1" in shown.out
    site.clock.moment += 1
    plan = planned(run, RESTART)
    assert f"--plan {plan}" not in shown.out, "another moment, another plan"
    shared = run("actions", "approve", RESTART, "--plan", plan)
    assert shared.code == 2
    assert "the token of operator is no person's own" in shared.err
    mine = ("--plan", plan, "--token-file", "one")
    assert run("actions", "approve", RESTART, *mine).out == "Approved by one; 1 needed: enough.\n"
    done = run("actions", "execute", RESTART, *mine)
    assert (done.code, done.out) == (0, "executed: 200\n")
    again = run("actions", "execute", RESTART, *mine)
    assert "was executed before and is not done again" in again.out
    assert len(site.cluster.written) == 1
    listed = run("actions", "list").out
    assert plan in listed
    assert "executed" in listed
    assert "no executor for R10" in listed
    log = json.loads(run("actions", "audit", "-o", "json").out)
    assert [one["what"] for one in log] == [
        "planned", "planned", "approved", "executing", "executed",
    ]  # fmt: skip
    checked = run("actions", "audit", "--verify")
    assert (checked.code, checked.out.split(". ")[0]) == (0, "5 entries follow from each other")
    assert log[-1]["hash"] in checked.out


def test_a_log_that_was_tampered_with_is_told(run: Run, site: Site) -> None:
    planned(run, RESTART)
    with sqlite3.connect(site.file) as other:
        other.execute("DROP TRIGGER action_log_stays")
        other.execute("UPDATE action_log SET who='nobody'")
    other.close()
    found = run("actions", "audit", "--verify")
    assert found.code == 1
    assert found.out.startswith("The log was altered: entry 1 is not what was written")


def test_a_refusal_says_which_guard_and_an_unnamed_plan_is_none(run: Run, site: Site) -> None:
    plan = planned(run, RESTART)
    without = run("actions", "execute", RESTART, "--token-file", "one")
    assert without.code == 2
    assert "name the plan" in without.err
    refused = run("actions", "execute", RESTART, "--plan", plan, "--token-file", "one")
    assert refused.code == 2
    assert "approvals: 0 of 1 people have approved it" in refused.err
    foreign = run("actions", "approve", CORDON, "--plan", plan, "--token-file", "two")
    assert foreign.code == 2
    assert f"is no plan of {CORDON}" in foreign.err
    assert site.cluster.written == []


def test_a_card_that_only_a_person_can_carry_out_shows_its_command(run: Run, site: Site) -> None:
    told = run("actions", "dry-run", DRAIN)
    assert told.code == 1
    assert "No plan: no executor for R10" in told.out
    assert "kubectl drain node/node-chat-0" in told.out
    refused = run("actions", "execute", DRAIN, "--plan", "x", "--token-file", "one")
    assert refused.code == 2
    assert "no executor for R10" in refused.err


def test_the_incident_shows_how_its_actions_stand(run: Run, site: Site) -> None:
    plan = planned(run, CORDON)
    run("actions", "execute", CORDON, "--plan", plan, "--token-file", "two")
    assert site.cluster.objects[NODE]["spec"] == {"unschedulable": True}
    told = json.loads(run("incidents", "show", site.incident.id, "-o", "json").out)
    (shown,) = told["execution"][CORDON]["plans"]
    assert (shown["state"], shown["approved_by"]) == ("cured", ["two"])
    assert "no executor" in told["execution"][DRAIN]["why_not"]
    text = run("actions", "show", CORDON).out
    assert "cured" in text
    assert "nodes node-chat-0 shows it" in text
