"""What callers changed near the onset: who calls, how much, and with how long prompts.

Nobody announces these changes; they are read from the calls. A tenant that came to have much more
of a model's tokens, calls that came to be many more, or prompts that came to be much longer are
changes as a rollout is one, dated by when they began.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from estimators.onset import Flags
from incidents.change_fit import TRAFFIC, may_shift
from incidents.readings import Readings
from incidents.settings import DeskSettings
from incidents.tracking import Tracked
from vocabulary import signals as s
from vocabulary.entities import Entity, EntityKind
from vocabulary.incidents import NearbyChange
from vocabulary.samples import Array

BEGUN = 0.15
"""Share of a shift that must be there for it to have begun; our judgement, above what scatters."""
SHARE = 0.2
"""Of a model's tokens, by how much a tenant's part must grow: more than the hour of the day moves
it; our judgement, as for hogs."""
MORE = 1.5
"""Calls, own tokens or tokens a call since, over before; our judgement."""
USUAL = 3600.0
"""Seconds before that tell what is usual: longer, and the hour of the day moves it."""
LEAST_MINUTES = 20
"""Minutes before that must be known."""
ONE_SHIFT = 600.0
"""Shifts dated so near each other are one: who makes it also makes the calls more."""
WATCHED = 3600.0
"""Seconds from the onset on in which shifts are looked for: what looks back on a quarter of an hour
is there by then."""


def shifts(
    tracked: Sequence[Tracked], since: float, readings: Readings, settings: DeskSettings
) -> list[NearbyChange]:
    """Shifts of the traffic at the models of *tracked*, near the onset *since*.

    None where what was found cannot come of traffic, and none in a storm of incidents.
    """
    if readings.traffic_left <= 0 or not any(may_shift(one.mode) for one in tracked):
        return []
    readings.traffic_left -= 1
    models = frozenset(
        name for one in tracked for name in (one.model, one.pool, one.pool.rpartition("/")[2])
    ) - {""}
    if not models:
        return []
    times, calls = readings.parts((s.TENANT_CALL_RATE,), "tenant", models)
    _, prompts = readings.parts((s.TENANT_INPUT_RATE,), "tenant", models)
    _, answers = readings.parts((s.TENANT_OUTPUT_RATE,), "tenant", models)
    ended = since - settings.change_before_seconds / 2.0
    before = (times < ended) & (times >= ended - USUAL)
    before &= _sum(calls.values(), len(times)) > 0.0
    if int(before.sum()) < LEAST_MINUTES:
        return []
    where = _where(tracked)
    tokens = {
        name: prompts.get(name, np.zeros(len(times))) + answers.get(name, np.zeros(len(times)))
        for name in {*prompts, *answers}
    }
    seen = [*_tenants(tokens, before, where), *_whole(calls, prompts, before, where)]
    told: list[NearbyChange] = []
    for entity, what, row in seen:
        at = _dated(times, row, before)
        if told and abs(at - told[0].at) <= ONE_SHIFT:
            at = told[0].at
        offset = at - since
        if -settings.change_before_seconds <= offset <= settings.change_after_seconds:
            told.append(NearbyChange(at, TRAFFIC, entity, what, offset))
    return told


def near(
    known: Iterable[NearbyChange],
    tracked: Sequence[Tracked],
    since: float,
    readings: Readings,
    settings: DeskSettings,
) -> list[NearbyChange]:
    """Shifts near the onset as they show now; later on, and in a storm, those *known* already."""
    old = [one for one in known if one.kind == TRAFFIC]
    if readings.scene.now - since > WATCHED:
        return old
    return shifts(tracked, since, readings, settings) or old


_Shift = tuple[Entity, str, Array]
"""Who, what in words, and the course that shifted."""


def _tenants(tokens: dict[str, Array], before: Flags, where: Entity) -> Iterator[_Shift]:
    """Tenants that came to have much more of it, and more than they used to have."""
    whole = _sum(tokens.values(), len(before))
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, row in sorted(tokens.items()):
            parts = np.where(whole > 0.0, row / whole, 0.0)
            old, new = _levels(parts, before)
            own, now = _levels(row, before)
            if new - old >= SHARE and now >= MORE * own:
                entity = Entity(EntityKind.TENANT, name)
                yield entity, f"{name} {old:.0%} → {new:.0%} of the tokens of {where.label}", parts


def _whole(
    calls: dict[str, Array], prompts: dict[str, Array], before: Flags, where: Entity
) -> Iterator[_Shift]:
    """Many more calls, and much longer prompts, of everybody together."""
    rate = _sum(calls.values(), len(before))
    old, new = _levels(rate, before)
    if old > 0.0 and new >= MORE * old:
        yield where, f"calls of {where.label} {old:.3g} → {new:.3g} a second", rate
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.where(rate > 0.0, _sum(prompts.values(), len(before)) / rate, 0.0)
    old, new = _levels(each, before)
    if old > 0.0 and new >= MORE * old:
        yield where, f"prompts of {where.label} {old:,.0f} → {new:,.0f} tokens a call", each


def _sum(rows: Iterable[Array], length: int) -> Array:
    total: Array = np.zeros(length)
    for row in rows:
        total = total + row
    return total


def _levels(row: Array, before: Flags) -> tuple[float, float]:
    """Median before, and of the newest five minutes."""
    return float(np.median(row[before])), float(np.median(row[-5:]))


def _dated(times: Array, row: Array, before: Flags) -> float:
    """When it was last near what it used to be: windows begin to see a shift at once."""
    old, new = _levels(row, before)
    still = np.flatnonzero(row < old + BEGUN * (new - old))
    return float(times[still[-1]]) if still.size else float(times[0])


def _where(tracked: Sequence[Tracked]) -> Entity:
    """The model, or the pool, that is called."""
    model = next((one.model for one in tracked if one.model), "")
    if model:
        return Entity(EntityKind.ROUTE, model)
    return Entity(EntityKind.POOL, next(one.pool for one in tracked if one.pool))
