"""What `doctor` says: one thing looked at, how it ended, and the mend."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    """Seen."""
    ABSENT = "absent"
    """Not here, and not needed."""
    BLIND = "blind"
    """Should be seen, and is not."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    verdict: Verdict
    what: str
    mend: str = ""
