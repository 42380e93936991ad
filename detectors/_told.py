"""What the feed of changes says of pods that wait and of nodes, and whether it still holds.

Changes tell beginnings and ends in fixed words. An end may be missed while nobody watched, so that
what is seen of a pod counts too.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from vocabulary import statements
from vocabulary.entities import EntityKind, Replica, ReplicaState
from vocabulary.scene import Scene
from vocabulary.statements import Statement, statement

WORKS = frozenset({ReplicaState.IDLE, ReplicaState.SERVING, ReplicaState.SATURATED})
_PLANNED = ("ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted", "DeletionCandidateOf")
"""Taints by which autoscalers announce that they take a node away (their documentation)."""


@dataclass(frozen=True, slots=True)
class WaitingPod:
    """A pod that cannot run, and why."""

    name: str
    pool: str
    since: float
    why: str


def waiting_pods(
    scene: Scene, begins: str, ends: str, seen: Callable[[Replica], bool]
) -> dict[str, list[WaitingPod]]:
    """Pool → its pods of which *begins* was said and neither *ends* since, nor are they *seen*."""
    found: dict[tuple[str, str], WaitingPod] = {}
    for change in scene.changes:
        said = statement(change.what) if change.kind == "pending" else None
        if said is None:
            continue
        key = (change.pool, said.subject)
        if said.phrase == begins and key not in found:
            found[key] = WaitingPod(said.subject, change.pool, change.at, said.rest)
        elif said.phrase == ends:
            found.pop(key, None)
    here = {one.pod for one in scene.replicas if one.pod and seen(one)}
    by_pool: dict[str, list[WaitingPod]] = {}
    for one in found.values():
        if one.name not in here:
            by_pool.setdefault(one.pool, []).append(one)
    return by_pool


def members(scene: Scene, pool: str) -> tuple[list[Replica], list[Replica]]:
    """Every known replica of *pool*, and those that work."""
    known = [one for one in scene.replicas if one.pool == pool]
    return known, [one for one in known if one.state in WORKS]


@dataclass(frozen=True, slots=True)
class NodeLoss:
    """A node that is said to be gone, and since when."""

    name: str
    since: float
    planned: bool
    """Somebody cordoned it, or announced that it goes, before."""
    why: str


def lost_nodes(scene: Scene) -> dict[str, NodeLoss]:
    """Nodes of which the last word is that they are not ready, or that they left."""
    going: set[str] = set()
    found: dict[str, NodeLoss] = {}
    for change in scene.changes:
        if change.entity.kind is not EntityKind.NODE:
            continue
        name, said = change.entity.id, statement(change.what)
        if said is None:
            if any(f"+{taint}" in change.what for taint in _PLANNED):
                going.add(name)
        elif said.phrase == statements.CORDONED:
            going.add(name)
        elif said.phrase == statements.UNCORDONED:
            going.discard(name)
        elif said.phrase in (statements.NOT_READY, statements.LEFT):
            new = NodeLoss(name, change.at, name in going, change.what)
            found.setdefault(name, new)
        elif said.phrase in (statements.READY, statements.JOINED):
            found.pop(name, None)
    return found


def cordoned(scene: Scene, nodes: Container[str], since: float) -> bool:
    """Whether any of *nodes* was cordoned after *since*."""
    return any(
        change.at >= since
        and change.entity.kind is EntityKind.NODE
        and change.entity.id in nodes
        and (said := statement(change.what)) is not None
        and said.phrase == statements.CORDONED
        for change in scene.changes
    )


def newest_offers(scene: Scene) -> dict[str, tuple[float, Statement]]:
    """Node → since when its last word about its GPUs holds, and that word."""
    found: dict[str, tuple[float, Statement]] = {}
    for change in scene.changes:
        said = statement(change.what) if change.entity.kind is EntityKind.NODE else None
        if said is not None and said.phrase == statements.OFFERS:
            before = found.get(change.entity.id)
            same = before is not None and before[1] == said
            found[change.entity.id] = (before[0] if before and same else change.at, said)
    return found
