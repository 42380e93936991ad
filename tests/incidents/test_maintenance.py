"""Maintenance windows: recorded, not told; and told after all when trouble outlasts the work."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from incident_scenes import INTERVAL, NOON, Story, finding, pool_entity, stalled, tenant

from incidents.maintenance import LONGEST, Wish, covering, window_json
from store.maintenance import Window
from vocabulary import failure_modes as f
from vocabulary.errors import ConflictError, NotFound, RequestRefused
from vocabulary.failure_modes import Severity
from vocabulary.incidents import IncidentState

RECEIVER = "http://am:9093"


def told(story: Story) -> list[str]:
    return [one.key for one in story.records.outbox.due(RECEIVER, story.clock.moment + 1e6, 100)]


def wish(**scope: str) -> Wish:
    return Wish(NOON, 3600.0, "new kernel", **scope)


@pytest.fixture
def watched(make_story: Callable[..., Story]) -> Story:
    made = make_story(receivers=(RECEIVER,))
    made.world.add_pool()
    return made


def test_what_fails_during_maintenance_is_recorded_and_told_to_nobody(watched: Story) -> None:
    one = watched.world.replicas[0]
    window = watched.desk.maintenance.open(wish(pool=one.pool), "ada", NOON)
    watched.hold(900.0, lambda now: stalled(one, now))
    incident = watched.only()
    assert incident.state is IncidentState.OPEN
    assert incident.severity is Severity.WARNING
    assert told(watched) == []
    lines = [line for line in incident.activity if line.what == "page withheld"]
    assert len(lines) == 1
    assert window.id in lines[0].text
    assert "new kernel" in lines[0].text
    assert watched.records.acts("paged", 0.0) == 0


def test_trouble_that_outlasts_the_work_pages_then(watched: Story) -> None:
    one = watched.world.replicas[0]
    watched.desk.maintenance.open(replace(wish(pool=one.pool), seconds=300.0), "ada", NOON)
    watched.hold(290.0, lambda now: stalled(one, now))
    assert told(watched) == []
    watched.hold(60.0, lambda now: stalled(one, now))
    assert watched.only().severity is Severity.CRITICAL
    assert len(told(watched)) == 1


def test_trouble_that_ends_with_the_work_is_never_told(watched: Story) -> None:
    one = watched.world.replicas[0]
    watched.desk.maintenance.open(replace(wish(pool=one.pool), seconds=300.0), "ada", NOON)
    watched.hold(240.0, lambda now: stalled(one, now))
    watched.hold(1200.0)
    assert watched.only().state is IncidentState.RESOLVED
    assert told(watched) == []


def test_what_was_paged_before_the_work_began_stays_paged(watched: Story) -> None:
    one = watched.world.replicas[0]
    watched.hold(120.0, lambda now: stalled(one, now))
    assert len(told(watched)) == 1
    watched.desk.maintenance.open(wish(pool=one.pool), "ada", NOON)
    watched.hold(120.0, lambda now: stalled(one, now))
    assert watched.only().severity is Severity.CRITICAL


def test_another_pool_pages_all_the_same(watched: Story) -> None:
    one = watched.world.replicas[0]
    watched.desk.maintenance.open(wish(pool="prod/another"), "ada", NOON)
    watched.hold(120.0, lambda now: stalled(one, now))
    assert len(told(watched)) == 1


def test_windows_and_what_they_hush_outlive_a_restart(watched: Story) -> None:
    one = watched.world.replicas[0]
    watched.desk.maintenance.open(wish(pool=one.pool), "ada", NOON)
    watched.hold(60.0, lambda now: stalled(one, now))
    watched.restart()
    watched.hold(900.0, lambda now: stalled(one, now))
    assert told(watched) == []


def test_the_same_key_opens_one_window_and_the_audit_knows_who(watched: Story) -> None:
    book = watched.desk.maintenance
    first = book.open(wish(node="n1"), "ada", NOON, key="k")
    assert book.open(wish(node="n1"), "ada", NOON, key="k") == first
    assert len(book.listed(NOON)) == 1
    ended = book.end(first.id, "bob", NOON + 60.0)
    assert (ended.ends_at, ended.ended_by) == (NOON + 60.0, "bob")
    with pytest.raises(ConflictError, match="is over"):
        book.end(first.id, "bob", NOON + 61.0)
    with pytest.raises(NotFound):
        book.end("mw-none", "bob", NOON)
    whos = [(line.who, line.what) for line in watched.records.activity(first.id)]
    assert whos == [("ada", "maintenance opened"), ("bob", "maintenance ended")]
    assert watched.records.broken_link() is None


def test_a_preview_names_the_incidents_that_would_be_hushed(watched: Story) -> None:
    one = watched.world.replicas[0]
    watched.tick(stalled(one, NOON + INTERVAL))
    book = watched.desk.maintenance
    here = book.wanted(wish(pool=one.pool), "ada", NOON)
    elsewhere = book.wanted(wish(node="another"), "ada", NOON)
    assert [i.id for i in watched.desk.in_maintenance(here)] == [watched.only().id]
    assert watched.desk.in_maintenance(elsewhere) == []
    assert book.listed(NOON) == []


@pytest.mark.parametrize(
    "bad",
    [
        Wish(NOON, 3600.0, ""),
        Wish(NOON, 3600.0, "", failure_mode="gremlins"),
        Wish(NOON, LONGEST + 1.0, "", pool="p"),
        Wish(NOON, 1.0, "", pool="p"),
        Wish(NOON - 3600.0, 60.0, "", pool="p"),
    ],
)
def test_a_window_without_bounds_is_refused(story: Story, bad: Wish) -> None:
    with pytest.raises(RequestRefused):
        story.desk.maintenance.wanted(bad, "ada", NOON)


def _window(**scope: str) -> Window:
    return Window("mw", NOON, NOON + 60.0, "ada", "", **scope)


def test_a_window_covers_only_what_lies_wholly_inside() -> None:
    node = {"node/n1", "pool/a", "pool/b"}
    assert covering([_window(pool="a")], "node_down", "node/n1", node) is None
    assert covering([_window(node="n1")], "node_down", "node/n1", node) is not None
    both = _window(node="n1", failure_mode="engine_dead")
    assert covering([both], "engine_stalled", "replica/r", {"node/n1"}) is None
    assert covering([both], "engine_dead", "replica/r", {"node/n1"}) is both
    gpu = _window(entity="gpu/G")
    assert covering([gpu], "gpu_lost", "gpu/G", set()) is gpu
    assert covering([gpu], "engine_dead", "replica/r", {"gpu/G"}) is gpu
    assert covering([gpu], "engine_dead", "replica/r", {"gpu/G", "gpu/H"}) is None


def test_a_tenants_trouble_is_not_its_pools_maintenance(watched: Story) -> None:
    watched.desk.maintenance.open(wish(pool="prod/chat"), "ada", NOON)
    spender = tenant("search")
    spike = finding(f.COST_SPIKE, spender, NOON, pool="prod/chat", model="model-chat")
    watched.hold(400.0, lambda now: replace(spike, at=now))
    assert len(told(watched)) == 1


def test_a_finding_about_the_whole_pool_is_covered_with_it(watched: Story) -> None:
    watched.desk.maintenance.open(wish(pool="prod/chat"), "ada", NOON)
    burst = finding(f.ERROR_BURST, pool_entity(), NOON, pool="prod/chat")
    watched.hold(400.0, lambda now: replace(burst, at=now))
    assert told(watched) == []


def test_windows_say_how_they_stand() -> None:
    states = [window_json(_window(pool="p"), at)["state"] for at in (NOON - 1, NOON, NOON + 60)]
    assert states == ["planned", "active", "over"]
