"""What every card must be, whoever wrote it: complete, honest, harmless to read, safe to paste."""

import dataclasses
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incident_scenes import World, gpu_of, incident_about, rollout, spending

import remediations
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.entities import Entity, EntityKind, ReplicaState
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident

CARDS = discover(remediations, Remediation)

OF_THIS_ISSUE = (
    f.ENGINE_STALLED, f.ENGINE_DEAD, f.TARGET_HUNG, f.TARGETS_GONE, f.KV_EXHAUSTION,
    f.THROUGHPUT_REGRESSION, f.STRAGGLER_GPU, f.RETRY_STORM, f.COST_SPIKE, f.RUNAWAY_AGENT,
    f.ERROR_BURST,
)  # fmt: skip


def incident_of(mode: FailureMode, world: World) -> Incident:
    """An incident of *mode* as it might stand in *world*."""
    first = world.replicas[0]
    if mode.family == "cost":
        return replace(spending("acme"), failure_mode=mode)
    entities = (gpu_of(first), first.entity) if mode.family == "hardware" else (first.entity,)
    return incident_about(mode, *entities, pool=first.pool, model=first.model, changes=(rollout(),))


def proposed(card: type[Remediation], world: World) -> list[Action]:
    if f.OVER_REPLICATION in card.answers:
        world.set_state(world.replicas[0].entity, ReplicaState.IDLE)
    found = [card().propose(incident_of(mode, world), world.scene()) for mode in card.answers]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_who_it_is_and_has_a_test_of_its_own(name: str) -> None:
    card = CARDS[name]
    assert re.fullmatch(r"R\d\d", card.card)
    assert card.answers
    assert len((card.__doc__ or "").splitlines()[0]) <= 100
    assert (Path(__file__).parent / f"test_{name}.py").exists()
    assert all(one.default is not dataclasses.MISSING for one in dataclasses.fields(card))


def test_no_two_cards_have_one_number() -> None:
    assert len({card.card for card in CARDS.values()}) == len(CARDS)


@pytest.mark.parametrize("mode", OF_THIS_ISSUE, ids=str)
def test_every_failure_mode_has_a_first_step_that_is_not_to_look_away(
    mode: FailureMode, world: World
) -> None:
    offered = [
        card().propose(incident_of(mode, world), world.scene())
        for card in CARDS.values()
        if mode in card.answers and card.card != "R23"
    ]
    assert any(offered)


@pytest.mark.parametrize("name", CARDS)
def test_a_plan_leaves_nothing_open(name: str, world: World) -> None:
    actions = proposed(CARDS[name], world)
    assert actions, "it answers nothing in an ordinary world"
    for action in actions:
        texts = dataclasses.asdict(action)
        met, call, check = (texts.pop(name) for name in ("met", "call", "check"))
        assert check is not None or call is None or action.card == "R15", "it would not be checked"
        assert all(texts.values()), texts
        assert met in (True, False, None)
        assert action.autonomy in Autonomy
        assert action.id == f"inc-0123456789ab-{action.card}"
        assert all(str(text).isprintable() for text in texts.values())


@pytest.mark.parametrize("name", CARDS)
def test_the_same_scene_gives_the_same_plan(name: str, world: World) -> None:
    assert proposed(CARDS[name], world) == proposed(CARDS[name], world)


@pytest.mark.parametrize("name", CARDS)
def test_an_empty_world_breaks_no_card(name: str, world: World) -> None:
    for mode in CARDS[name].answers:
        CARDS[name]().propose(incident_of(mode, world), World().scene())


@pytest.mark.parametrize("name", CARDS)
def test_a_write_to_kubernetes_has_a_server_side_dry_run(name: str, world: World) -> None:
    for action in proposed(CARDS[name], world):
        writes = re.search(
            r"kubectl (label|delete|cordon|drain|scale|patch|rollout undo)\b", action.command
        )
        if writes:
            assert "--dry-run=server" in action.dry_run
            assert "--dry-run" not in action.command
        else:
            assert re.search(r"no dry run|reads only|would match", action.dry_run)


@pytest.mark.parametrize("name", CARDS)
def test_no_plan_names_kubectl_for_a_server_that_no_cluster_runs(
    name: str, static_world: World
) -> None:
    for action in proposed(CARDS[name], static_world):
        if action.card not in {"R09", "R10"}:
            assert "kubectl" not in action.command


@pytest.mark.parametrize("name", ["take_out_of_rotation", "restart_replica"])
def test_the_last_replica_is_not_taken_away_unseen(name: str, world: World) -> None:
    for one in world.replicas[1:]:
        world.set_state(one.entity, ReplicaState.STALLED)
    action = CARDS[name]().propose(incident_of(f.ENGINE_STALLED, world), world.scene())
    assert action is not None
    assert action.met is False
    assert "leaves 0 of 3" in action.precondition


HOSTILE = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        [
            "$(touch ./owned)", "`id`", "a;b", "a'b\"c", "--all", "-n kube-system", "x\ny",
            "\x1b[2Jx", "$IFS", "a b", "*", "../../etc/passwd", "!!", "a\\", "#", "\u202eevil",
        ]
    ),
)  # fmt: skip

STUBS = """
kubectl() { printf '%s\\n' "ARGS $#" "$@"; }; curl() { printf '%s\\n' "ARGS $#" "$@"; }
tidegauge() { printf '%s\\n' "ARGS $#" "$@"; }; sudo() { :; }; nvidia-smi() { :; }
"""


@settings(max_examples=40, deadline=None)
@given(pod=HOSTILE, node=HOSTILE, tenant=HOSTILE)
def test_no_name_can_say_anything_to_the_shell(pod: str, node: str, tenant: str) -> None:
    world = World()
    world.add_pool()
    first = world.replicas[0]
    hostile = replace(first, pod=pod, node=node)
    world.replicas[0] = hostile
    about = incident_about(f.ENGINE_STALLED, hostile.entity, Entity(EntityKind.NODE, node or "n"))
    for incident in (about, spending(tenant)):
        for card in CARDS.values():
            action = card().propose(incident, world.scene())
            if action is None or action.command.startswith("By hand"):
                continue
            _check_words(action.command, (pod, node, tenant))


def _check_words(command: str, names: tuple[str, ...]) -> None:
    """Every command parses, runs nothing but what it says, and no name became a flag."""
    assert command.isprintable()
    words = shlex.split(command.replace("$(", "( "))
    flags = {word for word in words if word.startswith("-")}
    for name in names:
        if name.startswith("-"):
            assert name not in flags


@pytest.mark.parametrize(
    "name",
    ["$(touch owned)", "`touch owned`", "a; touch owned", "x' touch owned '", "a && touch owned"],
)
def test_a_real_shell_takes_a_hostile_name_for_a_name(
    name: str, world: World, tmp_path: Path
) -> None:
    first = world.replicas[0]
    world.replicas[0] = replace(first, pod=name, node=name)
    incidents = (
        incident_about(f.ENGINE_STALLED, first.entity, changes=(rollout(),)),
        incident_about(f.STRAGGLER_GPU, gpu_of(first), first.entity),
        spending(name),
    )
    said = ""
    for incident in incidents:
        for card in CARDS.values():
            action = card().propose(incident, world.scene())
            if action is not None and not action.command.startswith("By hand"):
                script = f"{STUBS}\n{action.command}\n"
                ran = subprocess.run(
                    ["bash", "-c", script],
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=20,
                )
                assert ran.returncode in (0, 1), ran.stderr
                said += ran.stdout
    assert not (tmp_path / "owned").exists()
    assert name in said


def test_a_pod_whose_name_is_not_known_is_found_by_its_uid(world: World) -> None:
    first = world.replicas[0]
    world.replicas[0] = replace(first, pod="")
    incident = incident_about(f.ENGINE_STALLED, first.entity)
    action = CARDS["take_out_of_rotation"]().propose(incident, world.scene())
    assert action is not None
    stub = 'kubectl() { [ "$1" = get ] && echo chat-0 || printf "%s\\n" "$@"; }\n'
    ran = subprocess.run(
        ["bash", "-c", stub + action.command], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [
        "label", "pod/chat-0", "--namespace=prod", "--overwrite", "serving=quarantined",
    ]  # fmt: skip
