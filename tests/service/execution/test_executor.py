"""A plan is made, approved by people, carried out once, and every crash between is told."""

import json
import sqlite3
from dataclasses import replace

import pytest
from execution_site import (
    DEPLOYMENT,
    FIRST,
    NODE,
    OPERATOR,
    PODS,
    SECOND,
    Crash,
    Site,
    crash,
    lost,
    unreachable,
)

from vocabulary.actions import ActionClass, Autonomy
from vocabulary.errors import ConflictError, NotFound, RequestRefused, StoreError

POD = f"{PODS}/chat-0"


def refusal(call: object, *arguments: object) -> str:
    with pytest.raises(RequestRefused) as caught:
        call(*arguments)  # type: ignore[operator]
    return f"{caught.value.reason}: {caught.value}"


# -- planning -------------------------------------------------------------------------------------


def test_a_plan_says_what_would_be_written_and_what_it_was_made_for(site: Site) -> None:
    told = site.executor.plan(site.incident, site.card("R04"), FIRST)
    assert told["request"].startswith(f"PATCH {DEPLOYMENT}/scale")
    assert "-  replicas: 4" in told["diff"]
    assert "+  replicas: 5" in told["diff"]
    assert told["made_for"]["replicas"] == told["made_for"]["replicas_seen"] == 4
    assert (told["made_by"], told["state"], told["class"]) == ("one", "planned", "scale")
    assert site.cluster.written == [], "a dry run writes nothing"
    assert site.cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 4


def test_values_of_environments_are_in_no_diff_and_no_log(site: Site) -> None:
    secret = {"name": "HF_TOKEN", "value": "hf_secret"}
    template = {"spec": {"containers": [{"image": "vllm:v1", "env": [secret]}]}}
    owner = [{"uid": "d"}]
    for number in (1, 2):
        site.cluster.put(
            f"{DEPLOYMENT.rpartition('/')[0].replace('deployments', 'replicasets')}/chat-{number}",
            {"template": {**template, "metadata": {"labels": {"pod-template-hash": "x"}}}},
            ownerReferences=owner,
            annotations={"deployment.kubernetes.io/revision": str(number)},
        )
    told = site.executor.plan(site.incident, site.card("R03"), FIRST)
    assert "hf_secret" not in json.dumps(told)
    assert "HF_TOKEN" in told["diff"]
    plan = told["plan"]
    site.executor.approve(plan, FIRST)
    assert site.executor.execute(plan, FIRST)["state"] == "executed"
    assert "hf_secret" not in json.dumps([e.body for e in site.records.actions.page(0, 99)])
    now = site.cluster.objects[DEPLOYMENT]["spec"]["template"]
    assert now["spec"]["containers"][0]["env"] == [secret], "what is written is whole"
    assert now["metadata"]["labels"] == {}


def test_an_action_has_no_more_than_ten_plans_at_a_time(site: Site) -> None:
    for _ in range(10):
        site.clock.moment += 1
        site.plan()
    assert refusal(site.plan) == "too_many: 10 plans of it are good still: choose one"
    site.pass_time(16 * 60)
    site.plan()
    assert len(site.executor.plans_of(site.card("R02"))) == 10


def test_a_rollback_needs_a_former_revision_and_no_pause(site: Site) -> None:
    with pytest.raises(ConflictError, match="no former revision"):
        site.plan("R03")
    site.cluster.objects[DEPLOYMENT]["spec"]["paused"] = True
    with pytest.raises(ConflictError, match="paused: resume it first"):
        site.plan("R03")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"enabled": False}, "switched off"),
        ({"accounts": {"nodes": "/run/nodes"}}, "class pods has no credential"),
    ],
)
def test_what_cannot_be_executed_here_says_why(
    site: Site, changed: dict[str, object], told: str
) -> None:
    site.restart(**changed)
    assert told in site.executor.why_not(site.card("R02"))
    assert told in refusal(site.plan)
    assert site.cluster.asked == 0


def test_a_card_without_a_call_stays_a_persons_work(site: Site) -> None:
    assert "no executor for R10" in site.executor.why_not(site.card("R10"))


def test_nothing_is_done_under_a_simulated_clock(site: Site) -> None:
    plan = site.approved()
    site.simulated = True
    site.restart()
    assert "simulated" in refusal(site.executor.execute, plan, FIRST)
    assert "simulated" in refusal(site.plan)


def test_a_deployment_that_disagrees_with_what_is_seen_makes_no_plan(site: Site) -> None:
    site.cluster.objects[DEPLOYMENT]["spec"]["replicas"] = 5
    with pytest.raises(ConflictError, match="4 replicas are seen, and chat has 5"):
        site.plan("R04")


def test_a_pod_of_the_same_name_and_another_uid_makes_no_plan(site: Site) -> None:
    site.cluster.objects[POD]["metadata"]["uid"] = "another"
    with pytest.raises(ConflictError, match="another one than was seen"):
        site.plan()


# -- approving ------------------------------------------------------------------------------------


def test_a_shared_token_approves_and_executes_nothing(site: Site) -> None:
    plan = site.plan()
    assert "no person's own" in refusal(site.executor.approve, plan, OPERATOR)
    site.executor.approve(plan, FIRST)
    assert "no person's own" in refusal(site.executor.execute, plan, OPERATOR)
    assert site.cluster.written == []


def test_an_unapproved_plan_is_not_executed(site: Site) -> None:
    plan = site.plan()
    assert "0 of 1 people" in refusal(site.executor.execute, plan, FIRST)
    assert site.steps(plan) == ["planned", "refused"]
    assert site.cluster.written == []


def test_one_click_is_the_yes_of_who_clicks(site: Site) -> None:
    plan = site.plan("R09")
    told = site.executor.execute(plan, FIRST)
    assert told["approved_by"] == ["one"]
    assert site.steps(plan)[:3] == ["planned", "approved", "executing"]


def test_two_people_means_two_different_people(site: Site) -> None:
    card = replace(site.card("R09"), autonomy=Autonomy.TWO_PEOPLE)
    site.executor.world = replace(site.executor.world, propose=lambda *_: card)
    plan = site.executor.plan(site.incident, card, FIRST)["plan"]
    site.executor.approve(plan, FIRST)
    again = site.executor.approve(plan, FIRST)
    assert again["approved_by"] == ["one"], "one person twice is one person"
    assert "1 of 2 people" in refusal(site.executor.execute, plan, FIRST)
    site.executor.approve(plan, SECOND)
    assert site.executor.execute(plan, FIRST)["state"] == "cured"
    assert site.cluster.objects[NODE]["spec"] == {"unschedulable": True}


def test_a_yes_to_one_plan_is_none_to_the_next(site: Site) -> None:
    site.approved()
    site.clock.moment += 1
    later = site.plan()
    assert "0 of 1 people" in refusal(site.executor.execute, later, FIRST)


def test_an_expired_plan_is_neither_approved_nor_executed(site: Site) -> None:
    approved, waiting = site.approved(), site.plan("R09")
    site.pass_time(15 * 60)
    with pytest.raises(ConflictError, match="expired"):
        site.executor.approve(waiting, FIRST)
    assert "expired 0 s ago: make a new one" in refusal(site.executor.execute, approved, FIRST)


def test_there_is_no_plan_that_nobody_made(site: Site) -> None:
    with pytest.raises(NotFound, match="make one with a dry run"):
        site.executor.approve("0123456789abcdef", FIRST)


# -- executing ------------------------------------------------------------------------------------


def test_it_is_done_once_with_the_credential_of_its_class(site: Site) -> None:
    plan = site.approved()
    told = site.executor.execute(plan, FIRST)
    assert (told["state"], told["again"], told["answer"]) == ("executed", False, "200")
    assert [(group, one.method, one.path) for group, one in site.cluster.written] == [
        (ActionClass.PODS, "POST", f"{POD}/eviction")
    ]
    again = site.executor.execute(plan, SECOND)
    assert (again["state"], again["again"]) == ("executed", True)
    assert len(site.cluster.written) == 1


def test_the_incident_tells_what_was_done_and_by_whom(site: Site) -> None:
    site.executor.execute(site.approved(), SECOND)
    lines = [(one.who, one.what) for one in site.records.get(site.incident.id).activity]
    assert lines == [
        ("one", "action planned"), ("one", "action approved"), ("two", "action executing"),
        ("two", "action executed"),
    ]  # fmt: skip


def test_the_log_keeps_what_every_guard_said_and_what_was_sent(site: Site) -> None:
    plan = site.approved()
    site.executor.execute(plan, FIRST)
    (executing,) = [e for e in site.records.actions.of_plan(plan) if e.what == "executing"]
    guards = {one["guard"]: one for one in executing.body["decisions"]}
    assert len(guards) == 12
    assert all(one["passed"] for one in guards.values())
    assert guards["approvals"]["said"] == "approved by one"
    assert executing.body["request"].startswith(f"POST {POD}/eviction")


@pytest.mark.parametrize(
    ("status", "state"),
    [(403, "failed"), (409, "failed"), (429, "failed"), (500, "unknown"), (504, "unknown")],
)
def test_a_refusal_of_the_api_is_a_failure_and_its_own_trouble_is_unknown(
    site: Site, status: int, state: str
) -> None:
    plan = site.approved()
    site.cluster.status = status
    assert site.executor.execute(plan, FIRST)["state"] == state
    site.cluster.status = 0
    assert site.executor.execute(plan, FIRST)["again"] is True
    assert site.cluster.written == []


def test_what_never_left_failed_and_what_got_no_answer_is_unknown(site: Site) -> None:
    plan = site.approved()
    site.cluster.before = unreachable
    assert site.executor.execute(plan, FIRST)["state"] == "failed"
    site.cluster.before, site.cluster.after = lambda: None, lost
    site.clock.moment += 1
    other = site.approved()
    told = site.executor.execute(other, FIRST)
    assert told["state"] == "unknown"
    assert len(site.cluster.written) == 1, "it was done all the same"
    assert site.executor.execute(other, FIRST)["again"] is True
    assert len(site.cluster.written) == 1


# -- crashes --------------------------------------------------------------------------------------


def test_a_crash_before_anything_was_kept_leaves_the_plan_as_it_was(site: Site) -> None:
    plan = site.approved()
    asked = site.cluster.asked
    site.restart()
    assert site.state(plan) == "planned"
    assert site.executor.execute(plan, FIRST)["state"] == "executed"
    assert site.cluster.asked > asked


@pytest.mark.parametrize("done", [False, True], ids=["before the write", "after the write"])
def test_a_crash_between_intent_and_record_is_told_and_never_repeated(
    site: Site, done: bool
) -> None:
    plan = site.approved()
    if done:
        site.cluster.after = crash
    else:
        site.cluster.before = crash
    with pytest.raises(Crash):
        site.executor.execute(plan, FIRST)
    assert site.steps(plan)[-1] == "executing"
    site.cluster.before = site.cluster.after = lambda: None
    site.restart()
    assert site.state(plan) == "unknown"
    said = site.records.get(site.incident.id).activity[-1].text
    assert "may or may not be done, check it yourself" in said
    assert len(site.records.outbox.due("http://alertmanager", site.clock.moment)) == 1
    assert site.executor.execute(plan, FIRST)["again"] is True
    assert len(site.cluster.written) == done
    site.restart()
    assert site.steps(plan).count("unknown") == 1, "it is told once"


def test_a_disk_that_refuses_the_record_leaves_an_unknown_and_no_second_write(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = site.approved()

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("no space left on device")

    def full() -> None:
        monkeypatch.setattr(site.records, "save", refuse)

    site.cluster.after = full
    with pytest.raises(StoreError):
        site.executor.execute(plan, FIRST)
    monkeypatch.undo()
    site.cluster.after = lambda: None
    assert site.state(plan) == "executing"
    site.pass_time(15)
    assert site.state(plan) == "unknown"
    assert site.executor.execute(plan, FIRST)["again"] is True
    assert len(site.cluster.written) == 1


def test_a_look_while_the_write_is_under_way_calls_nothing_unknown(site: Site) -> None:
    plan = site.approved()
    site.cluster.after = lambda: site.pass_time(1)
    assert site.executor.execute(plan, FIRST)["state"] == "executed"
    assert "unknown" not in site.steps(plan)


def test_a_log_altered_while_we_run_is_noticed_before_the_next_write(site: Site) -> None:
    plan = site.approved()
    other = sqlite3.connect(site.file, isolation_level=None)
    other.execute("DROP TRIGGER action_log_stays")
    swap = "UPDATE action_log SET body=replace(body, ?, ?) WHERE sequence=1"
    other.execute(swap, ("chat-0", "chat-9"))
    assert site.executor.plans_of(site.card("R02")) == []
    with pytest.raises(ConflictError, match="was altered in the log"):
        site.executor.execute(plan, FIRST)
    other.execute(swap, ("chat-9", "chat-0"))
    other.execute("UPDATE action_log SET who='two' WHERE sequence=2")
    assert "was altered" in refusal(site.executor.execute, plan, FIRST)
    assert site.cluster.written == []
    other.execute("UPDATE action_log SET who='one' WHERE sequence=2")
    other.close()
    assert site.executor.execute(plan, FIRST)["state"] == "executed"


def test_nothing_is_executed_over_a_log_that_was_altered(site: Site) -> None:
    plan = site.approved()
    with sqlite3.connect(site.file) as other:
        kept = other.execute("SELECT who FROM action_log WHERE sequence=2").fetchone()[0]
        other.execute("DROP TRIGGER action_log_stays")
        other.execute("UPDATE action_log SET who='two' WHERE sequence=2")
    site.restart()
    assert site.executor.altered.startswith("entry 2 is not what was written")
    assert "was altered" in refusal(site.executor.execute, plan, FIRST)
    assert site.executor.follow_up(site.clock.moment) == 0
    with other:
        other.execute("UPDATE action_log SET who=? WHERE sequence=2", (kept,))
    other.close()
    site.restart()
    assert site.executor.execute(plan, FIRST)["state"] == "executed"


def test_a_crash_after_the_record_leaves_what_was_done_to_be_checked(site: Site) -> None:
    plan = site.approved()
    site.executor.execute(plan, FIRST)
    site.restart()
    assert site.state(plan) == "executed"
    site.pass_time(17 * 60)
    assert site.state(plan) == "cannot tell"
