"""What the API is given: one record of seams, filled by the composition root."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from incidents.maintenance import MaintenanceBook
from service.doors import Doors
from service.execution.executor import Executor
from service.mcp.summary import SummaryEndpoint
from service.otlp.identity import Tenants
from service.otlp.limits import Limits
from store.asking import Asking
from store.maintenance import Window
from store.records import Silence
from vocabulary.contracts import Clock
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.incidents import Incident, IncidentState
from vocabulary.samples import Sample
from vocabulary.scene import Scene
from vocabulary.usage import UsageSpan


class IncidentDesk(Protocol):
    """The life of incidents, as the API drives it. The same idempotency key acts once.

    Raises:
        NotFound: There is no such incident.
        ConflictError: It is in a state that does not allow this, or the key was used otherwise.
    """

    def list(
        self,
        state: IncidentState | None,
        severity: Severity | None,
        since: float | None,
        q: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[Sequence[Incident], str | None]:
        """One page, newest first, and the cursor of the next; None at the end."""
        ...

    def get(self, incident_id: str) -> Incident:
        """One incident."""
        ...

    def acknowledge(
        self, incident_id: str, who: str, text: str = "", idempotency_key: str | None = None
    ) -> Incident:
        """*who* is looking at it."""
        ...

    def assign(
        self, incident_id: str, who: str, assignee: str, idempotency_key: str | None = None
    ) -> Incident:
        """*who* gives it to *assignee*."""
        ...

    def silence(
        self,
        incident_id: str,
        who: str,
        seconds: float,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> Incident:
        """No notifications of it for *seconds*."""
        ...

    def resolve(
        self, incident_id: str, who: str, text: str = "", idempotency_key: str | None = None
    ) -> Incident:
        """It is over."""
        ...

    def note(
        self, incident_id: str, who: str, text: str, idempotency_key: str | None = None
    ) -> Incident:
        """A line in its activity."""
        ...


@dataclass(frozen=True, slots=True)
class Info:
    """How this server is doing, at the moment it is asked."""

    version: str
    as_of: float | None
    """The newest moment the pipeline has judged; None before its first tick."""
    interval: float = 15.0
    """Seconds between two ticks, of the same clock."""
    simulated: bool = False
    speed: float = 1.0
    """How many times faster than the wall the clock runs."""
    problems: tuple[str, ...] = ()
    """Sentences about what does not work now."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything the API reaches."""

    store: Asking
    desk: IncidentDesk
    scene: Callable[[], Scene]
    """What the pipeline saw at its last tick."""
    usage: Callable[[float, float, str | None], Sequence[Mapping[str, Any]]]
    """Rows of used and priced tokens from, to (half-open), grouped by a dimension."""
    budgets: Callable[[], Sequence[Mapping[str, Any]]]
    ingest_samples: Callable[[Sequence[Sample]], int]
    ingest_usage: Callable[[Sequence[UsageSpan]], int]
    ingest_changes: Callable[[Sequence[Change]], int]
    alert_in: Callable[[Mapping[str, Any]], int]
    """Takes an Alertmanager webhook; gives how many alerts became findings."""
    self_page: Callable[[], bytes]
    """Our own metrics, Prometheus text format 0.0.4."""
    clock: Clock
    doors: Doors
    info: Callable[[], Info]
    tenants: Tenants = field(default_factory=Tenants)
    otlp_limits: Limits = field(default_factory=Limits)
    runs: Callable[[float, float], Sequence[Mapping[str, Any]]] = lambda _start, _end: ()
    """Rows of agents' runs from, to (half-open)."""
    hook_secret: bytes = b""
    """Key of the HMAC that hooks must be signed with; empty trusts the token alone."""
    verdict: Callable[[Change], Mapping[str, Any] | None] = lambda _change: None
    """What a change did to its pool, as far as can be told; None for what is no question."""
    maintenance: MaintenanceBook | None = None
    """Who works where; None keeps no windows."""
    hushed: Callable[[Window], Sequence[Incident]] = lambda _window: ()
    """Incidents that go on and that a window would cover."""
    behaviour: Callable[[float, float], Mapping[str, Any]] = lambda _start, _end: {
        "moves": (), "unusual": (), "series": 0, "budget": {}
    }  # fmt: skip
    """What moved in a span, and how the budget of such statements is kept."""
    silences: Callable[[float], Sequence[Silence]] = lambda _now: ()
    """Silences in force at a moment."""
    execution: Executor | None = None
    """Who carries approved actions out; None where nobody does."""
    summary: SummaryEndpoint | None = None
    """Who sums incidents up for agents; nobody unless configured."""
