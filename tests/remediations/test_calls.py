"""What a card would write is what its command says, and no name can point it elsewhere."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_scenes import World, gpu_of, incident_about, rollout

import remediations
from remediations import _calls
from remediations._kubernetes import Workload
from vocabulary import failure_modes as f
from vocabulary.actions import ActionClass, Goal, Verb, action_from_json, action_json
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.signals import BY_NAME

CHAT = Workload("prod", "chat-1", "uid-1", "chat")
CARDS = discover(remediations, Remediation)


def test_each_call_names_its_class_and_its_object() -> None:
    made = [
        _calls.evict_pod(CHAT),
        _calls.label_pod(CHAT, "serving", "quarantined"),
        _calls.scale(CHAT, 3, 4),
        _calls.pause_rollout(CHAT),
        _calls.undo_rollout(CHAT),
        _calls.cordon("gpu-1"),
    ]
    assert [(one and (one.group, one.verb, one.kind, one.name)) for one in made] == [
        (ActionClass.PODS, Verb.EVICT, "pods", "chat-1"),
        (ActionClass.PODS, Verb.MERGE, "pods", "chat-1"),
        (ActionClass.SCALE, Verb.MERGE, "deployments/scale", "chat"),
        (ActionClass.ROLLOUTS, Verb.MERGE, "deployments", "chat"),
        (ActionClass.ROLLOUTS, Verb.UNDO, "deployments", "chat"),
        (ActionClass.NODES, Verb.MERGE, "nodes", "gpu-1"),
    ]
    assert made[0] is not None
    assert made[0].uid == "uid-1"
    assert made[2] is not None
    assert (made[2].replicas, json.loads(made[2].patch)) == (3, {"spec": {"replicas": 4}})


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "A", "-a", "a?x=1", "a%2fb", "a\n", "ü", "a" * 300]
)
def test_what_is_no_name_in_kubernetes_makes_no_call(name: str) -> None:
    assert _calls.evict_pod(replace(CHAT, pod=name)) is None
    assert _calls.evict_pod(replace(CHAT, namespace=name)) is None
    assert _calls.scale(replace(CHAT, deployment=name), 1, 2) is None
    assert _calls.cordon(name) is None


@given(st.text(max_size=30))
def test_a_name_that_makes_a_call_has_nothing_that_a_path_could_be_made_of(name: str) -> None:
    made = _calls.cordon(name)
    assert made is None or not set(made.name) & set("/?#%\\ \n")


def test_a_label_that_kubernetes_would_not_take_makes_no_call() -> None:
    assert _calls.label_node("gpu-1", "nvidia.com/mig.config", "a b") is None
    assert _calls.label_pod(CHAT, "serving", "x" * 64) is None


def test_a_plan_comes_back_whole_from_where_it_is_kept(world: World) -> None:
    incident = incident_about(
        f.ENGINE_STALLED, world.replicas[0].entity, gpu_of(world.replicas[0]), changes=(rollout(),)
    )
    made = [card().propose(incident, world.scene()) for card in CARDS.values()]
    actions = [one for one in made if one is not None]
    assert [action_from_json(action_json(one)) for one in actions] == actions
    assert sum(one.call is not None for one in actions) >= 6
    for one in actions:
        if one.check is not None and one.check.goal is not Goal.SHOWN:
            assert one.check.signal in BY_NAME


def test_a_plan_of_an_older_version_has_no_call(world: World) -> None:
    incident = incident_about(f.ENGINE_STALLED, world.replicas[0].entity)
    action = CARDS["restart_replica"]().propose(incident, world.scene())
    assert action is not None
    old = {k: v for k, v in action_json(action).items() if k not in {"call", "check"}}
    assert action_from_json(old) == replace(action, call=None, check=None)
