"""What was done to a pod, told from two looks at it."""

from collections.abc import Iterator

from fleet import identity
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.pods import Container, Pod

KILLED = {137: "SIGKILL", 143: "SIGTERM"}
"""Exit codes of a container that a signal ended (128 + signal): the kubelet sends these after a
failed liveness probe, and does not say so in the pod's status."""
TAKEN_AWAY = {"Evicted", "Preempting", "NodeShutdown", "Terminated", "NodeAffinity", "NodeLost"}
"""Reasons of a failed pod whose node, not whose program, ended it (kubelet sources)."""
DISRUPTIONS = {
    "PreemptionByScheduler": "gives way to a pod of higher priority",
    "DeletionByTaintManager": "does not tolerate a taint of its node",
    "EvictionByEvictionAPI": "is evicted, as a drain does",
    "DeletionByPodGC": "lost its node",
    "TerminationByKubelet": "is ended by its node",
}
"""Reasons of the condition DisruptionTarget (Kubernetes' documentation of disruptions)."""


def changes_between(before: Pod | None, after: Pod, cluster: str, now: float) -> Iterator[Change]:
    """Restarts, images changed in place, evictions, preemptions, and containers that cannot start.

    Of a pod that has just appeared only what keeps it from starting is told.
    """
    pool = identity.pool(after.pool)
    if (taken := _taken(before, after)) is not None:
        yield Change(now, "node", pool, taken, after.pool, f"{after.uid}/taken")
    known = {one.name: one for one in before.containers} if before is not None else {}
    for container in after.containers:
        earlier = known.get(container.name)
        if container.waiting and not (earlier is not None and earlier.waiting):
            what = f"{after.name} {statements.CANNOT_START} {container.name}: {_stuck(container)}"
            told = f"{after.uid}/{container.name}/{container.image}/{container.waiting}"
            yield Change(now, "pending", pool, what, after.pool, told)
        if earlier is None:
            continue
        who = identity.pod_replica_id(cluster, after.namespace, after.uid, container.name)
        entity = identity.replica(who, after.name)
        if earlier.image and container.image and earlier.image != container.image:
            what = f"image {earlier.image} → {container.image}"
            yield Change(now, "rollout", entity, what, after.pool)
        if container.restarts > earlier.restarts:
            at = container.ended_at if container.ended_at is not None else now
            what = f"{after.name} restarted: {_why(container)}"
            told = f"{who}/restart {container.restarts}"
            yield Change(at, "restart", entity, what, after.pool, told)


def unstuck(before: Pod | None, after: Pod | None, now: float) -> Iterator[Change]:
    """That nothing keeps its containers from starting any more: they could, or the pod is gone."""
    if before is None or not any(one.waiting for one in before.containers):
        return
    if after is None or not any(one.waiting for one in after.containers):
        what = f"{before.name} {statements.CAN_START}"
        yield Change(now, "pending", identity.pool(before.pool), what, before.pool)


def _taken(before: Pod | None, after: Pod) -> str | None:
    """Who took it away, told at the first sign of it alone."""
    if before is None or before.disrupted or before.reason in TAKEN_AWAY:
        return None
    if after.disrupted:
        why = DISRUPTIONS.get(after.disrupted, "is taken away")
        return f"{after.name} {why} ({after.disrupted})"
    if after.reason in TAKEN_AWAY:
        why = f": {after.message}" if after.message else ""
        return f"{after.name} was taken from its node ({after.reason}{why})"
    return None


def _stuck(container: Container) -> str:
    what = f"{container.waiting} of {container.image}" if "Image" in container.waiting else ""
    said = f": {container.waiting_message}" if container.waiting_message else ""
    return f"{what or container.waiting}{said}"


def _why(container: Container) -> str:
    """How the last run of a container ended, in words."""
    code = container.exit_code
    if container.ended_because == "OOMKilled":
        return f"{container.name} ran out of memory (OOMKilled)"
    if code in KILLED:
        signal = KILLED[code]
        return f"{container.name} was killed ({signal}), as after a failed liveness probe"
    if code is None:
        return f"{container.name} ended"
    return f"{container.name} ended with exit code {code}"
