"""Two looks at a node or an autoscaler, in words."""

from typing import Any

import pytest
from fake_api_server import hpa_body, node_body

from service.kubernetes import autoscalers, nodes
from service.kubernetes.autoscalers import hpa_of, scaled_object_of
from service.kubernetes.nodes import node_of

FULL = "nvidia.com/cuda.driver-version.full"
OLD = "nvidia.com/cuda.driver."


def node_words(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = nodes.changes_between(node_of(node_body(**before)), node_of(node_body(**after)), 1.0)
    return [f"{one.kind}: {one.what}" for one in found]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ({}, {"cordoned": True}, ["node: n1 cordoned"]),
        ({"cordoned": True}, {}, ["node: n1 uncordoned"]),
        ({}, {"taints": [{"key": "team", "value": "private", "effect": "NoExecute"},
                         {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
         ["node: taints of n1: +team:NoExecute"]),
        ({}, {"kubelet": "v1.34.0"}, ["node: kubelet of n1 v1.33.1 → v1.34.0"]),
        ({}, {"boot": "b2"}, ["restart: n1 rebooted"]),
        ({}, {"ready": "Unknown", "why": "NodeStatusUnknown"},
         ["health: n1 is not ready (NodeStatusUnknown)"]),
        ({}, {"allocatable": {"cpu": "64", "nvidia.com/gpu": "7"}},
         ["health: n1 offers 7 of its 8 GPUs"]),
        ({"allocatable": {"nvidia.com/gpu": "0"}}, {}, ["health: n1 offers 8 of its 8 GPUs"]),
        ({}, {"capacity": {"nvidia.com/gpu": "0"}}, []),
        ({"allocatable": {"nvidia.com/gpu": "0"}}, {"capacity": {"nvidia.com/gpu": "0"}}, []),
        ({}, {"capacity": {"nvidia.com/mig-1g.10gb": "56"}}, []),
        ({"labels": {FULL: "550.1.2"}}, {"labels": {FULL: "570.9.0"}},
         ["driver: GPU driver 550.1.2 → 570.9.0"]),
        ({"labels": {OLD + "major": "550", OLD + "minor": "1", OLD + "rev": "2"}},
         {"labels": {OLD + "major": "570", OLD + "minor": "9", OLD + "rev": "0"}},
         ["driver: GPU driver 550.1.2 → 570.9.0"]),
        ({}, {}, []),
    ],
)  # fmt: skip
def test_what_was_done_to_a_gpu_node_is_told(
    before: dict[str, Any], after: dict[str, Any], what: list[str]
) -> None:
    assert node_words(before, after) == what


def test_a_node_without_gpus_is_none_of_our_business_unless_it_loses_them() -> None:
    plain = {"capacity": {"cpu": "64"}}
    assert node_words(plain, {**plain, "cordoned": True}) == []
    assert node_words({}, {**plain, "cordoned": True}) == ["node: n1 cordoned"]


def hpa_words(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    two = (hpa_of(hpa_body(**one)) for one in (before, after))
    return [f"{one.kind}: {one.what}" for one in autoscalers.changes_between(*two, 1.0)]


def condition(kind: str, status: str, reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": reason}]}


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ({}, {"desired": 4}, ["autoscaler: HPA chat wants 2 → 4 replicas"]),
        ({}, {"most": 9}, ["config: HPA chat: 1 to 4 replicas → 1 to 9 replicas"]),
        ({}, {"metrics": [{"query": "secret"}]},
         ["config: HPA chat: what it scales on changed (not shown)"]),
        ({}, condition("ScalingActive", "False", "FailedGetExternalMetric"),
         ["autoscaler: HPA chat: ScalingActive is not well (FailedGetExternalMetric)"]),
        (condition("ScalingLimited", "True", "TooManyReplicas"), {},
         ["autoscaler: HPA chat: ScalingLimited is well again"]),
        ({}, condition("ScalingLimited", "True", "TooFewReplicas"), []),
        ({}, condition("ScalingActive", "False", "ScalingDisabled"), []),
    ],
)  # fmt: skip
def test_what_an_autoscaler_does_and_was_told(
    before: dict[str, Any], after: dict[str, Any], what: list[str]
) -> None:
    assert hpa_words(before, after) == what


def test_counts_of_an_autoscaler_are_no_planned_act_of_anybody() -> None:
    """A blind autoscaler scales in like a person would: F23 must not be excused by it."""
    two = (hpa_of(hpa_body(desired=one)) for one in (8, 1))
    (change,) = autoscalers.changes_between(*two, 1.0)
    assert change.kind not in {"scale", "rollout", "model", "config"}


def test_a_scaled_object_without_limits_has_kedas_own() -> None:
    meta = {"name": "s", "namespace": "llm", "uid": "u"}
    found = scaled_object_of({"metadata": meta, "spec": {"scaleTargetRef": {"name": "chat"}}})
    assert (found.least, found.most, found.paused, found.pool) == (0, 100, False, "llm/chat")
