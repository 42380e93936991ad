"""What wakes a person, what makes a ticket: one rule for the whole fleet, with a count kept.

Pages are for symptoms people feel and for money that runs away (rules of Google's SRE book and of
Prometheus' alerting practices). A critical finding pages at once when it is an event, that is
when its detector has already waited for it; otherwise when a second family of evidence agrees or
when it has lasted. The week's budget is spent on nothing else.
"""

from dataclasses import dataclass
from decimal import Decimal

from incidents.settings import DeskSettings
from incidents.tracking import Case, Tracked
from vocabulary import failure_modes as f
from vocabulary.failure_modes import Severity

EVENTS = frozenset({f.ENGINE_STALLED, f.ENGINE_DEAD, f.GPU_LOST, f.GPU_MEMORY_FAULT})
"""Modes that are plain when they are there; their detectors wait for them."""

MONEY = frozenset({f.COST_SPIKE, f.RUNAWAY_AGENT, f.LEAKED_KEY})
"""Modes that page by dollars an hour."""

PAGES = EVENTS | MONEY | {f.RETRY_STORM, f.ERROR_BURST, f.LATENCY_BURN, f.TARGETS_GONE}
"""The closed list. Everything else makes a ticket and burns no sleep: if people feel it, one of
these says so too."""

WEEK = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How many pages the fleet may cause in seven days, and how many it did."""

    allowed: int
    realised: int

    @property
    def spent(self) -> bool:
        """Nothing is left."""
        return self.realised >= self.allowed


@dataclass(frozen=True, slots=True)
class Verdict:
    """How loud an incident is, and why it is not louder."""

    severity: Severity
    withheld: str = ""


def judge(
    case: Case, active: list[Tracked], now: float, budget: Budget, settings: DeskSettings
) -> Verdict:
    """Severity of *case*, whose *active* findings hold now."""
    worst = max((one.severity for one in active), key=lambda one: one.rank, default=Severity.INFO)
    if worst is not Severity.CRITICAL:
        return Verdict(worst)
    if case.paged_at is not None:
        return Verdict(Severity.CRITICAL)
    critical = [one for one in active if one.severity is Severity.CRITICAL]
    reason = _not_yet(critical, active, now, case.incident.impact.usd_per_hour, settings)
    if not reason and budget.spent and not _always(critical):
        reason = (
            f"the fleet's page budget is spent: {budget.realised} of {budget.allowed} in a week"
        )
    return Verdict(Severity.WARNING, reason) if reason else Verdict(Severity.CRITICAL)


def _always(critical: list[Tracked]) -> bool:
    """A budget never keeps quiet about a dead engine or a runaway bill."""
    return any(one.mode in EVENTS | MONEY for one in critical)


def _not_yet(
    critical: list[Tracked],
    active: list[Tracked],
    now: float,
    usd_per_hour: Decimal | None,
    settings: DeskSettings,
) -> str:
    """Why these critical findings make a ticket for now; empty when they page."""
    pageable = [one for one in critical if one.mode in PAGES]
    if not pageable:
        return f"{critical[0].mode.word} makes a ticket; a page comes with what people feel"
    if any(one.mode in EVENTS for one in pageable):
        return ""
    if all(one.mode in MONEY for one in pageable):
        limit = Decimal(str(settings.page_above_usd_per_hour))
        if usd_per_hour is not None and usd_per_hour < limit:
            return f"{usd_per_hour} USD/h is below the {limit} USD/h that page"
    families = {one.mode.family for one in active}
    lasted = now - min(one.first_at for one in pageable)
    if len(families) < 2 and lasted < settings.persistence_seconds:
        return (
            f"one family of evidence for {lasted:.0f} s; it pages when it lasts or another agrees"
        )
    return ""
