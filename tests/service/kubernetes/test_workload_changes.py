"""What a rollout changed, in words; and that no value that may be a secret is ever among them."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from fake_api_server import deployment_body
from hypothesis import given
from hypothesis import strategies as st

from service.kubernetes.workload_changes import changes_between
from service.kubernetes.workload_objects import Workload, workload_of

CANARY = "c4n4ry-Value"


def workload(**more: Any) -> Workload:
    return workload_of(deployment_body(**more), "Deployment")


def words(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = list(changes_between(workload(**before), workload(**after), 5.0))
    assert all((one.at, one.pool) == (5.0, "llm/chat") for one in found)
    return [f"{one.kind}: {one.what}" for one in found]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ({"args": ["--tp", "2"]}, {"args": ["--tp=4", "--eager"]},
         "rollout: arguments of vllm: +--eager, --tp 2 → 4"),
        ({"args": ["serve", "a"]}, {"args": ["serve", "b"]},
         "rollout: arguments of vllm: word 2 a → b"),
        ({"limits": {"nvidia.com/gpu": "1"}}, {"limits": {"nvidia.com/gpu": "2"}},
         "rollout: resources of vllm: limits.nvidia.com/gpu 1 → 2"),
        ({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
         {"env": [{"name": "A", "value": "2"}, {"name": "C", "value": "1"}]},
         "rollout: environment of vllm: -B, +C, A (values not shown)"),
        ({}, {"volumes": [{"projected": {"sources": [{"configMap": {"name": "x"}}]}}]},
         "rollout: config maps named: +x"),
        ({}, {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}},
         "rollout: restart of all pods of chat asked for"),
        ({}, {"node_selector": {"gpu": "h200"}},
         "rollout: another part of the pod template of chat changed"),
        ({}, {"paused": True}, "config: rollout of chat paused"),
    ],
)  # fmt: skip
def test_each_part_is_told_in_words(
    before: dict[str, Any], after: dict[str, Any], what: str
) -> None:
    assert words(before, after) == [what]
    assert words(after, after) == []


def test_what_serves_no_model_is_none_of_our_business() -> None:
    other = {"image": "nginx:1", "limits": {}, "args": []}
    assert words(other, {**other, "replicas": 9}) == []
    labelled = deployment_body(**other, labels={"serving": "llm"})
    assert workload_of(labelled, "Deployment", ("serving=llm",)).serves
    assert workload(**{**other, "args": ["python3 -m sglang.launch_server"]}).serves


def test_one_that_begins_to_serve_is_told_as_that_alone() -> None:
    idle = {"image": "nginx:1", "limits": {}, "args": []}
    assert words(idle, {}) == ["rollout: chat begins to serve a model"]
    assert words({}, idle) == ["rollout: chat ceases to serve a model"]
    kept = asdict(workload(**idle))
    assert not any(kept[name] for name in ("images", "arguments", "environment", "template"))


def test_one_that_appears_and_one_that_goes_are_rollouts() -> None:
    (new,) = changes_between(None, workload(), 5.0)
    assert new.what == "Deployment chat was created (vllm/vllm-openai:v0.32.0)"
    (gone,) = changes_between(workload(), None, 5.0)
    assert gone.what == "Deployment chat was deleted"


@pytest.mark.parametrize(
    "args",
    [
        ["--api-key", CANARY], [f"--api-key={CANARY}"], ["--hf-token", CANARY],
        ["--config", f'{{"password": "{CANARY}"}}'], ["--db", f"postgres://u:{CANARY}@db/x"],
        [f"HF_TOKEN={CANARY}", "vllm", "serve"], ["-c", f"export X={CANARY}; vllm serve"],
        ["--header", f"Authorization: Bearer {CANARY}"], [f"X={CANARY}", "serve"],
        ["--model", f"sk-{CANARY}"], ["--thing", f"{CANARY}{'a1' * 20}"],
    ],
)  # fmt: skip
def test_an_argument_that_may_be_a_secret_never_leaves(args: list[str]) -> None:
    changed = [one.replace(CANARY, CANARY + "2") for one in args]
    found = words({"args": args}, {"args": changed})
    assert len(found) == 1
    assert "not shown" in found[0]
    everything = [found, words({"args": []}, {"args": args}), words({"args": args}, {"args": []})]
    kept = json.dumps([*everything, asdict(workload(args=args)), asdict(workload(args=changed))])
    assert CANARY not in kept


@given(
    st.text(min_size=6, max_size=40).filter(lambda text: not set(text) <= set("0123456789abcdef"))
)
def test_no_environment_value_survives(value: str) -> None:
    env = [{"name": "X", "value": value}]
    kept = json.dumps(asdict(workload(env=env, image="i", limits={}, args=[])), ensure_ascii=False)
    assert json.dumps(value, ensure_ascii=False)[1:-1] not in kept.replace('"X"', "")


def test_a_fingerprint_tells_values_apart_and_differs_between_objects() -> None:
    one, other = (
        workload_of({**body, "metadata": {**body["metadata"], "uid": uid}}, "Deployment")
        for body in [deployment_body()]
        for uid in ("a", "b")
    )
    assert one.environment != other.environment


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "containers", "template", "spec", "metadata", "env", "args",
                         "volumes", "configMap", "valueFrom", "resources", "limits", "replicas"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON, JSON)
def test_a_broken_object_is_never_a_crash(spec: Any, other: Any) -> None:
    meta = {"name": "p", "namespace": "n", "uid": "u"}
    two = [workload_of({"metadata": meta, "spec": one}, "Deployment") for one in (spec, other)]
    list(changes_between(two[0], two[1], 1.0))
    assert asdict(Workload(**json.loads(json.dumps(asdict(two[0]))))) == asdict(two[0])
