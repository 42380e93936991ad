"""Autoscalers: what a HorizontalPodAutoscaler or KEDA's ScaledObject was told, and what it does.

Both are reduced to one shape. An HPA's desired count is its act; its conditions say when it acts no
more. KEDA makes an HPA of its own for each ScaledObject, which tells the counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet import identity
from service.kubernetes.json_fields import mapping, mappings, metadata, text, texts, whole
from service.kubernetes.workload_objects import fingerprint
from vocabulary.entities import Change

_PAUSED = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas")
_WATCHED = {
    "ScalingActive": "True", "AbleToScale": "True", "ScalingLimited": "False",
    "Ready": "True", "Fallback": "False",
}  # fmt: skip
"""Conditions of either kind → the status in which nothing is wrong."""
_FINE = {"TooFewReplicas", "ScalingDisabled"}
"""Reasons that are as somebody wants it: at the lower limit, and scaled to zero by hand."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One autoscaler, reduced to plain data."""

    kind: str
    namespace: str
    name: str
    target: str
    """Name of the workload it scales."""
    desired: int | None = None
    least: int | None = None
    most: int | None = None
    paused: bool = False
    metrics: str = ""
    """Fingerprint of what it scales on: targets, queries, thresholds."""
    troubles: dict[str, str] = field(default_factory=dict)
    """Condition → reason, of those that are not as they should be."""

    @property
    def pool(self) -> str:
        """Id of the pool that it scales."""
        return f"{self.namespace}/{self.target}"


def hpa_of(body: Mapping[str, Any]) -> Autoscaler:
    """A HorizontalPodAutoscaler of autoscaling/v2, or of v1, which has no conditions.

    Raises:
        ValueError: It names none.
    """
    namespace, name, _ = metadata(body)
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    what = [spec.get("metrics"), spec.get("targetCPUUtilizationPercentage"), spec.get("behavior")]
    return Autoscaler(
        "HPA",
        namespace,
        name,
        text(mapping(spec.get("scaleTargetRef")).get("name")),
        whole(status.get("desiredReplicas")),
        1 if spec.get("minReplicas") is None else whole(spec.get("minReplicas")),
        whole(spec.get("maxReplicas")),
        metrics=fingerprint(repr(what)),
        troubles=_troubles(status),
    )


def scaled_object_of(body: Mapping[str, Any]) -> Autoscaler:
    """A ScaledObject of KEDA.

    Raises:
        ValueError: It names none.
    """
    namespace, name, _ = metadata(body)
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    annotations = texts(mapping(body.get("metadata")).get("annotations"))
    return Autoscaler(
        "ScaledObject",
        namespace,
        name,
        text(mapping(spec.get("scaleTargetRef")).get("name")),
        None,
        0 if spec.get("minReplicaCount") is None else whole(spec.get("minReplicaCount")),
        100 if spec.get("maxReplicaCount") is None else whole(spec.get("maxReplicaCount")),
        paused=any(annotations.get(key, "false") != "false" for key in _PAUSED),
        metrics=fingerprint(repr([spec.get("triggers"), spec.get("fallback")])),
        troubles=_troubles(status),
    )


def changes_between(
    before: Autoscaler | None, after: Autoscaler | None, now: float
) -> Iterator[Change]:
    """What it was told and what it does. Limits are acts of people; counts and troubles are not."""
    one = after or before
    if one is None:
        return
    pool = identity.pool(one.pool)
    for kind, what in _statements(before, after):
        yield Change(now, kind, pool, f"{one.kind} {one.name}{what}", one.pool)


def _statements(before: Autoscaler | None, after: Autoscaler | None) -> Iterator[tuple[str, str]]:
    if before is None and after is not None:
        yield "config", f" was created: {_limits(after)}"
        return
    if after is None:
        yield "config", " was deleted"
        return
    assert before is not None
    if (before.least, before.most) != (after.least, after.most):
        yield "config", f": {_limits(before)} → {_limits(after)}"
    if before.metrics != after.metrics:
        yield "config", ": what it scales on changed (not shown)"
    if before.paused != after.paused:
        yield "config", " was paused" if after.paused else " was resumed"
    if before.desired != after.desired and None not in {before.desired, after.desired}:
        yield "autoscaler", f" wants {before.desired} → {after.desired} replicas"
    for condition in sorted(after.troubles.keys() - before.troubles.keys()):
        yield "autoscaler", f": {condition} is not well ({after.troubles[condition]})"
    for condition in sorted(before.troubles.keys() - after.troubles.keys()):
        yield "autoscaler", f": {condition} is well again"


def _limits(one: Autoscaler) -> str:
    return f"{one.least} to {one.most} replicas"


def _troubles(status: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for one in mappings(status.get("conditions")):
        kind, now, reason = (text(one.get(key)) for key in ("type", "status", "reason"))
        bad = now in {"True", "False"} and now != _WATCHED.get(kind, now)
        if bad and reason not in _FINE:
            found[kind] = reason
    return found
