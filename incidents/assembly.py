"""An incident written up from its findings: causes, impact, evidence, actions, page text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar
from urllib.parse import quote

from incidents import causes, evidence, impact, root_search
from incidents.announcement import alert_name
from incidents.cards import Cards
from incidents.correlation import root
from incidents.forecast import forecast
from incidents.headline import headline, sketch, title
from incidents.places import Map
from incidents.readings import Readings
from incidents.settings import DeskSettings
from incidents.tracking import Case, Tracked
from incidents.traffic import near
from vocabulary.entities import Entity
from vocabulary.incidents import EvidenceRecord, Impact, Incident

MAX_ENTITIES = 100


@dataclass(frozen=True, slots=True)
class Assembler:
    """Everything it takes to write an incident up."""

    cards: Cards
    price: impact.GpuPrice
    base_url: str
    settings: DeskSettings

    def write_up(self, case: Case, drawn: Map, readings: Readings) -> None:
        """Bring everything but life cycle and severity of *case* up to date.

        When its findings have stopped, causes, evidence and impact stay those of the trouble.
        """
        scene, tracked = readings.scene, case.main()
        if not case.assembled_at and readings.write_ups_left <= 0:
            self._sketch(case, tracked)
            return
        readings.write_ups_left -= not case.assembled_at
        if any(one.active(scene.now, scene.interval) for one in tracked):
            case.incident = self._diagnosed(case, tracked, drawn, readings)
        elif not case.live:
            case.incident = case.incident.evolve(impact=_at_its_worst(case))
        else:
            entities = _entities(case.incident.entity, case)
            case.incident = case.incident.evolve(entities=entities)
        incident = case.incident.evolve(actions=self.cards.offered(case.incident, scene))
        case.incident = incident.evolve(title=title(incident), headline=headline(incident))
        case.assembled_at = scene.now

    def _sketch(self, case: Case, tracked: Sequence[Tracked]) -> None:
        """What and where, of an incident that a later tick writes up: nobody waits for a storm."""
        links = self.links(case.incident.id, tracked[0])
        incident = case.incident.evolve(entities=_entities(case.incident.entity, case), links=links)
        case.incident = incident.evolve(title=title(incident), headline=sketch(incident))

    def _diagnosed(
        self, case: Case, tracked: Sequence[Tracked], drawn: Map, readings: Readings
    ) -> Incident:
        first, old = root(tracked, self.settings), case.incident
        since = min(old.opened_at, *(one.since for one in tracked))
        traffic = near(old.changes, tracked, since, readings, self.settings)
        found = causes.nearby(readings.scene.changes, tracked, since, self.settings, traffic)
        changes = found or old.changes
        cost = impact.assess(tracked, since, drawn, readings, self.price, self.settings)
        case.worst_usd = _more(case.worst_usd, cost.usd_per_hour)
        return old.evolve(
            failure_mode=first.mode,
            entity=first.entity,
            pool=_first(one.pool for one in (first, *tracked)),
            model=_first(one.model for one in (first, *tracked)),
            since=since,
            entities=_entities(first.entity, case),
            tenants=impact.tenants(tracked),
            impact=replace(
                _grown(old.impact, cost),
                forecast=forecast(case.incident.pool, cost, readings, self.settings),
            ),
            changes=changes,
            causes=causes.rank(tracked, changes, readings, self.settings),
            evidence=evidence.gather(
                (*old.evidence, *_movers(case, tracked, drawn, readings)),
                case.tracked.values(),
                self.settings.max_evidence,
            ),
            links=self.links(old.id, first),
        )

    def links(self, incident_id: str, first: Tracked) -> tuple[tuple[str, str], ...]:
        """Where to read on: the incident's own page, which never moves, and its runbook."""
        page = f"{self.base_url.rstrip('/')}/incident?id={quote(incident_id)}"
        runbooks = self.settings.runbook_base.rstrip("/")
        if not runbooks:
            return (("Incident", page),)
        return (("Incident", page), ("Runbook", f"{runbooks}/{alert_name(first.mode)}.md"))


def _movers(
    case: Case, tracked: Sequence[Tracked], drawn: Map, readings: Readings
) -> Sequence[EvidenceRecord]:
    """What moved first, looked for once, where nothing that was found says why."""
    first = not case.assembled_at and readings.searches_left > 0
    if not first or not root_search.unforeseen(tracked):
        return ()
    readings.searches_left -= 1
    return root_search.moved(tracked, drawn, readings.scene)


def _entities(first: Entity, case: Case) -> tuple[Entity, ...]:
    everyone = (first, *(one.entity for one in case.main()))
    context = (one.entity for one in case.tracked.values())
    return tuple(dict.fromkeys((*everyone, *context)))[:MAX_ENTITIES]


def _first(names: Iterable[str]) -> str:
    return next((name for name in names if name), "")


def _grown(old: Impact, new: Impact) -> Impact:
    """The newest figures; what was counted once becomes neither unknown again nor less."""
    requests = _more(old.requests_affected, new.requests_affected)
    tokens = _more(old.tokens_lost, new.tokens_lost)
    burnt = _more(old.slo_budget_burnt, new.slo_budget_burnt)
    basis = new.basis
    if (requests, tokens) != (new.requests_affected, new.tokens_lost):
        basis = f"{basis}; the most that was counted at any time"
    everybody = [*(old.tenants_hit or ()), *(new.tenants_hit or ())]
    hit = tuple(dict.fromkeys(everybody))[: impact.MOST_TENANTS] if everybody else new.tenants_hit
    return replace(
        new,
        requests_affected=requests,
        tokens_lost=tokens,
        slo_budget_burnt=burnt,
        tenants_hit=hit,
        basis=basis,
    )


def _at_its_worst(case: Case) -> Impact:
    """Impact of what is over: dollars an hour fade while findings do, so the most is told."""
    told = case.incident.impact
    if case.worst_usd is None or case.worst_usd == told.usd_per_hour:
        return replace(told, forecast="")
    return replace(
        told,
        forecast="",
        usd_per_hour=case.worst_usd,
        basis=f"{told.basis}; dollars an hour at their worst",
    )


Amount = TypeVar("Amount", float, Decimal)


def _more(old: Amount | None, new: Amount | None) -> Amount | None:
    return max((one for one in (old, new) if one is not None), default=None)
