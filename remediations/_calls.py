"""Commands as the one write to the Kubernetes API that each amounts to. Nothing here makes it.

A name that Kubernetes could not have given is no name: the card then has no call, and only a
person can carry it out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from remediations._kubernetes import Workload
from vocabulary.actions import ActionClass, Call, Verb

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""RFC 1123 subdomain: names of pods, nodes, namespaces and Deployments."""
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
"""Value of a label."""


def evict_pod(known: Workload) -> Call | None:
    """End one pod within its disruption budget; its controller starts another."""
    return _call(ActionClass.PODS, Verb.EVICT, "pods", known.pod, known.namespace, uid=known.uid)


def label_pod(known: Workload, label: str, value: str) -> Call | None:
    """Set one label of a pod."""
    patch = _labels(label, value)
    if patch is None:
        return None
    group, verb = ActionClass.PODS, Verb.MERGE
    return _call(group, verb, "pods", known.pod, known.namespace, patch, known.uid)


def scale(known: Workload, now: int, wanted: int) -> Call | None:
    """Set the replicas of a Deployment that has *now*."""
    return _call(
        ActionClass.SCALE,
        Verb.MERGE,
        "deployments/scale",
        known.deployment,
        known.namespace,
        {"spec": {"replicas": wanted}},
        replicas=now,
    )


def pause_rollout(known: Workload) -> Call | None:
    """Start no more pods of the new revision."""
    return _deployment(known, Verb.MERGE, {"spec": {"paused": True}})


def undo_rollout(known: Workload) -> Call | None:
    """Go back to the former revision."""
    return _deployment(known, Verb.UNDO, None)


def patch_deployment(known: Workload, operations: Sequence[Mapping[str, Any]]) -> Call | None:
    """Change what a Deployment runs, by a JSON patch."""
    return _deployment(known, Verb.PATCH, operations)


def patch_autoscaler(known: Workload, patch: Mapping[str, Any]) -> Call | None:
    """Change the HorizontalPodAutoscaler that bears the Deployment's name."""
    group, kind = ActionClass.AUTOSCALERS, "horizontalpodautoscalers"
    return _call(group, Verb.MERGE, kind, known.deployment, known.namespace, patch)


def cordon(node: str) -> Call | None:
    """Place no more pods on a node."""
    patch = {"spec": {"unschedulable": True}}
    return _call(ActionClass.NODES, Verb.MERGE, "nodes", node, patch=patch)


def label_node(node: str, label: str, value: str) -> Call | None:
    """Set one label of a node."""
    patch = _labels(label, value)
    if patch is None:
        return None
    return _call(ActionClass.NODES, Verb.MERGE, "nodes", node, patch=patch)


def _labels(label: str, value: str) -> dict[str, Any] | None:
    return {"metadata": {"labels": {label: value}}} if _LABEL.fullmatch(value) else None


def _deployment(known: Workload, verb: Verb, patch: Any) -> Call | None:
    group, kind = ActionClass.ROLLOUTS, "deployments"
    return _call(group, verb, kind, known.deployment, known.namespace, patch)


def _call(
    group: ActionClass,
    verb: Verb,
    kind: str,
    name: str,
    namespace: str = "",
    patch: Any = None,
    uid: str = "",
    replicas: int | None = None,
) -> Call | None:
    """The call, or None where a name is none."""
    somewhere = kind == "nodes" or _NAME.fullmatch(namespace)
    if not somewhere or not _NAME.fullmatch(name):
        return None
    text = "" if patch is None else json.dumps(patch, sort_keys=True)
    return Call(group, verb, kind, name, namespace, text, uid, replicas)
