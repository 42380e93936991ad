"""How many series strangers may bring: the newest do not push out those that still report."""

from dataclasses import dataclass, field

from vocabulary.samples import Series


@dataclass(slots=True)
class SeriesBudget:
    """Series seen of late, up to *room*; what has been silent makes room."""

    room: int = 20_000
    """A thousand client processes of twenty series each; about 3 MB."""
    silence_seconds: float = 3600.0
    """A series silent for this long is forgotten when room is short."""
    _seen: dict[Series, float] = field(default_factory=dict)

    def admit(self, series: Series, now: float) -> bool:
        """Whether *series* is within the budget at *now* (Unix seconds)."""
        if series not in self._seen and len(self._seen) >= self.room:
            horizon = now - self.silence_seconds
            self._seen = {one: at for one, at in self._seen.items() if at > horizon}
            if len(self._seen) >= self.room:
                return False
        self._seen[series] = now
        return True
