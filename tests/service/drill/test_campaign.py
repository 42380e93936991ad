"""Cases, their seeds, and that a drill goes on where it was broken off."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from service.drill import campaign
from service.drill.campaign import run
from service.drill.case import Case, Corpus, alone, calm, cases, overlapping
from service.drill.plan import Request, seed_numbers
from service.drill.record import firing
from simulator.fault import Fault
from vocabulary.entities import Entity, EntityKind
from vocabulary.errors import ConfigError, NotFound
from vocabulary.failure_modes import ENGINE_STALLED, Severity
from vocabulary.incidents import Activity, Incident, IncidentState

CORPUS = Corpus.found()
CASE = Case("calm", 3, 1_763_337_600.0, (), 120.0, days=0.1)


def incident(*lines: tuple[str, str]) -> Incident:
    activity = tuple(Activity(0.0, "tidegauge", what, text) for what, text in lines)
    return Incident(
        "inc-1", ENGINE_STALLED, "t", "h", Severity.CRITICAL, IncidentState.OPEN, 0.0, 0.0, 0.0,
        Entity(EntityKind.REPLICA, "a"), activity=activity,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [*CORPUS.faults.values(), *CORPUS.look_alikes.values()])
def test_every_fault_knows_what_an_honest_answer_is(kind: type[Fault]) -> None:
    if kind.benign:
        assert kind.detect_within == 0.0
        assert kind.first_cards == ()
    elif not kind.unsimulated:
        assert kind.detect_within > 0.0
        assert kind.first_cards
        assert kind.severity is not Severity.INFO


def test_the_same_seed_draws_the_same_case_and_another_seed_another() -> None:
    kind = CORPUS.named("F24")
    assert alone(kind, 5, "demo") == alone(kind, 5, "demo")
    assert alone(kind, 5, "demo") != alone(kind, 6, "demo")


def test_every_case_has_an_id_of_its_own() -> None:
    wanted = [*CORPUS.faults.values(), *CORPUS.look_alikes.values()]
    plan = [*cases(wanted, [1, 2]), *overlapping(CORPUS, [1, 2]), calm(1, 1.0), calm(2, 1.0)]
    assert len({case.id for case in plan}) == len(plan)


def test_of_two_troubles_the_second_begins_while_the_first_goes_on() -> None:
    pairs = {case.name: case for case in overlapping(CORPUS, [1])}
    assert {"F14 during B04", "F24 caused by F45", "F11 caused by F03", "F01 during F56"} <= (
        pairs.keys()
    )
    for case in pairs.values():
        first, *others = case.events
        assert all(first.after < one.after < first.after + first.fault.duration for one in others)
        assert case.one_incident is (" caused by " in case.name)
    shortage, scaling = (one.fault for one in reversed(pairs["F14 during B04"].events))
    assert shortage.pool == scaling.pool  # type: ignore[attr-defined]


def test_many_stragglers_are_on_as_many_gpus() -> None:
    for cluster, most in (("demo", 11), ("held-out", 19)):
        (case,) = (one for one in overlapping(CORPUS, [1], cluster)
                   if one.name == "F24 caused by F45")  # fmt: skip
        places = {(one.fault.pool, one.fault.ordinal, one.fault.member)  # type: ignore[attr-defined]
                  for one in case.events[1:]}  # fmt: skip
        assert len(places) == len(case.events) - 1 == most


def test_an_unknown_fault_is_named_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match=r"F99.*F01"):
        CORPUS.named("F99")


@pytest.mark.parametrize(
    ("text", "numbers"), [("3", [1, 2, 3]), ("11-13", [11, 12, 13]), ("7,9", [7, 9])]
)
def test_seeds_are_a_count_a_range_or_a_list(text: str, numbers: list[int]) -> None:
    assert seed_numbers(text) == numbers


def test_seeds_that_alternate_see_everything_once_and_each_cluster_half_of_them() -> None:
    request = Request(seeds="1000-1003", clusters="demo,held-out", calm_hours=1.0, overlaps=True)
    both, alternating = request.plan(CORPUS), replace(request, alternate=True).plan(CORPUS)
    for name, cluster in (("F01", "demo"), ("F01 during B09", "demo"), ("calm", "held-out")):
        seeds = [1000, 1002] if cluster == "demo" else [1001, 1003]
        mine = [one for one in alternating if one.name == name]
        assert [one.seed for one in mine if one.cluster == cluster] == seeds
        assert [one.seed for one in mine] == [1000, 1001, 1002, 1003]
        assert len([one for one in both if one.name == name]) == 8
    for code in ("F10", "B11"):  # on a cluster of its own, whatever the others have
        assert [one.seed for one in alternating if one.name == code] == [1000, 1001, 1002, 1003]
    assert len({one.id for one in alternating}) == len(alternating)


def test_a_replay_is_one_case_of_the_plan_hardship_included() -> None:
    assert Request(seeds="4").replayed(CORPUS, "F27 during B03").seed == 4
    one = Request(seeds="2", hardships="gap").replayed(CORPUS, "F01")
    assert one in Request("F01", seeds="2", hardships="gap").plan(CORPUS)
    assert one.trial is not None


@pytest.mark.parametrize(
    ("request_", "name", "said"),
    [
        (Request(seeds="1-3"), "F01", "a replay shows one seed"),
        (Request(hardships="server-restart"), "F01", "gap, agent-restart, late-samples"),
        (Request(hardships="gap,agent-restart"), "F01", "under one of"),
        (Request(hardships="gap"), "calm", "shows a fault"),
    ],
)
def test_what_a_replay_cannot_show_is_refused(request_: Request, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        request_.replayed(CORPUS, name)


@pytest.mark.parametrize("text", ["", "x", "5-3", "-1"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--seeds"):
        seed_numbers(text)


def test_a_case_that_is_kept_is_not_played_again(tmp_path: Path) -> None:
    first = run([CASE], folder=tmp_path)
    assert first[0]["incidents"] == []
    file = tmp_path / f"{CASE.id}.json"
    file.write_text(json.dumps({**first[0], "seconds": 7.0}), encoding="utf-8")
    assert run([CASE], folder=tmp_path)[0]["seconds"] == 7.0


@pytest.mark.timeout(60)
def test_a_drill_goes_on_when_its_workers_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "TASKS_OF_A_WORKER", 1)
    played = run([replace(CASE, seed=seed) for seed in range(6)], workers=2, how=asdict)
    assert [one["seed"] for one in played] == list(range(6))


def test_a_record_of_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / f"{CASE.id}.json").write_text('{"schema": 0}', encoding="utf-8")
    with pytest.raises(ConfigError, match="schema 0"):
        run([CASE], folder=tmp_path)


def test_the_same_case_gives_the_same_record_but_for_its_cost() -> None:
    first, second = run([CASE])[0], run([CASE])[0]
    assert {**first, "cost": 0} == {**second, "cost": 0}


def test_receivers_are_told_of_tickets_and_of_pages_and_of_nothing_else() -> None:
    assert firing(incident(("opened", ""))) == 0
    assert firing(incident(("opened", ""), ("ticketed", ""), ("joined", ""), ("paged", ""))) == 2
