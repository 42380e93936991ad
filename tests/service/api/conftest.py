"""A small fleet in memory behind the real application: store, desk, scene and sinks are fakes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from otlp_bodies.recorded import Kept
from starlette.testclient import TestClient

from service.api import Info, Wiring, create_app
from service.clock import ManualClock
from service.doors import Doors, Right, token_of
from vocabulary import failure_modes
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import Change, Entity, EntityKind, Gpu, Replica, ReplicaState
from vocabulary.errors import ConflictError, NotFound, RequestRefused, StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Activity, EvidenceRecord, Incident, IncidentState
from vocabulary.samples import Frame, labels_of
from vocabulary.scene import Scene

NOW = 1_795_426_000.0
SECRETS = {
    "operator": "operator-secret-0123456789",
    "reader": "reader-secret-0123456789",
    "app": "app-secret-0123456789",
    "second": "second-secret-0123456789",
}
RIGHTS = {
    "operator": frozenset(Right),
    "reader": frozenset({Right.READ}),
    "app": frozenset({Right.INGEST}),
    "second": frozenset({Right.READ, Right.ACT}),
}
REPLICA = Entity(EntityKind.REPLICA, "c/ns/u-1/vllm", "llama-0")
GPU = Entity(EntityKind.GPU, "GPU-1")


def incident(number: int, **changes: Any) -> Incident:
    made = Incident(
        id=f"i-{number}",
        failure_mode=failure_modes.ENGINE_STALLED,
        title="Engine stalled",
        headline="llama stalls",
        severity=Severity.CRITICAL,
        state=IncidentState.OPEN,
        opened_at=NOW - number,
        since=NOW - number - 60,
        updated_at=NOW,
        entity=REPLICA,
        pool="ns/llama",
        model="llama",
        entities=(REPLICA, GPU),
        evidence=(
            EvidenceRecord(
                f"e-{number}", "requests_waiting", REPLICA, "sum(x)", NOW - 60, NOW, 40.0, 1.0, 0.0,
                3.0, "requests", "40 wait",
            ),
        ),
        actions=(
            Action(
                f"i-{number}:R01", "R01", "Restart the replica", Autonomy.TWO_PEOPLE, "3 of 4 left",
                "kubectl delete pod llama-0", "kubectl delete pod llama-0 --dry-run=server",
                "steps move within 5 min", "none needed", "one replica",
            ),
        ),
    )  # fmt: skip
    return replace(made, **changes)


@dataclass
class FakeDesk:
    incidents: dict[str, Incident] = field(default_factory=dict)
    keys: dict[str, Incident] = field(default_factory=dict)

    def list(
        self,
        state: IncidentState | None,
        severity: Severity | None,
        since: float | None,
        q: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[Sequence[Incident], str | None]:
        found = [
            one
            for one in sorted(self.incidents.values(), key=lambda i: -i.opened_at)
            if state in {None, one.state}
            and severity in {None, one.severity}
            and (since is None or one.resolved_at is None or one.resolved_at >= since)
            and (q is None or q in one.headline)
        ]
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise RequestRefused("cursor", "this cursor is none that a list of incidents gave")
        start = int((cursor or "0")[:9])
        after = start + limit
        return found[start:after], str(after) if after < len(found) else None

    def get(self, incident_id: str) -> Incident:
        if incident_id not in self.incidents:
            raise NotFound(f"there is no incident {incident_id!r}")
        return self.incidents[incident_id]

    def _act(
        self, incident_id: str, who: str, what: str, text: str, key: str | None, **new: Any
    ) -> Incident:
        if key in self.keys:
            return self.keys[key or ""]
        one = self.get(incident_id)
        if one.state is IncidentState.RESOLVED and what != "note":
            raise ConflictError(f"{incident_id} is resolved already")
        line = Activity(NOW, who, what, text)
        one = replace(one, activity=(*one.activity, line), **new)
        self.incidents[incident_id] = one
        if key:
            self.keys[key] = one
        return one

    def acknowledge(
        self, incident_id: str, who: str, text: str = "", idempotency_key: str | None = None
    ) -> Incident:
        new = {"state": IncidentState.ACKNOWLEDGED}
        return self._act(incident_id, who, "acknowledged", text, idempotency_key, **new)

    def assign(
        self, incident_id: str, who: str, assignee: str, idempotency_key: str | None = None
    ) -> Incident:
        return self._act(incident_id, who, "assigned", assignee, idempotency_key, assignee=assignee)

    def silence(
        self, incident_id: str, who: str, seconds: float, reason: str = "",
        idempotency_key: str | None = None,
    ) -> Incident:  # fmt: skip
        until = {"silenced_until": NOW + seconds}
        return self._act(incident_id, who, "silenced", reason, idempotency_key, **until)

    def resolve(
        self, incident_id: str, who: str, text: str = "", idempotency_key: str | None = None
    ) -> Incident:
        new = {"state": IncidentState.RESOLVED, "resolved_at": NOW}
        return self._act(incident_id, who, "resolved", text, idempotency_key, **new)

    def note(
        self, incident_id: str, who: str, text: str, idempotency_key: str | None = None
    ) -> Incident:
        return self._act(incident_id, who, "note", text, idempotency_key)


@dataclass
class FakeStore:
    rows: dict[str, list[tuple[dict[str, str], Callable[[np.ndarray], np.ndarray]]]] = field(
        default_factory=dict
    )
    down: bool = False
    asked: list[tuple[str, float, float, float]] = field(default_factory=list)

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        if self.down:
            raise StoreUnreachable("the backend at http://prometheus does not answer")
        self.asked.append((signal.name, start, end, step))
        times = np.arange(start, end + step / 2, step)
        rows = self.rows.get(signal.name, [])
        values = np.array([make(times) for _, make in rows]).reshape(len(rows), len(times))
        return Frame(tuple(labels_of(labels) for labels, _ in rows), times, values)

    def newest(self) -> float | None:
        return NOW


@dataclass
class World:
    """Everything behind the API, to be bent by a test."""

    desk: FakeDesk = field(default_factory=FakeDesk)
    store: FakeStore = field(default_factory=FakeStore)
    kept: Kept = field(default_factory=Kept)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    alerts: list[Mapping[str, Any]] = field(default_factory=list)
    info: Info = field(default_factory=lambda: Info("1.2.3", NOW - 5))
    scene: Scene = field(init=False)

    def __post_init__(self) -> None:
        for number in range(3):
            self.desk.incidents[f"i-{number}"] = incident(number)
        replica = Replica(
            REPLICA, "ns/llama", "llama", "vllm", ReplicaState.STALLED, NOW - 60, "no steps",
            "0.33.0", "node-1", ("GPU-1",), NOW - 9000, "http://10.0.0.1:8000/metrics",
        )  # fmt: skip
        other = replace(
            replica, entity=Entity(EntityKind.REPLICA, "c/ns/u-2/vllm"), state=ReplicaState.SERVING,
            gpus=(), target="",
        )  # fmt: skip
        self.scene = Scene(
            NOW - 5,
            frame=lambda watch: self.store.evaluate(watch.signal, NOW, NOW, 1.0),
            replicas=(replica, other),
            gpus=(Gpu(GPU, "node-1", 0, "H100", (REPLICA.id,), NOW),),
            changes=(
                Change(NOW - 300, "rollout", REPLICA, "image 0.32 → 0.33", "ns/llama"),
                Change(NOW - 100, "restart", REPLICA, "restarted", "ns/llama"),
            ),
        )

    def wiring(self, **more: Any) -> Wiring:
        sinks = self.kept.sinks
        tokens = tuple(token_of(name, secret, RIGHTS[name]) for name, secret in SECRETS.items())
        settings: dict[str, Any] = {
            "store": self.store,
            "desk": self.desk,
            "scene": lambda: self.scene,
            "usage": lambda start, end, by: [{"tenant": "a", "cost": "0.10", "by": by}],
            "budgets": lambda: [{"name": "team-a", "spent": "3.00"}],
            "ingest_samples": sinks.samples,
            "ingest_usage": sinks.usage,
            "ingest_changes": sinks.changes,
            "alert_in": lambda hook: self.alerts.append(hook) or len(hook["alerts"]),
            "self_page": lambda: b"tidegauge_up 1\n",
            "clock": self.clock,
            "doors": Doors(tokens, hosts=frozenset({"testserver"})),
            "info": lambda: self.info,
        }
        return Wiring(**{**settings, **more})

    def client(self, who: str | None = "operator", **more: Any) -> TestClient:
        headers = {"authorization": f"Bearer {SECRETS[who]}"} if who else {}
        app = create_app(self.wiring(**more))
        return TestClient(app, headers=headers, raise_server_exceptions=False)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with world.client() as found:
        yield found
