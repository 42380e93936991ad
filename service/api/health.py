"""How we are: alive, ready, our own metrics, and one status line for the console."""

from typing import Any

from fastapi import APIRouter, Response

from service.api.parameters import Wired
from service.api.wiring import Info, Wiring
from service.doors import PROBLEM_TYPE, problem
from vocabulary.errors import StoreError
from vocabulary.incidents import rfc3339
from vocabulary.signals import TARGET_UP

router = APIRouter(tags=["health"])
MISSED_TICKS = 4.0
"""Ticks that may be missing before what we say counts as stale (our judgement: one slow backend
answer is no outage, a minute of silence is)."""
LEAST_SECONDS = 10.0
"""Wall seconds that are always allowed, however fast a simulated clock runs."""


@router.get("/healthz", summary="Alive: the process answers", response_class=Response)
def healthz() -> Response:
    """Always 200."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz", summary="Ready: the pipeline judges the present", response_class=Response)
def readyz(wiring: Wired) -> Response:
    """200 when the pipeline ticked of late, else 503 with the reason."""
    reason = _not_ready(wiring.info(), wiring.clock.now())
    if reason:
        return Response(problem(503, "not_ready", reason), 503, media_type=PROBLEM_TYPE)
    return Response("ready\n", media_type="text/plain")


@router.get("/metrics", summary="Our own metrics", response_class=Response)
def metrics(wiring: Wired) -> Response:
    """Prometheus text format."""
    media_type = "text/plain; version=0.0.4; charset=utf-8"
    return Response(wiring.self_page(), headers={"content-type": media_type})


@router.get("/api/v1/status", summary="Version, freshness and how many sources answer")
def status(wiring: Wired) -> dict[str, Any]:
    """What every page of the console shows at its top."""
    info = wiring.info()
    problems = list(info.problems)
    answering, known = 0, 0
    try:
        answering, known = _sources(wiring, info)
    except StoreError as error:
        problems.append(str(error))
    return {
        "version": info.version,
        "as_of": rfc3339(info.as_of),
        "now": rfc3339(wiring.clock.now()),
        "stale": _not_ready(info, wiring.clock.now()) is not None,
        "sources": known,
        "sources_answering": answering,
        "simulated": info.simulated,
        "speed": info.speed,
        "problems": problems,
    }


def _not_ready(info: Info, now: float) -> str | None:
    if info.as_of is None:
        return "the pipeline has not judged anything yet"
    allowed = max(MISSED_TICKS * info.interval, LEAST_SECONDS * info.speed)
    behind = now - info.as_of
    if behind <= allowed:
        return None
    return f"the pipeline is {behind:.0f} s behind, and {allowed:.0f} s are allowed"


def _sources(wiring: Wiring, info: Info) -> tuple[int, int]:
    if info.as_of is None:
        return 0, 0
    frame = wiring.store.evaluate(TARGET_UP, info.as_of, info.as_of, info.interval)
    up: dict[str, bool] = {}
    for labels, row in frame.rows():
        target = labels.get("target", "")
        up[target] = up.get(target, False) or bool(row[-1] > 0.0)
    return sum(up.values()), len(up)
