"""Signals over time on a shared grid, thinned so that no spike is lost."""

import difflib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request

from service.api.parameters import Wired, entity, moment
from service.api.problems import Refused
from service.api.wiring import Wiring
from store.promql import render_signal
from vocabulary.entities import Entity, EntityKind
from vocabulary.expressions import Signal
from vocabulary.incidents import rfc3339
from vocabulary.samples import Array, Frame
from vocabulary.scene import Scene
from vocabulary.signals import BY_NAME

router = APIRouter(prefix="/api/v1", tags=["series"])
MOST_POINTS = 1500
"""Points a series has at most: more than a screen has columns."""
MOST_COLUMNS = 11_000
"""Evaluated at most, the bound Prometheus sets on a range query."""
FINE_COLUMNS = 3000
"""Evaluated when no step is asked for; then thinned to half."""
MOST_ROWS = 200
LONGEST = 400 * 86_400.0
EVALUATIONS = 4
"""Series evaluated at once; a page of the console asks for six, one after the other."""
PATIENCE_SECONDS = 5.0
"""How long the next one waits before it is told to come again."""


@router.get("/series", summary="One signal over time")
def series(
    request: Request,
    wiring: Wired,
    signal: Annotated[str, Query(description="Name of a signal.", max_length=200)],
    to: Annotated[str | None, Query(description="End; now when absent.", max_length=40)] = None,
    start: Annotated[
        str | None, Query(alias="from", description="Start; an hour before `to`.", max_length=40)
    ] = None,
    step: Annotated[
        float | None,
        Query(ge=1, le=86_400, allow_inf_nan=False, description="Seconds between points."),
    ] = None,
    entity_: Annotated[
        str | None, Query(alias="entity", description="`kind/id` to narrow to.", max_length=400)
    ] = None,
    incident: Annotated[
        str | None, Query(description="Show the bands its evidence expected.", max_length=200)
    ] = None,
) -> dict[str, Any]:
    """Shared `times`, one list of `values` a label set (null where nothing was measured)."""
    wanted = _signal(signal)
    about = entity(entity_) if entity_ else None
    first, last = _span(wiring, start, to)
    every = _step(last - first, step)
    begin = math.floor(first / every) * every
    with slot(request):
        frame = wiring.store.evaluate(wanted, begin, last, every)
    frame, match = _narrowed(frame, about, wiring.scene())
    kept, left_out = _strongest(frame)
    times, rows = thinned(kept.times, kept.values, MOST_POINTS)
    return {
        "signal": wanted.name,
        "unit": wanted.unit,
        "meaning": wanted.meaning,
        "promql": render_signal(wanted, match),
        "step": every,
        "times": [rfc3339(float(at)) for at in times],
        "series": [
            {"labels": dict(labels), "values": _numbers(row)}
            for labels, row in zip(kept.labels, rows, strict=True)
        ],
        "left_out": left_out,
        "bands": _bands(wiring, incident, wanted, about),
    }


@router.get("/signals", summary="Every signal there is")
def signals() -> dict[str, Any]:
    """Names, units, meanings and the PromQL behind each."""
    return {
        "signals": [
            {
                "name": one.name,
                "unit": one.unit,
                "meaning": one.meaning,
                "promql": render_signal(one),
            }
            for one in BY_NAME.values()
        ]
    }


def thinned(times: Array, values: Array, most: int) -> tuple[Array, Array]:
    """At most *most* columns that keep every extreme.

    Each run of columns becomes two: its lowest and its highest value, in the order in which they
    came, at the run's first and last moment.
    """
    if len(times) <= most:
        return times, values
    run = math.ceil(len(times) / (most // 2))
    moments: list[float] = []
    columns: list[Array] = []
    for begin in range(0, len(times), run):
        part = values[:, begin : begin + run]
        moments += [float(times[begin]), float(times[min(begin + run, len(times)) - 1])]
        columns += _extremes(part)
    if moments[-1] == moments[-2]:  # a run of one column at the end
        moments.pop()
        columns.pop()
    return np.array(moments), np.stack(columns, axis=1) if len(values) else values[
        :, : len(moments)
    ]


def _extremes(part: Array) -> tuple[Array, Array]:
    low = np.where(np.isnan(part), np.inf, part)
    high = np.where(np.isnan(part), -np.inf, part)
    where_low, where_high = np.argmin(low, axis=1), np.argmax(high, axis=1)
    rows = np.arange(len(part))
    least, most = part[rows, where_low], part[rows, where_high]
    falls = where_high < where_low
    return np.where(falls, most, least), np.where(falls, least, most)


@contextmanager
def slot(request: Request) -> Iterator[None]:
    """One of the few evaluations at once, so that charts cannot starve detection."""
    slots: BoundedSemaphore = request.app.state.evaluations
    if not slots.acquire(timeout=PATIENCE_SECONDS):
        raise Refused("too_many", "too many charts are being drawn; come again in a moment")
    try:
        yield
    finally:
        slots.release()


def _signal(name: str) -> Signal:
    found = BY_NAME.get(name)
    if found is None:
        near = difflib.get_close_matches(name, BY_NAME, n=5, cutoff=0.4)
        meant = f"; did you mean {', '.join(near)}?" if near else "; /api/v1/signals lists them"
        raise Refused("unknown_signal", f"there is no signal {name[:100]!r}{meant}", near=near)
    return found


def _span(wiring: Wiring, start: str | None, to: str | None) -> tuple[float, float]:
    last = moment(to, "to")
    if last is None:
        last = wiring.info().as_of or wiring.clock.now()
    first = moment(start, "from")
    if first is None:
        first = max(0.0, last - 3600.0)
    if first >= last:
        raise Refused("time", "from must lie before to")
    if last - first > LONGEST:
        raise Refused("time", f"at most {LONGEST / 86_400:.0f} days at once")
    return first, last


def _step(span: float, asked: float | None) -> float:
    if asked is None:
        return float(max(15, math.ceil(span / FINE_COLUMNS)))
    if span / asked > MOST_COLUMNS:
        least = math.ceil(span / MOST_COLUMNS)
        raise Refused("step", f"too many points; use a step of {least} s or more, or leave it out")
    return asked


_LABEL = {
    EntityKind.TENANT: "tenant",
    EntityKind.ROUTE: "model",
    EntityKind.POOL: "pool",
    EntityKind.REPLICA: "replica",
    EntityKind.GPU: "gpu",
    EntityKind.NODE: "node",
    EntityKind.TARGET: "target",
    EntityKind.CLUSTER: "cluster",
}


def _narrowed(
    frame: Frame, about: Entity | None, scene: Scene
) -> tuple[Frame, dict[str, str] | None]:
    """The rows about one entity; where the signal does not know it, about what it is part of."""
    if about is None:
        return frame, None
    matches = _matches(about, scene)
    for label, value in matches:
        found = frame.where(**{label: value})
        if found.labels:
            return found, {label: value}
    label, value = matches[0]
    return frame.where(**{label: value}), {label: value}


def _matches(about: Entity, scene: Scene) -> list[tuple[str, str]]:
    found = [(_LABEL[about.kind], about.id)]
    for one in scene.replicas:
        if about.kind is EntityKind.REPLICA and one.entity.id == about.id:
            found += [("pool", one.pool), ("model", one.model)]
        elif about.kind is EntityKind.POOL and one.pool == about.id:
            found.append(("model", one.model))
        elif about.kind is EntityKind.TARGET and one.target == about.id:
            found.append(("replica", one.entity.id))
    return list(dict.fromkeys(found))


def _strongest(frame: Frame) -> tuple[Frame, int]:
    """The rows with the highest peaks when there are more than anybody can look at."""
    spare = len(frame.labels) - MOST_ROWS
    if spare <= 0:
        return frame, 0
    peaks = np.max(np.where(np.isnan(frame.values), -np.inf, frame.values), axis=1)
    keep = sorted(np.argsort(-peaks, kind="stable")[:MOST_ROWS])
    labels = tuple(frame.labels[index] for index in keep)
    return Frame(labels, frame.times, frame.values[keep]), spare


def _numbers(row: Array) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in row]


def _bands(
    wiring: Wiring, incident_id: str | None, signal: Signal, about: Entity | None
) -> list[dict[str, Any]]:
    """What an incident's evidence on this signal expected, and when."""
    if incident_id is None:
        return []
    return [
        {
            "from": rfc3339(one.start),
            "to": rfc3339(one.end),
            "expected": one.expected,
            "lower": one.lower,
            "upper": one.upper,
            "text": one.text,
        }
        for one in wiring.desk.get(incident_id).evidence
        if one.signal == signal.name and (about is None or one.entity == about)
    ]
