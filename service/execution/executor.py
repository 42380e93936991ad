"""Approving a plan and carrying it out, once.

The intent is durable before the write leaves, and what became of it is kept after. A crash between
the two leaves an intent without an end: it is told as unknown, and never done again.
"""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from service.doors import Caller
from service.execution.calls import Bound, shown
from service.execution.cluster import no_account
from service.execution.follow_up import US, follow_up, notices_of
from service.execution.guards import DAY, Decision, Situation, decisions
from service.execution.planner import World, make_plan, situation
from service.execution.plans import Plan, Standing, Story, story_json
from service.execution.verification import baseline
from store.action_log import Step, fault
from vocabulary.actions import Action, Autonomy
from vocabulary.errors import (
    ConfigError,
    ConflictError,
    RequestRefused,
    SourceDown,
    SourceError,
    StoreError,
)
from vocabulary.incidents import Incident

log = structlog.get_logger(__name__)
NEWEST = 10
"""Plans of one action that are told of, and that may be good at one time."""
CRASHED = "the server ended, or could not keep it, between writing and recording"


class Guarded(RequestRefused):
    """A guard says no; every guard's word is in `decisions`."""

    def __init__(self, message: str, said: list[Decision]) -> None:
        super().__init__("guarded", message)
        self.more: Mapping[str, Any] = {"decisions": [asdict(one) for one in said]}


@dataclass(slots=True)
class Executor:
    """Safe to call from several threads."""

    world: World
    altered: str = ""
    """What is wrong with the log of actions; nothing is executed over one that was altered."""
    _writing: set[str] = field(default_factory=set)
    """Plans whose write is under way in this process."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def why_not(self, action: Action) -> str:
        """Why *action* could not be executed here whoever approves; empty when it could."""
        settings, call = self.world.settings, action.call
        if self.world.simulated:
            return "the clock is simulated: nothing is done to a real cluster from here"
        if call is None:
            return (
                f"no executor for {action.card}: it is no single write to the Kubernetes API that "
                "we can name; run the command yourself, with the dry run first"
            )
        if not settings.enabled:
            return (
                "execution is switched off (execution.enabled): run the command yourself, with the "
                "dry run first"
            )
        if self.altered:
            return f"the log of actions was altered ({self.altered}): find out by whom first"
        return "" if settings.account(call.group) else no_account(call.group)

    def plan(self, incident: Incident, action: Action, caller: Caller) -> dict[str, Any]:
        """A new plan for *action*, tried by the API server.

        Raises:
            RequestRefused: It cannot be executed here, or the API server would not do it.
            ConflictError: The card no longer applies, or the object is not as it assumes.
        """
        self._refuse(action)
        good = [one for one in self.plans_of(action) if _may_be_chosen(one)]
        if len(good) >= NEWEST:
            raise RequestRefused("too_many", f"{len(good)} plans of it are good still: choose one")
        fresh = self.world.propose(action.card, incident, self.world.scene())
        if fresh is None or fresh.call is None:
            raise ConflictError(f"{action.card} does not answer {incident.id} as it is now")
        made = make_plan(self.world, incident, fresh, caller)
        if self.world.records.actions.of_plan(made.id):  # asked for twice in one moment
            return self.told(made.id)
        said = f"planned {fresh.card}: {fresh.title}"
        self.world.records.save(
            steps=[_step(made, caller.name, "planned", made.made_at, made.body(), said)]
        )
        return self.told(made.id)

    def approve(self, plan_id: str, caller: Caller) -> dict[str, Any]:
        """*caller* says yes to exactly this plan; twice is once.

        Raises:
            RequestRefused: The caller is no named person, or nothing is executed here.
            NotFound, ConflictError: There is no such plan, or it is too late for it.
        """
        one = self.world.story(plan_id)
        self._refuse(one.plan.action)
        _demand_person(caller)
        now = self.world.clock.now()
        if caller.name in one.approvers:
            return story_json(one, now)
        if one.standing is not Standing.PLANNED:
            raise ConflictError(f"plan {plan_id} is {one.standing.value} already")
        if now >= one.plan.expires_at:
            raise ConflictError(f"plan {plan_id} has expired: make a new one")
        self.world.records.save(steps=[_approval(one.plan, caller.name, now)])
        return self.told(plan_id)

    def execute(self, plan_id: str, caller: Caller) -> dict[str, Any]:
        """Carry the plan out, if every guard lets it; a second call tells what became of the first.

        Raises:
            RequestRefused: `guarded`, with every guard's word, and as `approve`.
            NotFound, ConflictError: As `approve`.
        """
        with self._lock:
            self._verify_log()
            one = self.world.story(plan_id)
            if one.begun_at is not None:
                return {**self.told(plan_id), "again": True}
            self._refuse(one.plan.action)
            _demand_person(caller)
            there = self._begin(one, caller)
            self._writing.add(plan_id)
        try:
            self._write(one.plan, there, caller.name)
        finally:
            self._writing.discard(plan_id)
        self.follow_up(self.world.clock.now())
        return {**self.told(plan_id), "again": False}

    def recover(self) -> int:
        """At a start: go on with everything that an earlier process left, however old."""
        with self._lock:
            self._verify_log()
        return self.follow_up(self.world.clock.now(), since=0.0)

    def follow_up(self, now: float, since: float | None = None) -> int:
        """Look after what was done and is not yet checked; gives how many plans were settled.

        What was begun, and is neither under way nor recorded, is told as unknown: a crash, or a
        disk that refused. Nothing of a log that was altered is gone on with.
        """
        since = now - DAY if since is None else since
        with self._lock:
            if self.altered:
                return 0
            try:
                for one in self.world.executed(since):
                    if one.standing is Standing.EXECUTING and one.plan.id not in self._writing:
                        self._record(one.plan, US, "unknown", {}, CRASHED)
                return follow_up(self.world, self.world.executed(since), now)
            except ConflictError as error:
                self._tell_altered(str(error))
                return 0

    def told(self, plan_id: str) -> dict[str, Any]:
        """A plan and how it stands."""
        return story_json(self.world.story(plan_id), self.world.clock.now())

    def plans_of(self, action: Action) -> list[dict[str, Any]]:
        """The newest plans that were made for *action*, the last one first."""
        known = self.world.records.actions.plans_of(action.id)
        try:
            return [self.told(one) for one in reversed(known[-NEWEST:])]
        except ConflictError as error:
            self._tell_altered(str(error))
            return []

    def _verify_log(self) -> None:
        actions = self.world.records.actions
        self._tell_altered(fault(actions.page(0, -1), actions.lines_told()))

    def _tell_altered(self, what: str) -> None:
        if what and what != self.altered:
            log.error("the log of actions was altered", what=what)
        self.altered = what

    def _refuse(self, action: Action) -> None:
        why = self.why_not(action)
        if why:
            raise RequestRefused("not_here", why)

    def _begin(self, one: Story, caller: Caller) -> Bound:
        """Ask every guard and keep the intent."""
        incident = self.world.records.get(one.plan.incident)
        now = situation(self.world, one, incident, caller)
        said = decisions(now)
        against = next((each for each in said if not each.passed), None)
        kept: dict[str, Any] = {"decisions": [asdict(each) for each in said]}
        if against is not None or isinstance(now.bound, str):
            why = f"{against.guard}: {against.said}" if against else "the object cannot be read"
            self.world.records.save(
                steps=[_step(one.plan, caller.name, "refused", now.now, kept, why)]
            )
            raise Guarded(f"plan {one.plan.id} is not executed. {why}", said)
        action, steps = one.plan.action, []
        if action.autonomy is Autonomy.ONE_CLICK and caller.name not in one.approvers:
            steps.append(_approval(one.plan, caller.name, now.now))
        kept |= {"request": shown(now.bound.request), "before": self._before(now)}
        text = f"executing {action.card}: {action.title}"
        steps.append(_step(one.plan, caller.name, "executing", now.now, kept, text))
        self.world.records.save(steps=steps)
        return now.bound

    def _before(self, now: Situation) -> Mapping[str, Any]:
        check = now.story.plan.action.check
        try:
            return baseline(self.world.store, check, now.now, now.incident.since)
        except StoreError as error:
            log.warning("baseline cannot be read", error=str(error))
            return {}

    def _write(self, plan: Plan, there: Bound, who: str) -> None:
        """The one write, and what became of it."""
        call = plan.action.call
        assert call is not None
        try:
            answer = self.world.cluster.ask(call.group, there.request)
        except (ConfigError, SourceDown) as error:  # nothing has left us
            self._record(plan, who, "failed", {}, str(error))
        except SourceError as error:
            self._record(plan, who, "unknown", {}, str(error))
        else:
            what = "executed" if answer.done else "unknown" if answer.unsure else "failed"
            said = f"{answer.status} {answer.said}".strip()
            self._record(plan, who, what, {"status": answer.status, **_about(answer.body)}, said)

    def _record(self, plan: Plan, who: str, what: str, body: Mapping[str, Any], said: str) -> None:
        now, card = self.world.clock.now(), plan.action.card
        text = f"{what} {card}: {said}"
        notices = []
        if what == "unknown":
            text = f"{card} may or may not be done, check it yourself: {said}"
            notices = notices_of(self.world, plan, "is perhaps done: check it", text, now)
        step = _step(plan, who, what, now, {**body, "said": said}, text)
        self.world.records.save(steps=[step], notices=notices)
        log.warning("action", what=what, card=card, plan=plan.id, who=who, said=said)


def _step(plan: Plan, who: str, what: str, at: float, body: Mapping[str, Any], said: str) -> Step:
    return Step(at, who, what, plan.id, plan.action.id, plan.incident, body, said)


def _approval(plan: Plan, who: str, now: float) -> Step:
    # the words are those by which similar incidents know which card was said yes to
    return _step(plan, who, "approved", now, {}, f"approved {plan.action.card}")


def _about(body: Mapping[str, Any]) -> dict[str, Any]:
    """Which object it became, without what it holds."""
    meta = body.get("metadata")
    known = meta if isinstance(meta, Mapping) else {}
    return {
        "uid": str(known.get("uid", ""))[:100],
        "resource_version": str(known.get("resourceVersion", ""))[:100],
    }


def _may_be_chosen(told: Mapping[str, Any]) -> bool:
    return told["state"] == Standing.PLANNED and not told["expired"]


def _demand_person(caller: Caller) -> None:
    if not caller.person:
        raise RequestRefused(
            "person",
            f"the token of {caller.name} is no person's own: approve and execute with yours "
            "(execution.people)",
        )
