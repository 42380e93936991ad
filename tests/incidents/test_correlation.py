"""One cause is one page; two faults stay two, whatever the order in which they are told."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_scenes import (
    INTERVAL,
    NOON,
    Story,
    World,
    finding,
    gpu_of,
    pool_entity,
    replica,
    stalled,
    tenant,
)

from incidents.correlation import incident_id, link
from incidents.explains import BOTH_WAYS, TABLE
from incidents.intake import Cases, take_in
from incidents.places import draw
from incidents.settings import DeskSettings
from service.drill.record import incidents
from vocabulary import failure_modes as f
from vocabulary.entities import Entity, EntityKind, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.incidents import Incident, IncidentState

POOL = {"pool": "prod/chat", "model": "model-chat"}


def test_nothing_in_the_table_explains_itself_however_far_one_follows_it() -> None:
    reached = {
        cause: {
            symptom
            for symptoms in row.values()
            for symptom in symptoms
            if (cause.word, symptom.word) not in BOTH_WAYS
        }
        for cause, row in TABLE.items()
    }
    for start, near in reached.items():
        seen, ahead = set(), set(near)
        while ahead:
            mode = ahead.pop()
            assert mode != start
            seen.add(mode)
            ahead |= reached.get(mode, set()) - seen


def test_what_goes_both_ways_is_a_storm_and_what_feeds_on_each_other() -> None:
    assert {pair for pair in BOTH_WAYS if f.RETRY_STORM.word not in pair} == {
        ("latency_burn", "error_burst"),
        ("error_burst", "latency_burn"),
        ("throughput_regression", "prefill_interference"),
        ("prefill_interference", "throughput_regression"),
    }
    assert ("capacity_shortage", "retry_storm") in BOTH_WAYS


def squeezed(first: FailureMode, second: FailureMode) -> list[Finding]:
    """Two findings of one pool, the second five minutes after the first."""
    return [
        finding(first, pool_entity(), since=NOON - 500, severity=Severity.WARNING, **POOL),
        finding(second, pool_entity(), since=NOON - 200, severity=Severity.WARNING, **POOL),
    ]


@pytest.mark.parametrize("at_once", [True, False], ids=["at_once", "one_by_one"])
@pytest.mark.parametrize(
    "order",
    [(f.CAPACITY_SHORTAGE, f.RETRY_STORM), (f.RETRY_STORM, f.CAPACITY_SHORTAGE)],
    ids=["shortage_first", "storm_first"],
)
def test_of_a_shortage_and_a_storm_the_older_one_is_the_cause(
    story: Story, order: tuple[FailureMode, FailureMode], at_once: bool
) -> None:
    older, younger = squeezed(*order)
    if not at_once:
        story.tick(younger)
    story.tick(older, younger)
    incident = story.only()
    assert incident.failure_mode is order[0]
    assert [cause.failure_mode for cause in incident.causes] == list(order)


def test_a_tenant_that_takes_a_pool_explains_all_that_follows_from_it(story: Story) -> None:
    story.world.add_pool()
    shortage, storm = squeezed(f.CAPACITY_SHORTAGE, f.RETRY_STORM)
    cold = finding(f.PREFIX_CACHE_COLLAPSE, pool_entity(), severity=Severity.WARNING, **POOL)
    spend = finding(f.COST_SPIKE, tenant("acme"), severity=Severity.WARNING)
    everything = (shortage, storm, cold, spend)
    story.tick(*everything)
    hog = finding(f.TENANT_HOG, tenant("acme"), since=NOON - 400, severity=Severity.WARNING, **POOL)
    story.tick(*everything, hog)
    (standing,) = [one for one in story.incidents() if not one.merged_into]
    assert standing.failure_mode is f.TENANT_HOG
    assert standing.causes[0].failure_mode is f.TENANT_HOG


def test_a_merge_is_told_in_both_histories_and_pages_nobody_again(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(receivers=("http://am",))
    story.world.add_pool()
    burst = finding(f.ERROR_BURST, pool_entity(), **POOL)
    spend = finding(f.COST_SPIKE, pool_entity(), **POOL)
    story.hold(150.0, lambda _: burst, lambda _: spend)
    told = {one.id: paged(one) for one in story.incidents()}
    story.tick(burst, spend, finding(f.RETRY_STORM, pool_entity(), **POOL))
    assert {one.id: paged(one) for one in story.incidents()} == told
    merged = next(one for one in story.incidents() if one.merged_into)
    survivor = story.desk.get(merged.merged_into)
    assert merged.id in " ".join(line.text for line in survivor.activity if line.what == "merged")
    assert survivor.id in merged.activity[-1].text
    assert story.records.kept(survivor.id).memory["tellings"] == 2, "both were told: that is twice"
    assert sorted(told.values()) == [1, 1]
    (kept,) = incidents(story.incidents())
    assert (kept["id"], kept["firing"]) == (survivor.id, 2)


def paged(incident: Incident) -> int:
    return sum(line.what == "paged" for line in incident.activity)


def test_hot_gpus_of_many_nodes_at_once_are_one_incident(story: Story) -> None:
    nodes = [Entity(EntityKind.NODE, f"n{number}") for number in range(20)]
    hot = [
        finding(f.GPU_THROTTLING, node, since=NOON - 200 + 10 * number, severity=Severity.WARNING)
        for number, node in enumerate(nodes)
    ]
    story.tick(*hot[:5])
    story.tick(*hot)
    assert len(story.only().entities) == 20


def test_nodes_that_throttle_hours_apart_are_two_incidents(story: Story) -> None:
    early, late = (Entity(EntityKind.NODE, name) for name in ("n1", "n2"))
    before = finding(f.GPU_THROTTLING, early, since=NOON - 7200, severity=Severity.WARNING)
    story.tick(before)
    story.tick(before, finding(f.GPU_THROTTLING, late, severity=Severity.WARNING))
    assert len(story.incidents()) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(TABLE, key=lambda one: one.code)),
            st.integers(min_value=-900, max_value=0),
            st.integers(min_value=0, max_value=2),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_found_no_two_findings_explain_each_other(
    told: list[tuple[FailureMode, int, int]],
) -> None:
    world = World()
    replicas = world.add_pool()
    findings = {
        (mode, number): finding(mode, replicas[number], since=NOON + since)
        for mode, since, number in told
    }
    cases, settings = Cases(), DeskSettings()
    take_in(cases, list(findings.values()), draw(world.scene()), NOON, settings, INTERVAL)
    tracked = [one for case in cases.live.values() for one in case.tracked.values()]
    assert len(tracked) == len(findings)
    for one in tracked:
        for other in tracked:
            assert not (link(one, other, settings) and link(other, one, settings))


def test_a_stalled_replica_its_errors_queue_and_cost_are_one_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(
        stalled(first),
        finding(f.ERROR_BURST, pool_entity(), **POOL),
        finding(f.CAPACITY_SHORTAGE, pool_entity(), severity=Severity.WARNING, **POOL),
        finding(f.COST_SPIKE, pool_entity(), severity=Severity.WARNING, **POOL),
        finding(f.TARGET_HUNG, first, severity=Severity.WARNING),
    )
    incident = story.only()
    assert incident.failure_mode is f.ENGINE_STALLED
    assert incident.entity == first.entity
    assert incident.causes[0].failure_mode is f.ENGINE_STALLED
    assert (
        "Burst of errors" in " ".join(e.what + e.text for e in incident.activity)
        or len(incident.entities) == 2
    )


def test_a_straggler_and_the_slow_replica_above_it_are_one_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()
    slow = finding(f.THROUGHPUT_REGRESSION, first, severity=Severity.WARNING)
    story.tick(slow, finding(f.STRAGGLER_GPU, gpu_of(first), severity=Severity.WARNING))
    assert story.only().failure_mode is f.STRAGGLER_GPU


def test_unrelated_faults_in_one_pool_stay_two(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    story.tick(stalled(first), finding(f.STRAGGLER_GPU, gpu_of(second), severity=Severity.WARNING))
    assert {one.failure_mode for one in story.incidents()} == {f.ENGINE_STALLED, f.STRAGGLER_GPU}


def test_a_symptom_that_two_faults_could_explain_does_not_glue_them_together(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    burn = finding(f.LATENCY_BURN, pool_entity(), **POOL)
    story.tick(
        stalled(first), finding(f.STRAGGLER_GPU, gpu_of(second), severity=Severity.WARNING), burn
    )
    assert len(story.incidents()) == 2


def test_spend_of_a_tenant_is_not_blamed_on_a_stall_of_the_model_it_uses(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first), finding(f.COST_SPIKE, tenant("acme"), model="model-chat"))
    assert len(story.incidents()) == 2


@pytest.mark.parametrize(("minutes", "first"), [(-8, f.THROUGHPUT_REGRESSION), (4, None)])
def test_an_engine_that_was_slow_well_before_lets_long_prompts_hold_up_the_others(
    story: Story, minutes: int, first: FailureMode | None
) -> None:
    """Else it is the long prompts that made it slow, or two troubles of one pool."""
    story.world.add_pool()
    slow = finding(f.THROUGHPUT_REGRESSION, pool_entity(), since=NOON - 600 + 60 * minutes, **POOL)
    held = finding(f.PREFILL_INTERFERENCE, pool_entity(), since=NOON - 600, **POOL)
    story.tick(slow, held)
    assert len(story.incidents()) == (1 if first else 2)
    assert first is None or story.only().failure_mode is first


def test_siblings_that_fail_the_same_way_are_one_incident(story: Story) -> None:
    first, second, third = story.world.add_pool()
    story.tick(stalled(first), stalled(second))
    story.tick(stalled(first), stalled(second), stalled(third, story.clock.moment))
    assert set(story.only().entities) == {first.entity, second.entity, third.entity}


def test_the_cause_found_after_its_symptom_takes_the_incident_over_under_its_old_id(
    story: Story,
) -> None:
    first, *_ = story.world.add_pool()
    burst = finding(f.ERROR_BURST, pool_entity(), **POOL)
    story.tick(burst)
    before = story.only()
    story.tick(burst, stalled(first))
    after = story.only()
    assert (before.failure_mode, after.failure_mode) == (f.ERROR_BURST, f.ENGINE_STALLED)
    assert before.id == after.id


def test_two_incidents_that_turn_out_to_be_one_merge_and_the_url_points_on(story: Story) -> None:
    story.world.add_pool()
    burst = finding(f.ERROR_BURST, pool_entity(), **POOL)
    spend = finding(f.COST_SPIKE, pool_entity(), **POOL)
    story.tick(burst, spend)
    assert len(story.incidents()) == 2
    story.tick(burst, spend, finding(f.RETRY_STORM, pool_entity(), **POOL))
    survivor = next(one for one in story.incidents() if not one.merged_into)
    merged = next(one for one in story.incidents() if one.merged_into)
    assert survivor.failure_mode is f.RETRY_STORM
    assert story.desk.get(merged.id).merged_into == survivor.id
    assert merged.state is IncidentState.RESOLVED


def test_a_word_about_telemetry_is_context_of_the_engines_incident(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    gone = finding(f.TARGETS_GONE, pool_entity(), **POOL)
    story.tick(stalled(first))
    story.tick(stalled(first), gone)
    assert story.only().failure_mode is f.ENGINE_STALLED
    assert pool_entity() in story.only().entities
    assert second.entity not in story.only().entities


def test_a_broken_collector_is_one_incident_for_the_whole_fleet(story: Story) -> None:
    chat, code = story.world.add_pool("prod/chat"), story.world.add_pool("prod/code")
    story.tick(*(finding(f.TARGETS_GONE, one) for one in (*chat, *code)))
    assert len(story.only().entities) == 6


def test_a_lost_gpu_explains_the_dead_engine_on_it_and_not_its_neighbour(story: Story) -> None:
    first, second, _ = story.world.add_pool()
    story.tick(
        finding(f.GPU_LOST, gpu_of(first)),
        finding(f.ENGINE_DEAD, first),
        stalled(second),
    )
    roots = {one.failure_mode: one for one in story.incidents()}
    assert set(roots) == {f.GPU_LOST, f.ENGINE_STALLED}
    assert first.entity in roots[f.GPU_LOST].entities


def test_a_symptom_older_than_the_fault_is_not_explained_by_it(story: Story) -> None:
    first, *_ = story.world.add_pool()
    old = finding(f.ERROR_BURST, pool_entity(), since=NOON - 3600, **POOL)
    story.tick(old, stalled(first))
    assert len(story.incidents()) == 2


@pytest.mark.parametrize(("stuck", "incidents"), [(1, 2), (2, 1), (3, 1)])
def test_a_storm_needs_half_of_the_pool_gone_to_come_from_stalled_engines(
    story: Story, stuck: int, incidents: int
) -> None:
    """One of three that hangs fails every third try: tries double only where half of them fail."""
    there = story.world.add_pool()
    for one in there[:stuck]:
        story.world.set_state(one.entity, ReplicaState.STALLED)
    story.tick(*(stalled(one) for one in there[:stuck]))
    storm = finding(f.RETRY_STORM, pool_entity(), **POOL)
    story.tick(*(stalled(one) for one in there[:stuck]), storm)
    live = [one for one in story.incidents() if not one.merged_into]
    assert len(live) == incidents
    assert (f.RETRY_STORM in {one.failure_mode for one in live}) is (incidents == 2)


def test_a_shortage_that_a_stalled_engine_brings_about_still_explains_a_storm(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.set_state(first.entity, ReplicaState.STALLED)
    short = finding(f.CAPACITY_SHORTAGE, pool_entity(), since=NOON - 200, **POOL)
    storm = finding(f.RETRY_STORM, pool_entity(), since=NOON - 20, **POOL)
    story.tick(stalled(first), short, storm)
    assert story.only().failure_mode is f.ENGINE_STALLED


def test_an_unknown_node_is_no_common_ground(story: Story) -> None:
    lonely = [replica(f"prod/p{n}", 0, node="", gpus=()) for n in range(2)]
    story.world.replicas.extend(lonely)
    story.tick(*(stalled(one) for one in lonely))
    assert len(story.incidents()) == 2


@given(st.randoms(use_true_random=False))
def test_the_order_of_findings_never_matters(shuffle: random.Random) -> None:

    world = World()
    first, second, third = world.add_pool()
    told = [
        stalled(first),
        finding(f.ERROR_BURST, pool_entity(), **POOL),
        finding(f.RETRY_STORM, pool_entity(), **POOL),
        finding(f.STRAGGLER_GPU, gpu_of(second)),
        finding(f.THROUGHPUT_REGRESSION, second),
        finding(f.KV_EXHAUSTION, third),
        finding(f.COST_SPIKE, tenant("acme")),
        finding(f.TARGETS_GONE, Entity(EntityKind.TARGET, "http://x"), pool="prod/chat"),
    ]

    def ids(findings: list[Finding]) -> dict[str, list[tuple[str, str]]]:
        cases = Cases()
        take_in(cases, findings, draw(world.scene()), NOON, DeskSettings(), INTERVAL)
        return {one: sorted(case.tracked) for one, case in cases.live.items()}

    expected = ids(told)
    shuffled = list(told)
    shuffle.shuffle(shuffled)
    assert ids(shuffled) == expected


def test_ids_are_the_same_in_every_replay(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    assert story.only().id == incident_id(f.ENGINE_STALLED, first.entity, NOON - 120.0)
