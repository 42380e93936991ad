"""Open, acknowledged, mitigated, resolved; and everything that must not look like an end."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from incident_scenes import NOON, Story, finding, gpu_of, pool_entity, replica, stalled, tenant

from incidents.settings import DeskSettings
from vocabulary import failure_modes as f
from vocabulary.entities import Change, Entity, EntityKind, ReplicaState
from vocabulary.errors import ConflictError, NotFound, RequestRefused
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.incidents import IncidentState

OPEN, ACKNOWLEDGED, MITIGATED, RESOLVED = IncidentState


def test_goes_through_its_life_when_findings_stop(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    incident = story.only()
    assert incident.state is OPEN
    story.desk.acknowledge(incident.id, "ann")
    assert story.only().state is ACKNOWLEDGED
    story.hold(150)
    assert story.only().state is MITIGATED
    story.hold(600)
    over = story.only()
    assert over.state is RESOLVED
    assert over.resolved_at is not None
    whats = [line.what for line in over.activity]
    assert whats == [
        "opened", "paged", "acknowledged", "mitigated", "resolved",
    ]  # fmt: skip


def test_a_late_scrape_is_no_end(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.tick()
    story.tick()
    assert story.only().state is OPEN


def test_findings_that_return_in_the_quiet_period_go_on_with_the_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.desk.acknowledge(story.only().id, "ann")
    story.hold(200)
    story.tick(stalled(first, story.clock.moment))
    assert story.only().state is ACKNOWLEDGED


def test_a_target_that_merely_vanished_does_not_resolve_its_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.world.set_state(first.entity, ReplicaState.BLIND)
    story.hold(1800)
    assert story.only().state is OPEN
    story.world.replicas = [one for one in story.world.replicas if one.entity != first.entity]
    story.hold(1800)
    incident = story.only()
    assert incident.state is OPEN
    assert [line.what for line in incident.activity].count("blind") == 1


def test_time_in_which_nobody_looked_is_no_quiet_time(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.hold(60)
    story.tick(after=3600.0)
    assert story.only().state is OPEN
    story.hold(300)
    story.restart()
    story.hold(590)
    assert story.only().state is MITIGATED
    story.hold(60)
    assert story.only().state is RESOLVED


def test_a_pool_that_cannot_be_read_has_not_recovered(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.hold(1200, lambda now: finding(f.TARGETS_GONE, first, now))
    assert story.only().state is OPEN
    assert "blind" in [line.what for line in story.only().activity]
    story.hold(900)
    assert story.only().state is RESOLVED


def test_what_was_never_seen_to_recover_expires_and_says_so(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.world.set_state(first.entity, ReplicaState.BLIND)
    story.tick(after=60.0)
    story.tick(after=86_400.0)
    over = story.only()
    assert over.state is RESOLVED
    assert "never observed" in over.activity[-1].text


def test_a_replacement_ends_what_a_deleted_pod_began(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    successor = replica("prod/chat", 9, first_seen=story.clock.moment)
    others = [one for one in story.world.replicas if one.entity != first.entity]
    story.world.replicas = [*others, successor]
    story.hold(900)
    assert story.only().state is RESOLVED


def test_a_planned_act_on_the_pool_ends_it_too_but_a_pod_seen_to_leave_does_not(
    story: Story,
) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.world.replicas = [one for one in story.world.replicas if one.entity != first.entity]
    seen = Change(story.clock.moment, "scale", first.entity, "no longer seen", "prod/chat")
    story.world.changes.append(seen)
    story.hold(900)
    assert story.only().state is OPEN
    asked = Change(story.clock.moment, "scale", pool_entity(), "3 to 2", "prod/chat")
    story.world.changes.append(asked)
    story.hold(900)
    assert story.only().state is RESOLVED


def test_a_gpu_that_is_read_no_more_is_not_well(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(finding(f.STRAGGLER_GPU, gpu_of(first)))
    story.world.replicas = [
        replace(one, gpus=()) if one.entity == first.entity else one for one in story.world.replicas
    ]
    story.hold(1200)
    assert story.only().state is OPEN


def test_a_tenants_incident_waits_for_the_gateway_to_be_seen(story: Story) -> None:
    gateway = {"vantage": "gateway", "target": "http://gw"}
    story.world.series["target_up"] = [(gateway, [1.0] * 121)]
    story.tick(finding(f.COST_SPIKE, tenant("acme")))
    story.world.series["target_up"] = [(gateway, [1.0] * 100 + [float("nan")] * 21)]
    story.hold(1200)
    assert story.only().state is OPEN
    story.world.series["target_up"] = [(gateway, [1.0] * 121)]
    story.hold(900)
    assert story.only().state is RESOLVED


def test_the_same_fault_within_the_hour_reopens_its_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.hold(900)
    assert story.only().state is RESOLVED
    story.tick(stalled(first, story.clock.moment))
    again = story.only()
    assert again.state is OPEN
    assert again.resolved_at is None
    assert "reopened" in [line.what for line in again.activity]


def late(now: float, **more: object) -> Finding:
    """First tokens of the pool come late."""
    where = {"pool": "prod/chat", "model": "model-chat", "since": NOON, **more}
    return finding(f.LATENCY_BURN, pool_entity(), now, **where)  # type: ignore[arg-type]


def test_late_tokens_that_only_look_back_on_a_stall_do_not_keep_its_incident_open(
    story: Story,
) -> None:
    first, *_ = story.world.add_pool()
    story.hold(300, lambda now: stalled(first, now, since=NOON), late)
    story.hold(150, late)
    assert story.only().state is MITIGATED
    story.hold(240, late)
    story.hold(270)
    over = story.only()
    assert over.state is RESOLVED
    assert "no finding for 10 min" in over.activity[-1].text


def test_late_tokens_that_outlive_their_window_keep_the_incident_open(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.hold(300, lambda now: stalled(first, now, since=NOON), late)
    story.hold(450, late)
    assert story.only().state is OPEN
    story.hold(900, late)
    assert story.only().state is OPEN


@pytest.mark.parametrize("by_a_person", [True, False])
def test_late_tokens_that_look_back_on_what_is_over_do_not_bring_it_back(
    make_story: Callable[..., Story], by_a_person: bool
) -> None:
    """An incident may end while its echo goes on: by a person's word or after a short quiet."""
    story = make_story(settings=DeskSettings(quiet_seconds=60.0, manual_grace_seconds=60.0))
    first, *_ = story.world.add_pool()
    story.hold(300, lambda now: stalled(first, now, since=NOON), late)
    if by_a_person:
        story.desk.resolve(story.only().id, "ann", "restarted it")
    story.hold(390, late)
    over = story.only()
    assert over.state is RESOLVED
    assert "reopened" not in [line.what for line in over.activity]
    story.hold(120, late)
    assert story.only().state is OPEN, "what outlives its window is trouble of its own"


def test_late_tokens_first_found_when_their_cause_is_over_open_nothing(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(settings=DeskSettings(quiet_seconds=60.0))
    first, *_ = story.world.add_pool()
    story.hold(120, lambda now: stalled(first, now, since=NOON))
    story.hold(120)
    assert story.only().state is RESOLVED
    story.hold(240, late)
    assert story.only().state is RESOLVED


def test_late_tokens_join_the_new_cause_and_are_no_echo_of_the_old_one(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(settings=DeskSettings(quiet_seconds=60.0, sibling_seconds=0.0))
    first, second, _ = story.world.add_pool()
    story.hold(120, lambda now: stalled(first, now, since=NOON))
    story.hold(120)
    again = story.clock.moment
    story.hold(60, lambda now: stalled(second, now, since=again))
    story.hold(60, lambda now: stalled(second, now, since=again), late)
    newest, oldest = story.incidents()
    assert (newest.state, oldest.state) == (OPEN, RESOLVED)
    assert pool_entity() in newest.entities


def test_late_tokens_without_a_cause_are_an_incident_of_their_own(story: Story) -> None:
    story.world.add_pool()
    story.hold(1200, late)
    assert (story.only().state, story.only().severity) == (OPEN, Severity.CRITICAL)


@pytest.mark.parametrize(("cause_lasts", "pages"), [(True, True), (False, False)])
def test_late_tokens_make_a_ticket_page_while_their_cause_goes_on_and_not_as_its_echo(
    story: Story, cause_lasts: bool, pages: bool
) -> None:
    first, *_ = story.world.add_pool()

    def slow(now: float) -> Finding:
        return finding(f.LORA_THRASH, first, now, since=NOON, severity=Severity.WARNING)

    story.hold(300, slow)
    story.hold(45, slow, lambda now: late(now, severity=Severity.WARNING))
    story.hold(240, *([slow] if cause_lasts else []), late)
    assert (story.only().severity is Severity.CRITICAL) is pages


def told(story: Story) -> dict[str, int]:
    """Firing notifications of each incident, as its receivers' outbox was written."""
    return {one.id: story.records.kept(one.id).memory["tellings"] for one in story.incidents()}


def test_what_was_told_twice_comes_back_as_an_incident_of_its_own(story: Story) -> None:
    first, *_ = story.world.add_pool()
    for _ in range(3):
        story.tick(stalled(first, story.clock.moment, since=NOON - 60))
        story.hold(2400)
    newest, oldest = story.incidents()
    assert told(story) == {newest.id: 1, oldest.id: 2}
    assert f"again after {oldest.id}" in newest.activity[0].text
    assert story.records.kept(newest.id).memory["reopened"] == 2, "its quiet period goes on growing"


def test_a_ticket_waits_and_what_pages_meanwhile_is_told_once(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    slow = partial(finding, f.STRAGGLER_GPU, gpu_of(first), severity=Severity.WARNING)
    burst = partial(finding, f.ERROR_BURST, pool_entity(), pool="prod/chat", model="model-chat")
    story.hold(285, slow)
    assert list(told(story).values()) == [0]
    story.hold(30, slow)
    (line,) = [line for line in story.only().activity if line.what == "ticketed"]
    assert line.at - story.only().opened_at == 300.0
    assert list(told(story).values()) == [1]

    story.hold(60, slow, partial(burst, severity=Severity.WARNING))
    story.hold(300, slow, burst)
    whats = {one.failure_mode: [line.what for line in one.activity] for one in story.incidents()}
    assert sorted(told(story).values()) == [1, 1]
    assert "ticketed" not in whats[f.ERROR_BURST], "told as a page, and never as a ticket"
    assert "paged" in whats[f.ERROR_BURST]
    story.tick(stalled(second, story.clock.moment))
    assert "paged" in [line.what for line in story.incidents()[0].activity], "a page never waits"


def test_a_ticket_that_is_back_is_told_only_when_it_pages(story: Story) -> None:
    first, *_ = story.world.add_pool()
    ticket = partial(finding, f.STRAGGLER_GPU, first, severity=Severity.WARNING)
    story.hold(330, ticket)
    story.hold(900)
    story.tick(ticket(story.clock.moment))
    assert list(told(story).values()) == [1]
    story.tick(ticket(story.clock.moment), stalled(first, story.clock.moment))
    assert max(told(story).values()) <= 2


def test_the_same_fault_a_day_later_is_another_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.hold(900)
    story.tick(after=86_400.0)
    story.tick(stalled(first, story.clock.moment))
    assert len(story.incidents()) == 2


def test_flapping_stays_one_incident_and_pages_ever_less_often(story: Story) -> None:
    first, *_ = story.world.add_pool()
    for _ in range(16):
        story.tick(stalled(first, story.clock.moment))
        story.hold(900)
    incident = story.only()
    pages = [line.at for line in incident.activity if line.what == "paged"]
    assert 2 <= len(pages) <= 4
    gaps = [later - earlier for earlier, later in pairwise(pages)]
    assert gaps == sorted(gaps)


def test_lingering_findings_do_not_undo_what_a_person_resolved_but_a_lasting_fault_does(
    story: Story,
) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.desk.resolve(story.only().id, "ann", "restarted it")
    story.hold(120, lambda now: stalled(first, now))
    assert story.only().state is RESOLVED
    story.hold(300, lambda now: stalled(first, now))
    again = story.only()
    assert again.state is OPEN
    assert "after ann resolved it" in next(
        line.text for line in again.activity if line.what == "reopened"
    )


def test_one_key_acts_once_and_gives_the_same_answer(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    incident = story.only()
    one = story.desk.note(incident.id, "ann", "looking", idempotency_key="k")
    story.hold(30, lambda now: stalled(first, now))
    assert story.desk.note(incident.id, "ann", "looking", idempotency_key="k") == one
    assert [line.what for line in story.only().activity].count("note") == 1
    with pytest.raises(ConflictError):
        story.desk.note(incident.id, "ann", "something else", idempotency_key="k")


def test_a_person_cannot_act_on_what_is_over_or_was_never_there(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    incident = story.desk.resolve(story.only().id, "ann")
    with pytest.raises(ConflictError, match="resolved"):
        story.desk.acknowledge(incident.id, "bob")
    assert story.desk.note(incident.id, "bob", "post-mortem").activity[-1].text == "post-mortem"
    with pytest.raises(NotFound):
        story.desk.acknowledge("inc-none", "bob")


def test_assigns_and_silences_with_a_preview(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    incident = story.only()
    assert story.desk.assign(incident.id, "ann", "bob").assignee == "bob"
    preview = story.desk.preview_silence(incident.id, 600)
    assert preview.incidents == (incident.id,)
    silenced = story.desk.silence(incident.id, "ann", 600, "known")
    assert silenced.silenced_until == preview.until
    assert story.records.silences(story.clock.moment)[0].incident == incident.id
    for seconds in (0.0, -5.0, float("nan"), 1e9):
        with pytest.raises(RequestRefused):
            story.desk.silence(incident.id, "ann", seconds)


def test_an_action_that_could_not_be_kept_is_not_seen_either(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    incident = story.only()

    def refuse(*_: object, **__: object) -> None:
        raise ConflictError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(story.records), "save", refuse)
        with pytest.raises(ConflictError):
            story.desk.acknowledge(incident.id, "ann")
    story.tick(stalled(first, story.clock.moment))
    assert story.only().state is OPEN


def test_everything_goes_on_after_a_restart(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    story.tick(stalled(first))
    incident = story.desk.acknowledge(story.only().id, "ann")
    story.restart()
    assert story.only() == story.desk.get(incident.id)
    story.tick(stalled(first, story.clock.moment), stalled(second, story.clock.moment))
    again = story.only()
    assert (again.id, again.state, again.assignee) == (incident.id, ACKNOWLEDGED, "ann")
    story.hold(60)
    story.restart()
    story.hold(900)
    assert story.only().state is RESOLVED
    story.restart()
    story.tick(stalled(first, story.clock.moment))
    assert story.only().state is OPEN


def test_troubled_spans_cover_what_must_not_be_learnt_and_survive_a_restart(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    story.tick(stalled(first))
    spans = story.desk.troubled()
    assert spans[str(first.entity)] == ((NOON - 120.0, float("inf")),)
    assert spans["pool/prod/chat"] == spans["prod/chat"] == spans["model-chat"]
    assert str(second.entity) not in spans
    story.hold(900)
    story.restart()
    ended = story.desk.get(story.only().id).resolved_at
    assert story.desk.troubled()[str(first.entity)] == ((NOON - 120.0, ended),)


def test_a_tenants_loop_troubles_the_tenant_and_not_the_model(story: Story) -> None:
    story.world.add_pool()
    story.tick(finding(f.COST_SPIKE, tenant("acme"), model="model-chat"))
    assert set(story.desk.troubled()) == {"tenant/acme"}


def test_context_and_lost_telemetry_trouble_nothing(story: Story) -> None:
    first, *_ = story.world.add_pool()
    context = finding(f.CONTEXT_BLOAT, tenant("a"), severity=Severity.INFO)
    story.tick(finding(f.TARGETS_GONE, first), context)
    assert story.desk.troubled() == {}


def test_nothing_is_said_again_while_nothing_happens(story: Story) -> None:
    first, *_ = story.world.add_pool()
    assert len(story.tick(stalled(first))) == 1
    assert story.tick(stalled(first)) == []
    assert story.tick(stalled(first)) == []
    assert story.hold(60, lambda now: stalled(first, now)) != [], "figures are brought up to date"


def test_a_new_pod_name_every_minute_does_not_grow_an_incident_for_ever(story: Story) -> None:
    story.world.add_pool()
    pod = story.world.replicas[0]
    for minute in range(6):
        began = story.clock.moment
        entities = [
            Entity(EntityKind.REPLICA, f"east/prod/u{minute}-{number}/engine")
            for number in range(120)
        ]
        story.tick(
            *(finding(f.ENGINE_DEAD, replace(pod, entity=one), since=began) for one in entities)
        )
    incident = story.only()
    assert len(incident.entities) == 100
    assert len(story.records.kept(incident.id).memory["tracked"]) == 500
