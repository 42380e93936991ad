"""Whatever is found in whatever order, restarted whenever: the same invariants hold."""

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from incident_scenes import (
    INTERVAL,
    Story,
    finding,
    gpu_of,
    pool_entity,
    stalled,
    tenant,
)

from vocabulary import failure_modes as f
from vocabulary.entities import ReplicaState
from vocabulary.errors import ConflictError
from vocabulary.findings import Finding
from vocabulary.incidents import Incident, IncidentState, incident_json

POOL = {"pool": "prod/chat", "model": "model-chat"}


def templates(story: Story, now: float) -> list[Finding]:
    """Everything that may be found."""
    first, second, third = story.world.replicas[:3]
    return [
        stalled(first, now),
        stalled(second, now),
        finding(f.ENGINE_DEAD, third, now),
        finding(f.GPU_LOST, gpu_of(third), now),
        finding(f.STRAGGLER_GPU, gpu_of(second), now),
        finding(f.THROUGHPUT_REGRESSION, second, now),
        finding(f.KV_EXHAUSTION, first, now),
        finding(f.ERROR_BURST, pool_entity(), now, **POOL),
        finding(f.RETRY_STORM, pool_entity(), now, **POOL),
        finding(f.COST_SPIKE, pool_entity(), now, **POOL),
        finding(f.COST_SPIKE, tenant("acme"), now, **POOL),
        finding(f.TARGETS_GONE, first, now),
    ]


step = st.tuples(
    st.sets(st.integers(0, 11), max_size=6),
    st.sampled_from([INTERVAL, INTERVAL, 120.0, 700.0, 3000.0]),
    st.sampled_from(["", "", "calm", "restart", "acknowledge", "resolve", "blind", "see"]),
)


def play(path: Path, steps: list[tuple[set[int], float, str]]) -> Story:
    story = Story(path)
    story.world.add_pool()
    for chosen, after, deed in steps:
        told = templates(story, story.clock.moment + after)
        story.tick(*(told[number] for number in sorted(chosen)), after=after)
        check(story, [told[number] for number in chosen])
        if deed == "restart":
            story.restart()
        elif deed == "calm":
            story.hold(720)
        elif deed in ("blind", "see"):
            state = ReplicaState.BLIND if deed == "blind" else ReplicaState.SERVING
            story.world.set_state(story.world.replicas[0].entity, state)
        elif deed:
            for one in story.incidents()[:2]:
                act(story, one, deed)
    return story


def act(story: Story, incident: Incident, deed: str) -> None:
    try:
        getattr(story.desk, deed)(incident.id, "ann")
    except ConflictError:
        assert incident.state is IncidentState.RESOLVED


def check(story: Story, told: list[Finding]) -> None:
    everything = {one.id: one for one in story.incidents()}
    live = [one for one in everything.values() if one.state is not IncidentState.RESOLVED]
    by_hand = [
        one
        for one in everything.values()
        if one.state is IncidentState.RESOLVED and one.activity[-1].who != "tidegauge"
    ]
    for one in told:
        if one.failure_mode is f.TARGETS_GONE:
            continue  # context goes where that goes which it is context of
        homes = [incident.id for incident in live if one.entity in incident.entities]
        excused = any(one.entity in incident.entities for incident in by_hand)
        assert homes or excused, f"{one.key} is in no incident"
    for incident in everything.values():
        assert incident.since <= incident.opened_at <= incident.updated_at
        assert (incident.resolved_at is not None) == (incident.state is IncidentState.RESOLVED)
        assert incident.causes
        assert incident.headline.isascii()
        if incident.merged_into:
            assert everything[incident.merged_into].id != incident.id
            assert not everything[incident.merged_into].merged_into or (
                everything[everything[incident.merged_into].merged_into].id != incident.id
            )
    open_keys = [
        (entry["mode"], entry["entity"]["id"])
        for incident in live
        for entry in story.records.kept(incident.id).memory["tracked"]
    ]
    assert len(open_keys) == len(set(open_keys)), "a finding is in two incidents"
    assert story.records.broken_link() is None


@settings(max_examples=25, deadline=None)
@given(st.lists(step, min_size=1, max_size=8))
def test_every_finding_is_in_exactly_one_incident_and_a_replay_tells_the_same_story(
    steps: list[tuple[set[int], float, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stories = [play(Path(folder) / f"{n}.sqlite", steps) for n in range(2)]
        told = [[incident_json(one) for one in story.incidents()] for story in stories]
        for story in stories:
            story.records.close()
    assert told[0] == told[1]


OTHERS = {"restart", "calm"}
"""A restart of its own, and time enough for the quiet period that each restart begins anew."""


@settings(max_examples=10, deadline=None)
@given(st.lists(step, min_size=2, max_size=8))
@example([({1}, 15.0, ""), (set(), 15.0, "acknowledge"), ({1}, 15.0, ""), ({11}, 15.0, "")])
def test_a_restart_at_every_step_changes_nothing(
    steps: list[tuple[set[int], float, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        deeds = [(found, INTERVAL, deed) for found, _, deed in steps if deed not in OTHERS]
        whole = play(Path(folder) / "whole.sqlite", deeds)
        often = [(found, after, deed or "restart") for found, after, deed in deeds]
        cut = play(Path(folder) / "cut.sqlite", often)
        told = [
            [(one.id, one.state, one.severity, set(one.entities)) for one in story.incidents()]
            for story in (whole, cut)
        ]
        whole.records.close()
        cut.records.close()
    assert told[0] == told[1]
