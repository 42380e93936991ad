"""Of all cards the first is the one that a seasoned engineer would take."""

from dataclasses import replace

import pytest
from incident_scenes import World, gpu_of, incident_about, rollout, spending

import remediations
import simulator.faults
from incidents.cards import Cards
from simulator.fault import Fault
from vocabulary import failure_modes as f
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.entities import Entity, EntityKind, ReplicaState
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Cause, Incident

FAULTS = {
    one.failure_mode: one.first_cards
    for one in discover(simulator.faults, Fault).values()  # type: ignore[type-abstract]
    if one.first_cards
}
CARDS = Cards(
    [card() for card in discover(remediations, Remediation).values()]  # type: ignore[type-abstract]
)

OURS = {
    f.PROVIDER_ERRORS: "R19", f.GRAMMAR_STALL: "R05", f.SLOW_COLD_START: "R04",
    f.AUTOSCALER_STUCK: "R16", f.LEAKED_KEY: "R07", f.CONTEXT_BLOAT: "R06",
    f.PROMPT_CACHE_MISS: "R18", f.SPEND_DATA_WRONG: "R25", f.OVER_REPLICATION: "R21",
    f.GPU_RECOVERY_NEEDED: "R09", f.POD_PENDING: "R04", f.DEVICE_PLUGIN_BROKEN: "R14",
    f.CONTAINER_LOST_GPU: "R02", f.PULL_FAILURE: "R16", f.MASS_NODE_LOSS: "R19",
    f.TARGETS_GONE: "R22", f.METRIC_RENAMED: "R22", f.PIPELINE_DROPS: "R22",
    f.STICKY_GPU_TELEMETRY: "R14", f.CUDA_OOM: "R06", f.HOST_MEMORY_LEAK: "R02",
    f.ORPHANED_GPU_MEMORY: "R09",
}  # fmt: skip
"""The first card where the simulator has no such fault yet, or says nothing of it."""


def incident_of(mode: FailureMode, world: World) -> Incident:
    """An incident of *mode* with the entities that its detector names."""
    first = world.replicas[0]
    if mode.family == "cost" and mode not in {f.OVER_REPLICATION, f.IDLE_GPU}:
        cost = replace(spending("acme"), failure_mode=mode, pool=first.pool, model=first.model)
        return cost.evolve(causes=(Cause(mode, cost.entity, 0.8, "because"),))
    node = Entity(EntityKind.NODE, first.node)
    entities = (gpu_of(first), first.entity) if mode.family == "hardware" else (first.entity, node)
    return incident_about(mode, *entities, pool=first.pool, model=first.model)


def _idle(world: World) -> None:
    """The first replica has had nothing to do for two days."""
    idle = replace(world.replicas[0], state=ReplicaState.IDLE, since=world.now - 2 * 86400.0)
    world.replicas[0] = idle


@pytest.mark.parametrize("mode", sorted(FAULTS, key=lambda one: one.code), ids=str)
def test_the_first_card_is_one_that_an_engineer_would_take(mode: FailureMode, world: World) -> None:
    if mode in {f.OVER_REPLICATION, f.IDLE_GPU}:
        _idle(world)
    incident = incident_of(mode, world)
    if mode in {f.THROUGHPUT_REGRESSION, f.STREAMS_CUT}:
        incident = incident.evolve(changes=(rollout(),))
    assert CARDS.offered(incident, world.scene())[0].card in FAULTS[mode]


@pytest.mark.parametrize("mode", sorted(OURS, key=lambda one: one.code), ids=str)
def test_what_is_not_simulated_has_its_first_card_too(mode: FailureMode, world: World) -> None:
    if mode is f.OVER_REPLICATION:
        _idle(world)
    assert CARDS.offered(incident_of(mode, world), world.scene())[0].card == OURS[mode]


def test_nobody_reboots_a_node_that_is_hot(world: World) -> None:
    offered = CARDS.offered(incident_of(f.GPU_THROTTLING, world), world.scene())
    assert not {"R11", "R12"} & {one.card for one in offered}


def test_what_cannot_be_done_stands_behind_what_can(world: World) -> None:
    for one in world.replicas[1:]:
        world.set_state(one.entity, ReplicaState.STALLED)
    offered = CARDS.offered(incident_of(f.STRAGGLER_GPU, world), world.scene())
    met = [one.met is not False for one in offered if one.card != "R23"]
    assert met == sorted(met, reverse=True)
    assert offered[-1].card == "R23"


def test_the_cause_decides_and_the_name_of_the_incident_only_adds(world: World) -> None:
    incident = incident_of(f.CAPACITY_SHORTAGE, world)
    hog = incident.evolve(
        causes=(Cause(f.TENANT_HOG, Entity(EntityKind.TENANT, "acme"), 0.8, "because"),)
    )
    assert CARDS.offered(incident, world.scene())[0].card == "R04"
    cards = [one.card for one in CARDS.offered(hog, world.scene())]
    assert cards[0] == "R05"
    assert "R04" in cards
