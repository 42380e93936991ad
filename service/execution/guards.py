"""What must hold for an approved plan to be carried out; the log keeps what each guard said."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.doors import Caller
from service.execution.calls import Bound
from service.execution.plans import Standing, Story
from service.execution.settings import ExecutionSettings
from store.maintenance import Window
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import ReplicaState
from vocabulary.incidents import Incident, IncidentState
from vocabulary.scene import Scene

HOUR, DAY = 3600.0, 86400.0
NEW_PLAN = "make a new one"
_LATEST = 120.0
"""Seconds that the last judged moment may lie back, or four intervals; our judgement."""
_BAD = {Standing.FAILED, Standing.UNKNOWN, Standing.NOT_CURED}


@dataclass(frozen=True, slots=True)
class Decision:
    """What one guard said."""

    guard: str
    passed: bool
    said: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that guards look at, at the moment of execution."""

    now: float
    caller: Caller
    settings: ExecutionSettings
    story: Story
    incident: Incident
    fresh: Action | None
    """The card as it would be proposed now."""
    scene: Scene
    seen: int | None
    """Replicas of the pool that are seen now."""
    recent: Sequence[Story]
    """Plans whose execution began within a day."""
    windows: Sequence[Window]
    """Maintenance that goes on now."""
    bound: Bound | str
    """The object as it is now, or why it cannot be bound to."""

    @property
    def pools(self) -> list[str]:
        """Pools that the plan touches."""
        return [one.partition("/")[2] for one in self.story.plan.places if one.startswith("pool/")]

    def within(self, seconds: float) -> list[Story]:
        """Plans whose execution began within so long."""
        return [one for one in self.recent if (one.begun_at or 0.0) > self.now - seconds]


Answer = tuple[bool, str]


def decisions(now: Situation) -> list[Decision]:
    """What every guard says."""
    return [Decision(name, *guard(now)) for name, guard in GUARDS]


def _fresh_plan(now: Situation) -> Answer:
    plan = now.story.plan
    if now.now >= plan.expires_at:
        return False, f"the plan expired {now.now - plan.expires_at:.0f} s ago: {NEW_PLAN}"
    return True, f"good for {plan.expires_at - now.now:.0f} s more"


def _approved(now: Situation) -> Answer:
    plan = now.story.plan
    names = dict.fromkeys(now.story.approvers)
    if plan.action.autonomy is Autonomy.ONE_CLICK:
        names[now.caller.name] = None  # who executes it says yes by that
    if len(names) < plan.needs:
        return False, f"{len(names)} of {plan.needs} people have approved it"
    return True, f"approved by {', '.join(names)}"


def _goes_on(now: Situation) -> Answer:
    one = now.incident
    if one.merged_into:
        return False, f"{one.id} was merged into {one.merged_into}; act on that one"
    if one.state is IncidentState.RESOLVED:
        return False, f"{one.id} is resolved"
    return True, f"{one.id} is {one.state.value}"


def _same_plan(now: Situation) -> Answer:
    plan, fresh = now.story.plan, now.fresh
    if plan.seen != now.seen:
        made, there = _count(plan.seen), _count(now.seen)
        return False, f"plan was made for {made}, now {there}: {NEW_PLAN}"
    if fresh is None:
        return False, f"{plan.action.card} no longer answers this incident: {NEW_PLAN}"
    if fresh.call != plan.action.call:
        return False, f"{plan.action.card} would do something else now: {NEW_PLAN}"
    return True, "the card says the same now"


def _count(replicas: int | None) -> str:
    return "no pool" if replicas is None else f"{replicas} replicas"


def _precondition(now: Situation) -> Answer:
    if now.fresh is None or now.fresh.met is False:
        said = now.fresh.precondition if now.fresh else now.story.plan.action.precondition
        return False, f"the precondition does not hold: {said}"
    return True, now.fresh.precondition


def _seen(now: Situation) -> Answer:
    age = now.now - now.scene.now
    if age > max(_LATEST, 4.0 * now.scene.interval):
        return False, f"frozen: nothing was judged for {age:.0f} s"
    for pool in now.pools:
        there = [one for one in now.scene.replicas if one.pool == pool]
        blind = sum(one.state is ReplicaState.BLIND for one in there)
        if not there:
            return False, f"frozen: nothing is seen of pool {pool}"
        if len(there) - blind < now.settings.least_seen_share * len(there):
            return False, f"frozen: {blind} of {len(there)} replicas of pool {pool} are unseen"
    return True, f"judged {age:.0f} s ago"


def _no_maintenance(now: Situation) -> Answer:
    places, one = now.story.plan.places, now.incident
    for window in now.windows:
        named = {f"pool/{window.pool}", f"node/{window.node}", window.entity}
        mode = window.failure_mode == one.failure_mode.word
        if named & {*places, str(one.entity)} or (mode and not _places(window)):
            who = f"{window.who}: {window.reason or 'no reason given'}"
            return False, f"in maintenance {window.id} of {who}; people work there by hand"
    return True, "no maintenance here"


def _places(window: Window) -> str:
    return window.pool or window.node or window.entity


def _one_at_a_time(now: Situation) -> Answer:
    places = set(now.story.plan.places)
    for other in now.recent:
        shared = places & set(other.plan.places)
        if other.under_way and shared:
            where = ", ".join(sorted(shared))
            how = other.standing.value
            return False, f"one at a time: plan {other.plan.id} on {where} is {how}, unchecked yet"
    return True, "nothing else is under way there"


def _hourly(now: Situation) -> Answer:
    done, most = now.within(HOUR), now.settings.most_per_hour
    if len(done) >= most:
        return False, f"{len(done)} executions in the last hour, and at most {most} are allowed"
    for pool in now.pools:
        there = sum(f"pool/{pool}" in one.plan.places for one in done)
        if there >= now.settings.most_per_pool_per_hour:
            return False, f"{there} executions in the last hour on pool {pool}: that is enough"
    return True, f"{len(done)} of {most} in the last hour"


def _fleet(now: Situation) -> Answer:
    """Not too large a part of the fleet in a day; kinds that touch no single thing do not count."""
    call = now.story.plan.action.call
    if call is None or call.kind not in {"pods", "nodes"}:
        return True, "it touches no single replica or node"
    replicas = now.scene.replicas
    nodes = {*(one.node for one in replicas), *(one.node for one in now.scene.gpus)} - {""}
    total = len(nodes) if call.kind == "nodes" else len(replicas)
    most = max(1, math.floor(now.settings.most_share_per_day * total))
    touched = {_target(one) for one in now.recent} - {None}
    same = {one for one in touched if one and one[0] == call.kind} | {_target(now.story)}
    if len(same) > most:
        return False, f"{len(same)} {call.kind} of {total} in a day, and at most {most} are allowed"
    return True, f"{len(same)} of at most {most} {call.kind} in a day"


def _target(one: Story) -> tuple[str, str] | None:
    call = one.plan.action.call
    return None if call is None else (call.kind, call.uid or f"{call.namespace}/{call.name}")


def _failures(now: Situation) -> Answer:
    bad, most = (
        [one for one in now.recent if one.standing in _BAD],
        now.settings.most_failures_per_day,
    )
    if len(bad) >= most:
        names = ", ".join(f"{one.plan.id} {one.standing.value}" for one in bad[-5:])
        return False, f"the breaker is open until a day has passed: {names}"
    return True, f"{len(bad)} of {most} failures in a day"


def _same_state(now: Situation) -> Answer:
    plan, there = now.story.plan, now.bound
    if isinstance(there, str):
        return False, f"the object cannot be read or has changed: {there}"
    if there.uid != plan.uid:
        return False, f"another object bears the name now: {NEW_PLAN}"
    if there.replicas != plan.replicas:
        made, found = plan.replicas, there.replicas
        return False, f"plan was made for {made} replicas, now {found}: {NEW_PLAN}"
    if there.shape != plan.shape:
        return False, f"its specification has changed since the plan was made: {NEW_PLAN}"
    if there.sense != plan.sense:
        return False, f"what would be written is not what was approved: {NEW_PLAN}"
    return True, f"as planned, at resourceVersion {there.version}"


GUARDS: Sequence[tuple[str, Callable[[Situation], Answer]]] = (
    ("plan is fresh", _fresh_plan),
    ("approvals", _approved),
    ("incident goes on", _goes_on),
    ("plan still fits", _same_plan),
    ("precondition", _precondition),
    ("telemetry", _seen),
    ("maintenance", _no_maintenance),
    ("one at a time", _one_at_a_time),
    ("hourly breaker", _hourly),
    ("fleet breaker", _fleet),
    ("failure breaker", _failures),
    ("live state", _same_state),
)
"""Every guard by its name, in the order in which a person would ask."""
