"""For what no failure mode explains: which signal on which entity moved first and most.

Signals that can carry a cause are looked at wherever the incident could have come from, over six
hours before. What moved is evidence of the incident, with how many of the past windows saw any of
the signals looked at move so far; it is no cause by itself, and is ranked as none.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from estimators.first_movers import Mover, first_movers
from fleet import identity
from incidents.evidence import LABEL_OF
from incidents.explains import SYMPTOMS
from incidents.places import Map
from incidents.tracking import Tracked
from store.promql import render_signal
from vocabulary import signals as s
from vocabulary.entities import Entity, EntityKind
from vocabulary.expressions import Signal
from vocabulary.failure_modes import COST_SPIKE
from vocabulary.incidents import EvidenceRecord
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

PAST = 6 * 3600.0
STEP = 60.0
WINDOW = 20
"""Minutes that end now: what moved before an onset which was just found lies in them."""
MOST_ROWS = 400
"""Series looked at; more cost more than they tell, and raise what chance alone would show."""
MOST = 3
"""Movers told."""
SURE = 0.05
"""Share of past windows in which something moved as far, up to which it is told."""


@dataclass(frozen=True, slots=True)
class _Lead:
    """A signal in which a cause can show, and how its movements are counted."""

    signal: Signal
    floor: float
    """Movement that nobody cares about: a share where *relative*, else in the signal's unit."""
    relative: bool = True
    falls: bool = False
    """A fall is the bad news."""


_LEADS = (
    _Lead(s.ITL_MEAN, 0.15), _Lead(s.QUEUE_MEAN, 1.0), _Lead(s.TTFT_MEAN, 0.3),
    _Lead(s.KV_USAGE, 0.15, relative=False), _Lead(s.WAITING, 5.0, relative=False),
    _Lead(s.PREEMPTION_RATE, 0.05, relative=False), _Lead(s.FAILED_RATE, 0.05, relative=False),
    _Lead(s.PREFIX_HIT_RATIO, 0.1, relative=False, falls=True),
    _Lead(s.STEP_RATE, 0.3, falls=True), _Lead(s.PROMPT_LENGTH, 0.3),
    _Lead(s.ANSWER_LENGTH, 0.3), _Lead(s.HOST_MEMORY, 0.1), _Lead(s.HOST_CPU, 0.3),
    _Lead(s.GPU_TEMPERATURE, 5.0, relative=False), _Lead(s.GPU_SM_CLOCK, 0.1, falls=True),
    _Lead(s.GPU_MEMORY_SHARE, 0.05, relative=False), _Lead(s.TENANT_OPERATION_RATE, 0.5),
    _Lead(s.GATEWAY_ATTEMPT_RATE, 0.5), _Lead(s.GATEWAY_ERROR_RATE, 0.05, relative=False),
)  # fmt: skip
"""Floors are our judgement: what a calm hour does anyway."""

_KINDS = (
    EntityKind.REPLICA, EntityKind.GPU, EntityKind.TENANT, EntityKind.NODE, EntityKind.POOL,
    EntityKind.ROUTE,
)  # fmt: skip


def unforeseen(tracked: Collection[Tracked]) -> bool:
    """Whether nothing but symptoms, and what others say, was found. Spend has its own suspects."""
    return all(one.mode in SYMPTOMS and one.mode is not COST_SPIKE for one in tracked)


def moved(tracked: Collection[Tracked], drawn: Map, scene: Scene) -> list[EvidenceRecord]:
    """What moved first and most around *tracked*; empty when nothing did beyond chance."""
    rows = list(_rows(_around(tracked, drawn), scene))[:MOST_ROWS]
    if not rows:
        return []
    values = np.array([row for _, _, row in rows])
    floors = np.array([_floor(lead) for lead, _, _ in rows])
    told: list[EvidenceRecord] = []
    for mover in first_movers(values, WINDOW, floors):
        if mover.strength >= 1.0 and mover.p_value <= SURE and len(told) < MOST:
            lead, entity, row = rows[mover.index]
            told.append(_record(lead, entity, row, mover, len(told), scene.now))
    return told


def _around(tracked: Collection[Tracked], drawn: Map) -> frozenset[str]:
    """Places the trouble can have come from; empty means everywhere."""
    places = {place for one in tracked for place in (*one.acts_on, *one.seen_at, str(one.entity))}
    for one in tracked:
        for pool in filter(None, (one.pool, one.model)):
            for replica in drawn.by_pool.get(pool, drawn.by_model.get(pool, [])):
                places.update((str(replica.entity), f"node/{replica.node}"))
                places.update(f"gpu/{uuid}" for uuid in replica.gpus)
    known = any(place.startswith(("replica/", "model/", "pool/", "node/")) for place in places)
    return frozenset(places) if known else frozenset()


def _rows(around: frozenset[str], scene: Scene) -> Iterable[tuple[_Lead, Entity, Array]]:
    for lead in _LEADS:
        frame = scene.frame(Watch(lead.signal, PAST, STEP, every=STEP))
        for labels, row in frame.rows():
            about = _about(labels)
            model = f"model/{labels.get('model', '')}"
            here = not around or str(about) in around or model in around
            if about is not None and here and np.isfinite(row[-WINDOW:]).any():
                yield lead, about, _turned(lead, row)


def _about(labels: dict[str, str]) -> Entity | None:
    """The narrowest thing that a series is about."""
    for kind in _KINDS:
        name = labels.get(LABEL_OF[kind], "")
        if name:
            return identity.replica(name) if kind is EntityKind.REPLICA else Entity(kind, name)
    return None


def _turned(lead: _Lead, row: Array) -> Array:
    """*row* so that up is bad, and in shares where movements count as shares."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.log(np.where(row > 0.0, row, np.nan)) if lead.relative else row
    return -scaled if lead.falls else scaled


def _floor(lead: _Lead) -> float:
    return float(np.log1p(lead.floor)) if lead.relative else lead.floor


def _record(
    lead: _Lead, entity: Entity, row: Array, mover: Mover, place: int, now: float
) -> EvidenceRecord:
    """What is told of one mover, in the signal's own unit."""
    sign = -1.0 if lead.falls else 1.0
    own = np.exp(sign * row) if lead.relative else sign * row
    before, newest = own[:-WINDOW], own[-WINDOW:]
    usual = float(np.nanmedian(before))
    extreme = float(np.nanmin(newest) if lead.falls else np.nanmax(newest))
    began = now - STEP * (WINDOW - 1 - mover.lag)
    order = "first" if place == 0 else "too"
    text = (
        f"moved {order}: {lead.signal.name.replace('_', ' ')} of {entity.label} went from "
        f"{usual:.4g} to {extreme:.4g}, {mover.strength:.1f} times what it usually moves; "
        f"{mover.p_value:.1%} of the hours before saw anything here move so far"
    )
    return EvidenceRecord(
        id=f"moved-{lead.signal.name}-{entity}"[:200],
        signal=lead.signal.name,
        entity=entity,
        promql=render_signal(lead.signal, {LABEL_OF[entity.kind]: entity.id}),
        start=began,
        end=now,
        observed=extreme,
        expected=usual,
        lower=None,
        upper=None,
        unit=lead.signal.unit,
        text=text[:500],
    )
