"""Growth that arrives in pieces (delta temporality), added up to the counters we keep."""

from collections import OrderedDict
from dataclasses import dataclass, field

from vocabulary.samples import Series


@dataclass(slots=True)
class _Running:
    total: float
    until: int


@dataclass(slots=True)
class Deltas:
    """One running total a series.

    The series longest silent goes first when room runs out: it then begins at zero again, which a
    reader of counters takes for a restart, not for growth.
    """

    room: int = 100_000
    """Series remembered; about 250 bytes each."""
    _running: OrderedDict[Series, _Running] = field(default_factory=OrderedDict)

    def add(self, series: Series, growth: float, start: int, end: int) -> tuple[float, bool] | None:
        """The total at *end* (Unix nanoseconds) and whether the series is new.

        None when this piece was counted before: a repeated delivery changes nothing.
        """
        known = self._running.get(series)
        if known is not None and (end <= known.until or start < known.until):
            return None
        if known is None:
            while len(self._running) >= self.room:
                self._running.popitem(last=False)
            known = self._running[series] = _Running(0.0, 0)
            new = True
        else:
            self._running.move_to_end(series)
            new = False
        known.total += growth
        known.until = end
        return known.total, new
