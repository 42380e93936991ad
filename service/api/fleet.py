"""The fleet now: topology, replicas, GPUs, and what was changed."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from incidents.change_verdicts import subject_of
from service.api.parameters import Wired, moment
from service.api.topology import gpu_json, graph, replica_json
from service.api.wiring import Wiring
from vocabulary.entities import Change, EntityKind, ReplicaState
from vocabulary.incidents import Incident, IncidentState, entity_json, rfc3339
from vocabulary.signals import TENANT_OPERATION_RATE

router = APIRouter(prefix="/api/v1", tags=["fleet"])
MOST_VERDICTS = 25
"""Changes of one answer that are judged, the newest, and as many acts of scaling: each costs a
dozen evaluated signals."""


@router.get("/topology", summary="Who asks, what serves, on which hardware")
def topology(wiring: Wired) -> dict[str, Any]:
    """`nodes` with state and counts, `edges` from tenants to pools, replicas, GPUs and nodes."""
    scene = wiring.scene()
    drawn = graph(scene.replicas, scene.gpus, _callers(wiring, scene.now), _unresolved(wiring))
    return {"as_of": rfc3339(scene.now), **drawn}


@router.get("/replicas", summary="Every replica and what it is doing")
def replicas(
    wiring: Wired,
    pool: Annotated[str | None, Query(max_length=400, description="Only of this pool.")] = None,
    state: Annotated[ReplicaState | None, Query(description="Only in this state.")] = None,
) -> dict[str, Any]:
    """As the pipeline saw them at its last tick."""
    scene = wiring.scene()
    found = [
        replica_json(one)
        for one in scene.replicas
        if pool in {None, one.pool} and state in {None, one.state}
    ]
    return {"as_of": rfc3339(scene.now), "replicas": found}


@router.get("/gpus", summary="Every GPU and who uses it")
def gpus(
    wiring: Wired,
    node: Annotated[str | None, Query(max_length=400, description="Only of this node.")] = None,
) -> dict[str, Any]:
    """As the pipeline saw them at its last tick."""
    scene = wiring.scene()
    found = [gpu_json(one) for one in scene.gpus if node in {None, one.node}]
    return {"as_of": rfc3339(scene.now), "gpus": found}


@router.get("/changes", summary="What was changed")
def changes(
    wiring: Wired,
    start: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    to: Annotated[str | None, Query(max_length=40)] = None,
    kind: Annotated[
        str | None, Query(max_length=200, description="Only of these kinds, by commas.")
    ] = None,
    pool: Annotated[
        str | None, Query(max_length=600, description="Only of this pool and its replicas.")
    ] = None,
    entity: Annotated[
        str | None, Query(max_length=600, description="Only of this one: `node/n1`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """The newest first; the pipeline remembers a day.

    `verdict` says of the newest rollouts, configurations and acts on nodes what they did to their
    pools at equal load, and of scaling whether it helped and what a token costs since: better,
    worse, no_difference or cannot_tell_yet. It is null for what is no question.
    """
    first, last = moment(start, "from"), moment(to, "to")
    kinds = frozenset(kind.split(",")) if kind else None
    found = [
        one
        for one in reversed(wiring.scene().changes)
        if (first is None or one.at >= first)
        and (last is None or one.at < last)
        and (kinds is None or one.kind in kinds)
        and pool in {None, one.pool, one.entity.id if one.entity.kind is EntityKind.POOL else ""}
        and entity in {None, str(one.entity)}
    ]
    return {"changes": told_changes(wiring, found[:limit])}


def told_changes(wiring: Wiring, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """*changes*, of which the first few that are a question come with their verdict."""
    subjects = [(one, subject_of(one)) for one in changes]
    scaling = [one for one, subject in subjects if subject and subject.about == "scaling"]
    others = [one for one, subject in subjects if subject and subject.about != "scaling"]
    # an autoscaler acts so often that no rollout would be left among the newest
    judged = (*scaling[:MOST_VERDICTS], *others[:MOST_VERDICTS])
    known = {id(one): wiring.verdict(one) for one in judged}
    return [
        {
            "at": rfc3339(one.at),
            "kind": one.kind,
            "entity": entity_json(one.entity),
            "what": one.what,
            "pool": one.pool,
            "verdict": known.get(id(one)),
        }
        for one in changes
    ]


def _callers(wiring: Wiring, now: float) -> list[tuple[str, str, float]]:
    frame = wiring.store.evaluate(TENANT_OPERATION_RATE, now, now, 60.0)
    return [
        (labels["tenant"], labels.get("model", ""), float(row[-1]))
        for labels, row in frame.rows()
        if labels.get("tenant") and row[-1] > 0.0
    ]


def _unresolved(wiring: Wiring) -> list[Incident]:
    page, _ = wiring.desk.list(None, None, wiring.scene().now, None, 500, None)
    return [one for one in page if one.state is not IncidentState.RESOLVED]
