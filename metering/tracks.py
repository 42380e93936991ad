"""Counters one by one: what a series counts, and by how much it grew, resets allowed for.

Growth is taken per series first and summed afterwards, so that one restarted replica neither goes
below zero nor eats what the others counted.
"""

from dataclasses import dataclass
from functools import lru_cache

from vocabulary import metrics as m
from vocabulary.samples import Labels, Series, labels_of

TOKEN_KINDS = {
    m.INPUT_TOKENS.name: "input",
    m.INPUT_TOKENS_CACHED.name: "cached",
    m.OUTPUT_TOKENS.name: "output",
}
CALL_KINDS = {
    m.GATEWAY_OPERATIONS.name: ("operations", "status"),
    m.GATEWAY_ATTEMPTS.name: ("attempts", "outcome"),
}
METERED = frozenset((*TOKEN_KINDS, *CALL_KINDS))
"""Names of the series a meter follows."""
_SOURCE = ("cluster", "node", "namespace", "pod", "replica")
_CHARGED_TO = ("cluster", "namespace", "tenant", "model", "pool", "vantage")
_VOLATILE = ("version",)
"""Labels that may turn up late on a series that goes on counting."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one series counts, and for whom."""

    kinds: tuple[str, ...]
    """What its growth is booked as."""
    key: Series
    """The series without volatile labels: what makes two samples one counter's."""
    source: Labels
    """The target it was read from."""
    tenant: str
    model: str
    pool: str
    vantage: str
    charged_to: Labels
    """Labels of the cost it makes."""


@lru_cache(maxsize=65536)
def meaning(series: Series) -> Meaning:
    """What *series* counts; only for names in METERED."""
    labels = dict(series.labels)
    kinds: tuple[str, ...]
    if series.name in TOKEN_KINDS:
        kinds = (TOKEN_KINDS[series.name],)
    else:
        kind, outcome = CALL_KINDS[series.name]
        kinds = (kind, f"{kind}_failed") if labels.get(outcome) == "error" else (kind,)
    return Meaning(
        kinds,
        Series(series.name, labels_of((k, v) for k, v in series.labels if k not in _VOLATILE)),
        source_of(series),
        labels.get("tenant", ""),
        labels.get("model", ""),
        labels.get("pool", ""),
        labels.get("vantage", ""),
        labels_of((k, v) for k, v in series.labels if k in _CHARGED_TO),
    )


def source_of(series: Series) -> Labels:
    """Labels of the target that *series* was read from."""
    return labels_of((k, v) for k, v in series.labels if k in _SOURCE)


class Tracks:
    """The last reading of every counter, and growth since.

    The first reading of a counter is growth only where its target was read before: then the
    counter is new and began at zero, be it the target's first counter of all (a gateway shows none
    until somebody calls). Otherwise it may have counted for weeks before we came.
    """

    def __init__(self, readings: dict[Series, tuple[float, float]] | None = None) -> None:
        self._last = dict(readings or {})
        self._first_seen: dict[Labels, float] = {}
        self.late = 0
        """Readings older than the newest of their counter: passed over."""

    def read(self, source: Labels, at: float) -> None:
        """The target was read at this moment, whatever it counted."""
        self._first_seen.setdefault(source, at)

    def growth(self, what: Meaning, value: float, at: float) -> float:
        """By how much the counter grew since its last reading; never negative."""
        known_since = self._first_seen.setdefault(what.source, at)
        last = self._last.get(what.key)
        if last is not None and at <= last[1]:
            self.late += at < last[1]
            return 0.0
        self._last[what.key] = (value, at)
        if last is None:
            return value if known_since < at else 0.0
        return value - last[0] if value >= last[0] else value

    def place(self, what: Meaning, value: float, at: float, since: float) -> None:
        """Go on from a reading that history ends with; its source was seen *since*."""
        self._last[what.key] = (value, at)
        known = self._first_seen.get(what.source, since)
        self._first_seen[what.source] = min(known, since)

    @property
    def readings(self) -> dict[Series, tuple[float, float]]:
        """Value and time of the last reading of every counter."""
        return self._last
