"""The scorer: what belongs to a fault, what is false, and what is counted."""

from typing import Any

import pytest

from service.drill.score import Share, quiet, summary, verdicts
from service.drill.table import miss_rows, notified

START = 1_763_337_600.0
ONSET = START + 900.0


def truth(**changes: Any) -> dict[str, Any]:
    return {
        "code": "F01",
        "failure_mode": "engine_stalled",
        "benign": False,
        "entities": ["replica/a"],
        "pool": "pool/chat",
        "detect_within": 360.0,
        "duration": 600.0,
        "severity": "critical",
        "first_cards": ["R01", "R02"],
        "at": ONSET,
        "until": ONSET + 600.0,
        "began": True,
        "seen": [],
        **changes,
    }


def incident(**changes: Any) -> dict[str, Any]:
    return {
        "id": "inc-1",
        "code": "F01",
        "severity": "critical",
        "opened_at": ONSET + 75.0,
        "since": ONSET,
        "resolved_at": None,
        "pool": "pool/chat",
        "entities": ["replica/a"],
        "causes": [{"code": "F01", "entity": "replica/a"}],
        "cards": ["R02"],
        "title": "Engine stalled",
        "firing": 1,
        **changes,
    }


def record(*truths: dict[str, Any], incidents: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "case": "F01",
        "cluster": "demo",
        "seed": 1,
        "start": START,
        "seconds": 3600.0,
        "truths": list(truths),
        "incidents": incidents,
        "cost": {"cpu_seconds": 1.0, "wall_seconds": 1.0, "peak_mib": 100},
        **more,
    }


def test_a_fault_named_in_time_at_the_right_place_scores_everything() -> None:
    one = incident()
    (verdict,) = verdicts(record(truth(seen=[one]), incidents=[one]))
    assert (verdict.found, verdict.rank, verdict.entity, verdict.card) == (True, 1, True, True)
    assert (verdict.delay, verdict.firing, verdict.apart) == (75.0, 1, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"entities": ["replica/b"], "pool": "pool/code"},
        {"opened_at": ONSET - 90.0},
        {"opened_at": ONSET + 600.0 + 1801.0},
    ],
    ids=["elsewhere", "before onset", "long after"],
)
def test_an_incident_elsewhere_or_at_another_time_finds_nothing_and_is_false(
    changes: dict[str, Any],
) -> None:
    one = incident(**changes)
    played = record(truth(seen=[one]), incidents=[one])
    (verdict,) = verdicts(played)
    assert not verdict.found
    assert quiet(played).pages == 1


def test_an_incident_too_late_for_the_deadline_is_a_miss_and_no_false_page() -> None:
    played = record(truth(seen=[]), incidents=[incident(opened_at=ONSET + 500.0)])
    (verdict,) = verdicts(played)
    assert not verdict.found
    assert verdict.rank == 0
    assert quiet(played).pages == 0


def test_the_rank_is_the_place_among_the_first_three_causes() -> None:
    causes = [{"code": code, "entity": "replica/a"} for code in ("F15", "F01", "F14")]
    one = incident(code="F15", causes=causes)
    (verdict,) = verdicts(record(truth(seen=[one]), incidents=[one]))
    assert verdict.rank == 2


def test_of_several_incidents_the_one_that_names_it_counts_and_all_are_told() -> None:
    first = incident(id="inc-0", code="Y02", causes=[], opened_at=ONSET + 30.0, firing=2)
    second = incident()
    (verdict,) = verdicts(record(truth(seen=[first, second]), incidents=[first, second]))
    assert verdict.rank == 1
    assert verdict.firing == 3


def test_notifications_are_counted_by_incident_too_and_context_does_not_thin_them_out() -> None:
    told = [incident(id="inc-1", firing=2), incident(id="inc-2"), incident(id="inc-3", firing=0)]
    score = summary([record(truth(seen=told), incidents=told)])
    assert score["notified"] == {"told": 2, "mean": 1.5, "most": 2}
    assert notified(score) == "2 incidents were told: 1.50 times on average, 2 times at most."
    assert notified(summary([record(incidents=[])])) == ""


def test_two_faults_found_through_one_incident_are_not_told_apart() -> None:
    one = incident()
    other = truth(code="F24", seen=[one])
    both = verdicts(record(truth(seen=[one]), other, incidents=[one]))
    assert [verdict.apart for verdict in both] == [False, False]


def test_benign_events_and_faults_that_never_began_ask_for_nothing() -> None:
    played = record(truth(benign=True), truth(began=False), incidents=[])
    assert verdicts(played) == []
    assert quiet(played).hours == pytest.approx(1.0)


def test_calm_hours_are_those_in_which_no_fault_could_be_seen() -> None:
    played = record(truth(until=ONSET + 300.0), incidents=[])
    assert quiet(played).hours == pytest.approx((3600.0 - 2100.0) / 3600.0)


def test_tickets_and_pages_without_a_reason_are_counted_apart() -> None:
    false = [incident(severity="warning"), incident(id="inc-2")]
    calm = quiet(record(incidents=false, case="B03"))
    assert (calm.pages, calm.tickets) == (1, 1)


def test_the_summary_puts_the_worst_fault_first_and_lists_misses() -> None:
    good = incident()
    missed = record(truth(code="F24", seen=[]), incidents=[], case="F24", seed=4)
    score = summary([record(truth(seen=[good]), incidents=[good]), missed])
    assert [row["code"] for row in score["faults"]] == ["F24", "F01"]
    assert score["all"]["found"]["hits"] == 1
    assert [(miss["code"], miss["seed"]) for miss in score["misses"]] == [("F24", 4)]
    assert score["precision"]["critical"]["value"] == 1.0


def test_a_share_knows_how_sure_it_is() -> None:
    share = Share.counted([True] * 30)
    assert share.value == 1.0
    assert share.low == pytest.approx(0.8865, abs=1e-3)  # Wilson, 30 of 30
    assert Share.counted([]).value is None


def late(*minutes: float) -> dict[str, Any]:
    """The score of one fault that was found so many minutes after its onset, run by run."""
    seen = [incident(opened_at=ONSET + 60.0 * one) for one in minutes]
    return summary([record(truth(seen=[one]), incidents=[one]) for one in seen])


def test_a_median_delay_has_an_interval_from_six_runs_on() -> None:
    few = late(1.0, 2.0, 3.0, 4.0, 5.0)["all"]["delay_seconds"]
    assert few == {"median": 180.0, "low": None, "high": None, "worst": 300.0}
    # P(all six on one side of the median) = 2 / 64 < 0.05; the next pair of ranks is too narrow
    more = late(1.0, 2.0, 3.0, 4.0, 5.0, 9.0)["all"]["delay_seconds"]
    assert more == {"median": 210.0, "low": 60.0, "high": 540.0, "worst": 540.0}


def test_precision_is_told_by_severity_and_by_class() -> None:
    real, false = incident(), incident(id="inc-2", opened_at=START, code="Y01")
    score = summary([record(truth(seen=[real]), incidents=[real, false])])
    assert score["precision"]["critical"]["hits"] == 1
    assert score["precision_by_class"]["cost"]["value"] == 0.0
    assert sum(one["of"] for one in score["precision_by_class"].values()) == 2


def test_no_false_page_still_bounds_the_rate() -> None:
    score = summary([record(incidents=[], case="calm", seconds=100 * 3600.0)])
    assert score["calm"]["pages"]["per_hour"] == 0.0
    assert score["calm"]["pages"]["at_most"] == pytest.approx(2.996 / 100.0, abs=1e-4)


def test_what_another_trouble_causes_is_right_under_its_cause_and_in_one_incident() -> None:
    cause = truth(code="F03", seen=[incident(causes=[{"code": "F03", "entity": "pool/chat"}])])
    storm = truth(code="F11", at=ONSET + 60.0, seen=cause["seen"])
    told = record(cause, storm, incidents=cause["seen"], one_incident=True)
    assert [(one.rank, one.apart) for one in verdicts(told)] == [(1, True), (1, True)]
    assert [(one.rank, one.apart) for one in verdicts({**told, "one_incident": False})] == [
        (1, False), (0, False),
    ]  # fmt: skip
    other = incident(id="inc-2", code="F11", causes=[{"code": "F11", "entity": "pool/chat"}])
    split = truth(code="F11", at=ONSET + 60.0, seen=[other])
    two = record(cause, split, incidents=[*cause["seen"], other], one_incident=True)
    assert [(one.rank, one.apart) for one in verdicts(two)] == [(1, False), (1, False)]


def test_a_miss_says_how_to_see_it_again_also_when_it_comes_from_a_file() -> None:
    missed = record(truth(seen=[]), incidents=[], case="lost node", seed=4)
    [row] = miss_rows(summary([missed]), {"lost node": "my.yaml"})
    assert row[-1] == "tidegauge drill --scenario my.yaml --seeds 4 --replay 'lost node'"
