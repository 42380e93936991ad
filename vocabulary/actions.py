"""Plans as data: what could be done, what it would do, how to tell that it worked."""

from dataclasses import dataclass
from enum import StrEnum


class Autonomy(StrEnum):
    """How many people must say yes."""

    ONE_CLICK = "A1"
    APPROVAL = "A2"
    TWO_PEOPLE = "A3"


@dataclass(frozen=True, slots=True)
class Action:
    """One remediation proposed for one incident. Nothing here acts."""

    id: str
    """Deterministic: incident id and card."""
    card: str
    """`R01`…`R25`."""
    title: str
    autonomy: Autonomy
    precondition: str
    """What must be true first, with what was seen: `leaves 3 of 4 replicas`."""
    command: str
    """Exactly what to type or call."""
    dry_run: str
    """How to see what it would do; says so where no dry run exists."""
    verify: str
    """What to watch afterwards, with a deadline."""
    undo: str
    risk: str
    """Blast radius in words."""
    met: bool | None = None
    """Whether the precondition holds now; None when it cannot be told from here."""
