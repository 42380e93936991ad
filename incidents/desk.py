"""The incident desk: findings in, incidents out, and everything a person may do with one.

Each tick is one transaction: incidents, their history and what receivers must be told are kept
together or not at all, so that a crash between a tick and its page loses neither.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from incidents import lifecycle, page_budget
from incidents.announcement import announce, notices
from incidents.assembly import Assembler
from incidents.cards import Cards
from incidents.impact import GpuPrice, unknown_price
from incidents.intake import Cases, take_in
from incidents.maintenance import RULE, MaintenanceBook, covering
from incidents.places import Map, draw
from incidents.readings import Readings
from incidents.settings import DeskSettings
from incidents.silencing import matchers
from incidents.storm import no_collection
from incidents.tracking import Case, case_from_memory
from incidents.troubles import Troubles
from incidents.webhook_in import AlertInbox
from store.incident_query import Wanted
from store.maintenance import Window
from store.records import Answer, IncidentRecords, Kept, Silence
from vocabulary.contracts import Clock, Remediation
from vocabulary.errors import ConflictError, RequestRefused
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.incidents import Incident, IncidentState
from vocabulary.scene import Scene

MAX_SILENCE_SECONDS = 30 * 86400.0
"""The longest silence: what is meant for longer should be a changed rule. Our judgement."""

GAP_SECONDS = 120.0
"""Ticks further apart than this leave a gap; our judgement, eight usual intervals."""

MAX_PAGE = 500
"""Incidents one request may list."""


@dataclass(frozen=True, slots=True)
class SilencePreview:
    """What a silence would keep quiet."""

    matchers: Sequence[Mapping[str, Any]]
    incidents: tuple[str, ...]
    until: float


class IncidentDesk:
    """Safe to call from several threads; *receivers* are told through the records' outbox."""

    def __init__(
        self,
        records: IncidentRecords,
        remediations: Sequence[Remediation],
        clock: Clock,
        *,
        price: GpuPrice = unknown_price,
        base_url: str = "http://127.0.0.1:8501",
        receivers: Sequence[str] = (),
        settings: DeskSettings | None = None,
    ) -> None:
        self.settings = settings or DeskSettings()
        self._records, self._clock, self._receivers = records, clock, tuple(receivers)
        self._inbox = AlertInbox(records)
        self._assembler = Assembler(Cards(remediations), price, base_url, self.settings)
        self._lock = threading.RLock()
        self._cases, self._troubles = Cases(), Troubles()
        self.maintenance = MaintenanceBook(records)
        self._ticked_at = float("-inf")
        self._load()

    # -- the loop ---------------------------------------------------------------------------------

    def tick(self, findings: Sequence[Finding], scene: Scene) -> list[Incident]:
        """Take in one tick; give the incidents that changed, durable when it returns."""
        with self._lock, no_collection(len(findings)):
            drawn, readings = draw(scene), Readings(scene)
            told = [*findings, *self._inbox.findings(scene.now)]
            take_in(self._cases, told, drawn, scene.now, self.settings, scene.interval)
            self._notice_gap(scene)
            self.maintenance.look(scene.now)
            budget = self.budget(scene.now)
            changed = []
            for case in self._touched():
                if case.live:
                    lifecycle.advance(case, drawn, readings, self.settings)
                written = self._written_up(case, drawn, readings)
                budget = self._judge(case, scene, budget)
                if case.withheld != RULE:
                    announce(case, scene.now, self.settings)
                if written or case.acts:
                    changed.append(case)
            self._cases.settle(scene.now, self.settings)
            self._keep(changed, scene.now)
            return [case.incident for case in changed]

    def alert_in(self, body: Mapping[str, Any]) -> int:
        """Take an Alertmanager webhook; its alerts are findings from the next tick on.

        Raises:
            RequestRefused: It is no webhook of version 4.
        """
        return self._inbox.receive(body, self._clock.now())

    def troubled(self) -> Mapping[str, tuple[tuple[float, float], ...]]:
        """Spans inside incidents by entity, pool and model; open ones end at infinity."""
        with self._lock:
            return self._troubles.spans()

    def budget(self, now: float) -> page_budget.Budget:
        """Pages the fleet may cause in a week, and those of the last seven days."""
        realised = self._records.acts("paged", now - page_budget.WEEK)
        return page_budget.Budget(self.settings.max_pages_per_week, realised)

    def in_maintenance(self, window: Window) -> Sequence[Incident]:
        """Incidents that go on and would be hushed by *window*, but for what was told already."""
        with self._lock:
            return [
                case.incident
                for case in self._cases.live.values()
                if all(
                    covering([window], one.mode.word, str(one.entity), one.acts_on)
                    for one in case.main()
                )
            ]

    def open_by_severity(self) -> Mapping[str, int]:
        """How many incidents go on now."""
        with self._lock:
            found = Counter(case.incident.severity.value for case in self._cases.live.values())
            return {severity.value: found[severity.value] for severity in Severity}

    # -- what a person does -----------------------------------------------------------------------

    def acknowledge(
        self, incident_id: str, who: str, text: str = "", idempotency_key: str | None = None
    ) -> Incident:
        """Somebody has it."""

        def change(case: Case, now: float) -> None:
            _refuse_resolved(case)
            if case.incident.state is IncidentState.OPEN:
                assignee = case.incident.assignee or who
                case.incident = case.incident.evolve(
                    state=IncidentState.ACKNOWLEDGED, assignee=assignee
                )
            case.act(now, "acknowledged", text, who)

        return self._act(
            incident_id, {"verb": "ack", "who": who, "text": text}, idempotency_key, change
        )

    def assign(
        self, incident_id: str, who: str, assignee: str, idempotency_key: str | None = None
    ) -> Incident:
        """Give it to somebody; an empty name gives it to nobody."""

        def change(case: Case, now: float) -> None:
            _refuse_resolved(case)
            case.incident = case.incident.evolve(assignee=assignee[:200])
            case.act(now, "assigned", assignee[:200] or "nobody", who)

        asked = {"verb": "assign", "who": who, "assignee": assignee}
        return self._act(incident_id, asked, idempotency_key, change)

    def silence(
        self,
        incident_id: str,
        who: str,
        seconds: float,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> Incident:
        """Tell nobody about it for a while.

        Raises:
            RequestRefused: No time at all, or more than a month.
        """
        if not 0.0 < seconds <= MAX_SILENCE_SECONDS:
            days = MAX_SILENCE_SECONDS / 86400.0
            raise RequestRefused("silence", f"a silence lasts more than 0 s and at most {days:g} d")

        def change(case: Case, now: float) -> Silence:
            _refuse_resolved(case)
            case.incident = case.incident.evolve(silenced_until=now + seconds)
            case.act(now, "silenced", f"for {seconds / 60.0:.0f} min: {reason}", who)
            number = f"{incident_id}-{len(case.incident.activity)}-{int(now)}"
            return Silence(number, incident_id, now, now + seconds, who, reason[:500])

        asked = {"verb": "silence", "who": who, "seconds": seconds, "reason": reason}
        return self._act(incident_id, asked, idempotency_key, change)

    def preview_silence(self, incident_id: str, seconds: float) -> SilencePreview:
        """What `silence` would match: this incident and nothing else."""
        incident = self.get(incident_id)
        return SilencePreview(matchers(incident.id), (incident.id,), self._clock.now() + seconds)

    def resolve(
        self, incident_id: str, who: str, text: str = "", idempotency_key: str | None = None
    ) -> Incident:
        """Somebody says that it is over; findings that go on will reopen it."""

        def change(case: Case, now: float) -> None:
            _refuse_resolved(case)
            case.resolved_by = who
            lifecycle.resolve(case, now, who, text)

        asked = {"verb": "resolve", "who": who, "text": text}
        return self._act(incident_id, asked, idempotency_key, change)

    def note(
        self, incident_id: str, who: str, text: str, idempotency_key: str | None = None
    ) -> Incident:
        """Write something into its history."""

        def change(case: Case, now: float) -> None:
            case.act(now, "note", text, who)

        return self._act(
            incident_id, {"verb": "note", "who": who, "text": text}, idempotency_key, change
        )

    # -- inside -----------------------------------------------------------------------------------

    def _load(self) -> None:
        now = self._clock.now()
        learnt_from = now - self.settings.learnt_from_days * 86400.0
        for kept in (*self._records.unresolved(), *self._records.resolved_since(learnt_from)):
            case = case_from_memory(kept.incident, kept.memory)
            self._cases.add(case)
            self._troubles.note(case)
        self._cases.settle(now, self.settings)

    def _notice_gap(self, scene: Scene) -> None:
        """Time in which nobody looked is no quiet time: after a gap or a restart it starts anew."""
        patience = max(GAP_SECONDS, 4.0 * scene.interval)
        if not 0.0 <= scene.now - self._ticked_at <= patience:
            for case in self._cases.live.values():
                case.quiet_from = None
        self._ticked_at = scene.now

    def _touched(self) -> Sequence[Case]:
        """Every incident that goes on, and those that this tick ended; oldest first."""
        ended = (case for case in self._cases.past.values() if case.acts)
        everyone = (*self._cases.live.values(), *ended)
        return sorted(everyone, key=lambda case: (case.incident.opened_at, case.incident.id))

    def _judge(self, case: Case, scene: Scene, budget: page_budget.Budget) -> page_budget.Budget:
        """Set how loud *case* is, never softer than it was; gives what is left to spend."""
        if not case.live:
            return budget
        now, was = scene.now, case.incident.severity
        active = [
            one
            for one in case.tracked.values()
            if one.active(now, scene.interval)
            and not lifecycle.echoes(one, case, now, scene.interval, self.settings)
        ]
        verdict = page_budget.judge(case, active, now, budget, self.settings)
        verdict = self.maintenance.quieted(case, active, verdict)
        if verdict.severity.rank > was.rank:
            case.incident = case.incident.evolve(severity=verdict.severity)
            if not any(line.what in ("opened", "reopened") for line in case.acts):
                case.act(now, "severity raised", f"{was.value} to {verdict.severity.value}")
        if verdict.withheld is not None and verdict.withheld.rule != case.withheld:
            case.act(now, "page withheld", verdict.withheld.why)
        case.withheld = verdict.withheld.rule if verdict.withheld is not None else ""
        if verdict.severity is Severity.CRITICAL and case.paged_at is None:
            case.paged_at = now
            case.act(now, "paged", case.incident.title)
            return page_budget.Budget(budget.allowed, budget.realised + 1)
        return budget

    def _written_up(self, case: Case, drawn: Map, readings: Readings) -> bool:
        """Write *case* up anew when something happened to it, or when its figures grow old."""
        now = readings.scene.now
        aged = now - case.assembled_at >= self.settings.refresh_seconds
        active = case.live and case.quiet_from is None and case.blind_from is None
        waits = not case.assembled_at and readings.write_ups_left <= 0
        if not case.acts and (waits or not (aged and active)):
            return False
        self._assembler.write_up(case, drawn, readings)
        return True

    def _keep(self, changed: Sequence[Case], now: float) -> None:
        for case in changed:
            self._troubles.note(case)
        self._troubles.forget_before(now - self.settings.learnt_from_days * 86400.0)
        if changed:
            self._records.save(
                [Kept(case.incident, case.memory()) for case in changed],
                [(case.incident.id, line) for case in changed for line in case.acts],
                [told for case in changed for told in notices(case, self._receivers, now)],
            )
        for case in changed:
            case.acts = []

    def _act(
        self,
        incident_id: str,
        asked: Mapping[str, Any],
        key: str | None,
        change: Callable[[Case, float], Silence | None],
    ) -> Incident:
        """Do one thing to one incident once, whatever is repeated, and keep it before answering."""
        asked = {**asked, "incident": incident_id}
        with self._lock:
            before = self._records.answered(key, asked) if key else None
            if before is not None:
                return before
            case, now = self._working_copy(incident_id), self._clock.now()
            ended = not case.live
            silence = change(case, now)
            self._records.save(
                [Kept(case.incident, case.memory())],
                [(incident_id, line) for line in case.acts],
                notices(case, self._receivers, now) if not ended else (),
                [silence] if silence else [],
                Answer(key, asked, case.incident, now) if key else None,
            )
            case.acts = []
            self._cases.add(case)
            self._troubles.note(case)
            return case.incident

    def _working_copy(self, incident_id: str) -> Case:
        """A case to try a change on: what cannot be kept must not be seen either."""
        case = self._cases.live.get(incident_id) or self._cases.past.get(incident_id)
        if case is None:
            kept = self._records.kept(incident_id)
            return case_from_memory(kept.incident, kept.memory)
        return replace(case, acts=list(case.acts))

    # -- what a person asks -----------------------------------------------------------------------

    def get(self, incident_id: str) -> Incident:
        """One incident; a merged one points on.

        Raises:
            NotFound: There is none with this id.
        """
        return self._records.get(incident_id)

    def list(
        self,
        state: IncidentState | None = None,
        severity: Severity | None = None,
        since: float | None = None,
        q: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Incident], str | None]:
        """A page of incidents, newest first, and the cursor of the next one."""
        wanted = Wanted(state, severity, since, q)
        return self._records.page(wanted, max(1, min(limit, MAX_PAGE)), cursor)


def _refuse_resolved(case: Case) -> None:
    incident = case.incident
    if incident.merged_into:
        raise ConflictError(
            f"{incident.id} was merged into {incident.merged_into}; act on that one"
        )
    if not case.live:
        raise ConflictError(f"{incident.id} is resolved; it reopens by itself when findings return")
