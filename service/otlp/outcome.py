"""What became of one request: how much was kept, what was not, and a sentence that says why."""

from collections import Counter
from dataclasses import dataclass, field

_NAMES_SHOWN = 5


@dataclass(slots=True)
class Outcome:
    """Counts by reason, with a few of the names concerned."""

    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Points, spans or records not kept, by reason. The sender is told (partial success)."""
    ignored: Counter[str] = field(default_factory=Counter)
    """What is none of our business, such as a span of a database call. Nobody is told."""
    _names: dict[str, dict[str, None]] = field(default_factory=dict)

    def refuse(self, reason: str, name: str = "", count: int = 1) -> None:
        """*count* things were not kept, because of *reason*."""
        self.refused[reason] += count
        names = self._names.setdefault(reason, {})
        if name and len(names) <= _NAMES_SHOWN:
            names[name[:100]] = None

    @property
    def rejected(self) -> int:
        """How many were refused in all."""
        return sum(self.refused.values())

    @property
    def message(self) -> str:
        """One line for the sender: `unknown metric: 3 (a.b, c.d); …`; empty when all is well."""
        parts = []
        for reason, count in sorted(self.refused.items()):
            names = list(self._names.get(reason, ()))
            shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
            parts.append(f"{reason}: {count}" + (f" ({shown})" if shown else ""))
        return "; ".join(parts)
