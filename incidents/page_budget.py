"""What wakes a person, what makes a ticket: one rule for the whole fleet, with a count kept.

Pages are for symptoms people feel and for money that runs away (rules of Google's SRE book and of
Prometheus' alerting practices). A critical finding pages at once when its detector has already
waited for it; otherwise when a second family of evidence agrees or when it has lasted, and while
the week's budget is not spent.
"""

from dataclasses import dataclass

from incidents.settings import DeskSettings
from incidents.tracking import Case, Tracked
from vocabulary import failure_modes as f
from vocabulary.failure_modes import Severity

EVENTS = frozenset({f.ENGINE_STALLED, f.ENGINE_DEAD, f.GPU_LOST, f.GPU_MEMORY_FAULT})
"""Modes that are plain when they are there; their detectors wait for them."""

MONEY = frozenset({f.COST_SPIKE, f.RUNAWAY_AGENT, f.LEAKED_KEY})
"""Modes whose detectors say critical by dollars an hour, and wait for those too."""

AT_ONCE = EVENTS | MONEY
"""What no second opinion is asked for, and no budget keeps quiet about."""

PAGES = AT_ONCE | {
    f.RETRY_STORM,
    f.ERROR_BURST,
    f.LATENCY_BURN,
    f.KV_EXHAUSTION,
    f.CAPACITY_SHORTAGE,
    f.THROUGHPUT_REGRESSION,
    f.TARGET_HUNG,
    f.TARGETS_GONE,
}
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
class Withheld:
    """Why critical findings make a ticket for now."""

    rule: str
    """`list`, `persistence` or `budget`."""
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How loud an incident is, and why it is not louder."""

    severity: Severity
    withheld: Withheld | None = None


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
    withheld = _withheld(critical, active, now, budget, settings)
    return Verdict(Severity.CRITICAL if withheld is None else Severity.WARNING, withheld)


def _withheld(
    critical: list[Tracked],
    active: list[Tracked],
    now: float,
    budget: Budget,
    settings: DeskSettings,
) -> Withheld | None:
    pageable = [one for one in critical if one.mode in PAGES]
    if not pageable:
        mode = critical[0].mode.word
        return Withheld("list", f"{mode} makes a ticket; a page comes with what people feel")
    if any(one.mode in AT_ONCE for one in pageable):
        return None
    lasted = now - min(one.first_at for one in pageable)
    if lasted < settings.persistence_seconds and len({one.mode.family for one in active}) < 2:
        limit = settings.persistence_seconds
        why = f"one family of evidence for {lasted:.0f} s; it pages at {limit:.0f} s, or with two"
        return Withheld("persistence", why)
    if budget.spent:
        spent = f"{budget.realised} of {budget.allowed} pages in a week"
        return Withheld("budget", f"the fleet's page budget is spent: {spent}")
    return None
