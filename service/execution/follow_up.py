"""After an action: the card's check, asked until it is answered or its time is up."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from incidents.escalation import escalation
from service.execution.calls import holds
from service.execution.planner import World
from service.execution.plans import Plan, Standing, Story
from service.execution.verification import Seen, look, verdict
from store.action_log import Step
from store.outbox import Notice
from vocabulary.actions import Check, Goal
from vocabulary.errors import ConfigError, ConflictError, NotFound, SourceError, StoreError
from vocabulary.incidents import IncidentState

log = structlog.get_logger(__name__)
US = "tidegauge"
CALM = {IncidentState.MITIGATED, IncidentState.RESOLVED}
"""States in which the findings have stopped."""
_WAITING = {Standing.EXECUTED, Standing.UNKNOWN}
NO_CHECK_MINUTES = 1.0
"""How long a plan without a check is held to be under way."""


def follow_up(world: World, done: Iterable[Story], now: float) -> int:
    """Look after what was done and is not yet checked; gives how many plans were settled."""
    waiting = [one for one in done if one.standing in _WAITING]
    return sum(_settle(world, one, now) for one in waiting)


def notices_of(world: World, plan: Plan, ended: str, text: str, now: float) -> list[Notice]:
    """Notices that tell receivers of *plan* what went wrong."""
    try:
        kept = world.records.kept(plan.incident)
    except NotFound:
        return []
    summary = f"{plan.action.card} {ended}: {plan.action.title}"
    return escalation(kept, plan.id, summary, text, world.receivers, now)


def _settle(world: World, one: Story, now: float) -> bool:
    plan, check = one.plan, one.plan.action.check
    minutes = check.minutes if check is not None else NO_CHECK_MINUTES
    over = now >= (one.begun_at or 0.0) + minutes * 60.0
    incident = world.records.get(plan.incident)
    seen = _seen(world, one, check, now)
    found = verdict(check, seen, calm=incident.state in CALM, over=over)
    if found is None:
        return False
    standing, said = found
    text = f"{plan.action.card} {standing.value}: {said}"
    body: Mapping[str, Any] = {"outcome": standing.value, "said": said}
    notices: list[Notice] = []
    if standing is Standing.NOT_CURED:
        notices = notices_of(world, plan, "did not help", text, now)
    step = Step(now, US, "verified", plan.id, plan.action.id, plan.incident, body, text)
    world.records.save(steps=[step], notices=notices)
    log.info("action", what=standing.value, card=plan.action.card, plan=plan.id, said=said)
    return True


def _seen(world: World, one: Story, check: Check | None, now: float) -> Seen:
    if check is None:
        return Seen(None, "no check")
    if check.goal is Goal.SHOWN:
        return _shown(world, one.plan)
    before: Mapping[str, Any] = one.body_of("executing").get("before") or {}
    try:
        return look(world.store, check, before, now)
    except StoreError as error:
        return Seen(None, str(error))


def _shown(world: World, plan: Plan) -> Seen:
    call = plan.action.call
    assert call is not None
    try:
        found = world.found(call)
    except (ConfigError, ConflictError, SourceError) as error:
        return Seen(None, str(error))
    shows = holds(call, found)
    return Seen(shows, f"{call.kind} {call.name} {'shows it' if shows else 'does not show it'}")
