"""A pool, its incident and its cluster in memory: everything between a card and its outcome."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from incident_scenes import Clock, World, gpu_of, incident_about, rollout

import remediations
from incidents.tracking import Case
from service.doors import ALL_RIGHTS, Caller
from service.execution.cluster import NoAnswer, Request, Response
from service.execution.executor import Executor
from service.execution.planner import World as Surroundings
from service.execution.settings import ExecutionSettings
from store.action_log import fault
from store.records import IncidentRecords, Kept
from vocabulary import failure_modes as f
from vocabulary.actions import Action, ActionClass
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.errors import SourceDown
from vocabulary.expressions import Signal
from vocabulary.incidents import Incident
from vocabulary.samples import Frame, labels_of
from vocabulary.scene import Scene

OPERATOR = Caller("operator", ALL_RIGHTS)
FIRST, SECOND, THIRD = (Caller(name, ALL_RIGHTS, person=True) for name in ("one", "two", "three"))
PODS = "/api/v1/namespaces/prod/pods"
DEPLOYMENT = "/apis/apps/v1/namespaces/prod/deployments/chat"
NODE = "/api/v1/nodes/node-chat-0"
CARDS = {one.card: one() for one in discover(remediations, Remediation).values()}


class Crash(BaseException):
    """The process ends here."""


@dataclass
class MemoryCluster:
    """Objects by path, and what a test makes of requests."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: list[tuple[ActionClass, Request]] = field(default_factory=list)
    asked: int = 0
    status: int = 0
    """Answers every write with it, when set."""
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    """Called before and after a write is done: where a test lets things break."""
    _version: int = 100

    def put(self, path: str, spec: Mapping[str, Any], uid: str = "u", **meta: Any) -> None:
        self._version += 1
        name = path.rpartition("/")[2]
        about = {"name": name, "uid": uid, "resourceVersion": str(self._version), **meta}
        self.objects[path] = {"metadata": about, "spec": dict(spec)}

    def ask(self, group: ActionClass, request: Request, *, dry: bool = False) -> Response:
        self.asked += 1
        path = request.path.partition("?")[0]
        if path.endswith("/replicasets"):
            kept = [one for at, one in self.objects.items() if at.startswith(path + "/")]
            return Response(200, {"items": kept})
        if path == "/apis/policy/v1":
            return Response(200, {})
        path = path.removesuffix("/eviction")
        if path.endswith("/scale"):
            return self._scale(group, request, path.removesuffix("/scale"), dry)
        if path not in self.objects:
            return Response(404, {"message": f"{path} not found"})
        if request.method == "GET":
            return Response(200, deepcopy(self.objects[path]))
        if dry:
            return self._changed(path, request, deepcopy(self.objects[path]))
        self.before()
        if self.status:
            return Response(self.status, {"message": "told to"})
        answer = self._changed(path, request, deepcopy(self.objects[path]))
        if answer.done:
            self.written.append((group, request))
            if request.method == "POST":
                del self.objects[path]
            else:
                self._keep(path, answer.body)
        self.after()
        return answer

    def _keep(self, path: str, body: Mapping[str, Any]) -> None:
        self._version += 1
        about = {**body["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = {**body, "metadata": about}

    def _scale(self, group: ActionClass, request: Request, path: str, dry: bool) -> Response:
        whole = self.objects[path]
        small = {**whole, "spec": {"replicas": whole["spec"]["replicas"]}}
        if request.method == "GET":
            return Response(200, small)
        answer = self._changed(path, request, deepcopy(small))
        if answer.done and not dry:
            self.written.append((group, request))
            spec = {**whole["spec"], **answer.body["spec"]}
            self._keep(path, {**whole, "spec": spec})
        return answer

    def _changed(self, path: str, request: Request, body: dict[str, Any]) -> Response:
        told = json.loads(request.body)
        if request.method == "POST":
            if told["deleteOptions"]["preconditions"]["uid"] != body["metadata"]["uid"]:
                return Response(409, {"message": "the uid is another one"})
            return Response(200, body)
        if isinstance(told, list):
            held, *operations = told
            if held["value"] != body["metadata"]["resourceVersion"]:
                return Response(422, {"message": "the test failed"})
            for one in operations:
                assert one["path"] == "/spec/template"
                body["spec"]["template"] = one["value"]
            return Response(200, body)
        if told["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            return Response(409, {"message": "the object has been modified"})
        _merge(body, told)
        return Response(200, body)


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


@dataclass
class Series:
    """What the store would answer, out of the world's own rows."""

    world: World

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        columns = 1 + round((end - start) / step)
        rows = self.world.series.get(signal.name, [])
        values = np.full((len(rows), columns), np.nan)
        for index, (_, newest) in enumerate(rows):
            values[index, -1] = newest[-1]
        return Frame(tuple(labels_of(labels) for labels, _ in rows),
                     start + step * np.arange(columns), values)  # fmt: skip

    def newest(self) -> float | None:
        return self.world.now


class Site:
    """Everything between a card and its outcome; `restart` is a crash and a new process."""

    def __init__(self, file: Path) -> None:
        self.file, self.clock, self.world = file, Clock(), World()
        self.pool = self.world.add_pool("prod/chat", 4)
        self.cluster = MemoryCluster()
        self.settings = ExecutionSettings(
            enabled=True,
            people={"one": "/run/one", "two": "/run/two", "three": "/run/three"},
            accounts={group.value: f"/run/{group.value}" for group in ActionClass},
        )
        self.simulated = False
        self.receivers: Sequence[str] = ("http://alertmanager",)
        self.records = IncidentRecords(file)
        for one in self.pool:
            self.cluster.put(f"{PODS}/{one.pod}", {"nodeName": one.node},
                             one.entity.id.split("/")[2])  # fmt: skip
        self.cluster.put(DEPLOYMENT, {
            "replicas": 4, "paused": False, "selector": {"matchLabels": {"app": "chat"}},
            "template": {"spec": {"containers": [{"image": "vllm:v2"}]}},
        }, "d", annotations={"deployment.kubernetes.io/revision": "2"})  # fmt: skip
        self.cluster.put(NODE, {}, "n")
        self.keep(incident_about(
            f.ENGINE_STALLED, self.pool[0].entity, gpu_of(self.pool[0]), changes=(rollout(),)
        ))  # fmt: skip
        self.executor = self.begin()

    def keep(self, incident: Incident) -> None:
        self.incident = incident
        self.records.save([Kept(incident, Case(incident).memory())])

    def begin(self) -> Executor:
        def propose(card: str, incident: Incident, scene: Scene) -> Action | None:
            return CARDS[card].propose(incident, scene)

        made = Executor(Surroundings(
            self.settings, self.records, Series(self.world), self.clock, self.cluster,
            self.world.scene, propose, self.simulated, self.receivers,
        ))  # fmt: skip
        made.recover()
        return made

    def restart(self, **settings: Any) -> Executor:
        self.records.close()
        self.records = IncidentRecords(self.file)
        self.settings = replace(self.settings, **settings)
        self.executor = self.begin()
        return self.executor

    def card(self, number: str) -> Action:
        found = CARDS[number].propose(self.incident, self.world.scene())
        assert found is not None
        return found

    def plan(self, number: str = "R02", who: Caller = FIRST) -> str:
        return str(self.executor.plan(self.incident, self.card(number), who)["plan"])

    def approved(self, number: str = "R02", *people: Caller) -> str:
        plan = self.plan(number)
        for one in people or (FIRST,):
            self.executor.approve(plan, one)
        return plan

    def pass_time(self, seconds: float) -> None:
        """Time goes on, and the fleet is looked at again."""
        self.clock.moment += seconds
        self.world.now = self.clock.moment
        self.executor.follow_up(self.clock.moment)

    def state(self, plan: str) -> str:
        return str(self.executor.told(plan)["state"])

    def whole(self) -> str:
        return fault(self.records.actions.page(0, 10_000), self.records.actions.lines_told())

    def steps(self, plan: str) -> list[str]:
        return [one.what for one in self.records.actions.of_plan(plan)]


def lost() -> None:
    raise NoAnswer("it took the request and did not answer")


def unreachable() -> None:
    raise SourceDown("nobody listens")


def crash() -> None:
    raise Crash
