"""Making a plan: the card and the object as they are now, and what the server would write."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.doors import Caller
from service.execution.calls import Ask, Bound, bound, difference, object_path, shown
from service.execution.cluster import Cluster, Request, Response
from service.execution.guards import DAY, Situation
from service.execution.plans import Plan, Story, story
from service.execution.settings import ExecutionSettings
from store.asking import Asking
from store.maintenance import Window
from store.records import IncidentRecords
from vocabulary.actions import Action, Call
from vocabulary.contracts import Clock
from vocabulary.errors import ConfigError, ConflictError, RequestRefused, SourceError
from vocabulary.incidents import Incident
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class World:
    """Everything that an executor reads and writes."""

    settings: ExecutionSettings
    records: IncidentRecords
    store: Asking
    clock: Clock
    cluster: Cluster
    scene: Callable[[], Scene]
    propose: Callable[[str, Incident, Scene], Action | None]
    """The card of that number as it would be proposed now."""
    simulated: bool = False
    receivers: Sequence[str] = ()

    def story(self, plan_id: str) -> Story:
        """A plan and what happened to it.

        Raises:
            NotFound, ConflictError: There is none, or the log was altered.
        """
        return story(plan_id, self.records.actions.of_plan(plan_id))

    def ask(self, call: Call) -> Ask:
        """Asks with the credential of the call's class."""
        return lambda request: self.cluster.ask(call.group, request)

    def found(self, call: Call) -> Mapping[str, Any]:
        """The object of *call* as it is now.

        Raises:
            ConflictError: It is not there, or may not be read.
            ConfigError, SourceError: It cannot be asked for.
        """
        answer = self.ask(call)(Request("GET", object_path(call)))
        if not answer.done:
            raise ConflictError(_refusal(call, answer))
        return answer.body

    def windows(self, now: float) -> list[Window]:
        """Maintenance that goes on at *now*."""
        known = self.records.maintenance.ending_after(now)
        return [one for one in known if one.starts_at <= now]

    def recent(self, now: float) -> list[Story]:
        """Plans whose execution began within a day."""
        return self.executed(now - DAY)

    def executed(self, since: float) -> list[Story]:
        """Plans whose execution began at or after a moment."""
        return [self.story(one) for one in self.records.actions.plans_executed(since)]


def make_plan(world: World, incident: Incident, action: Action, caller: Caller) -> Plan:
    """The plan for *action*, after the API server has tried it and kept nothing.

    Raises:
        ConflictError: The object is not as the card assumes.
        RequestRefused: `cluster`: the API server would not do it, or cannot be asked.
    """
    call, scene, now = action.call, world.scene(), world.clock.now()
    assert call is not None
    try:
        before = world.found(call)
        made = bound(call, before, world.ask(call))
        if call.replicas is not None and call.replicas != made.replicas:
            raise ConflictError(
                f"{call.replicas} replicas are seen, and {call.name} has {made.replicas}: wait "
                "until both agree"
            )
        tried = world.cluster.ask(call.group, made.request, dry=True)
    except (ConfigError, SourceError) as error:
        raise RequestRefused("cluster", f"no plan: {error}") from error
    if not tried.done:
        raise RequestRefused("cluster", f"no plan: {_refusal(call, tried)}")
    places = places_of(incident, call, scene)
    return Plan(
        action=action,
        incident=incident.id,
        made_by=caller.name,
        made_at=now,
        expires_at=now + world.settings.plan_minutes * 60.0,
        places=places,
        seen=seen_of(places, scene),
        uid=made.uid,
        version=made.version,
        shape=made.shape,
        replicas=made.replicas,
        sense=made.sense,
        request=shown(made.request),
        diff=difference(call, before, tried.body),
    )


def situation(world: World, one: Story, incident: Incident, caller: Caller) -> Situation:
    """Everything that guards look at, read now."""
    now, scene, call = world.clock.now(), world.scene(), one.plan.action.call
    assert call is not None
    there: Bound | str
    try:
        there = bound(call, world.found(call), world.ask(call))
    except (ConfigError, ConflictError, SourceError) as error:
        there = str(error)
    return Situation(
        now=now,
        caller=caller,
        settings=world.settings,
        story=one,
        incident=incident,
        fresh=world.propose(one.plan.action.card, incident, scene),
        scene=scene,
        seen=seen_of(one.plan.places, scene),
        recent=world.recent(now),
        windows=world.windows(now),
        bound=there,
    )


def places_of(incident: Incident, call: Call, scene: Scene) -> tuple[str, ...]:
    """Every pool and node that the call touches, the incident's own pool included."""
    pools, nodes = {incident.pool}, set()
    if call.kind == "nodes":
        nodes.add(call.name)
        pools |= {one.pool for one in scene.replicas if one.node == call.name}
    elif call.kind == "pods":
        pod = f"/{call.namespace}/{call.uid}/"
        pools |= {one.pool for one in scene.replicas if pod in one.entity.id}
    else:
        pools.add(f"{call.namespace}/{call.name}")
    found = [*(f"pool/{one}" for one in pools if one), *(f"node/{one}" for one in nodes)]
    return tuple(sorted(found))


def seen_of(places: Sequence[str], scene: Scene) -> int | None:
    """How many replicas of those pools are seen; None where no pool is touched."""
    pools = {one.partition("/")[2] for one in places if one.startswith("pool/")}
    return sum(one.pool in pools for one in scene.replicas) if pools else None


def _refusal(call: Call, answer: Response) -> str:
    what = f"{call.kind} {call.name}"
    if answer.status in {401, 403}:
        return (
            f"the account of class {call.group.value} has no right to {what} "
            f"({answer.status} {answer.said})"
        )
    return f"the Kubernetes API answers {answer.status} for {what}: {answer.said}"
