"""What is usual at this hour of the week, and how far the usual reaches.

Each earlier day of the same kind gives one observation: its values around the same time of day.
Days are the independent unit, not samples: twelve samples of one batch are one batch. On the log
scale the days are normal with unknown mean and spread; with a weak prior on the spread the next
day follows Student's t (Gelman et al., Bayesian Data Analysis, §3.3). So few weeks make a wide
band by themselves, and none make no band.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from estimators.robust import finite, median
from vocabulary.samples import Array

DAY = 86_400.0
WEEK = 7 * DAY
PRIOR_SIGMA = 0.3
"""Spread from day to day believed before any is seen, in log units (±35 %): our judgement."""
PRIOR_DAYS = 3.0
"""How many days that belief is worth."""


@dataclass(frozen=True, slots=True)
class Band:
    """The usual, and its edges."""

    expected: float
    lower: float
    upper: float
    days: int
    """How many earlier days speak."""


@dataclass(frozen=True, slots=True)
class SameHourOfWeek:
    """A band from earlier days of the same kind (the same weekday, or weekday with weekday)."""

    reach: float = 3600.0
    """Seconds around the time of day whose extremes count: one hour covers a clock change and a
    batch that starts a little late."""
    level: float = 0.99
    """Probability of the band, both sides together."""
    floor_share: float = 0.05
    """Values below this share of the history's 95th percentile are as good as that: the
    logarithm of almost nothing is noise."""

    def band(self, times: Array, values: Array, at: float) -> Band | None:
        """The band at *at* from a history that may hold NaN; None when no earlier day is known."""
        known = finite(values)
        if not known.size or known.max() <= 0.0:
            return None
        floor = max(self.floor_share * float(np.quantile(known, 0.95)), 1e-12)
        slots = self._slots(times, values, at)
        if not slots:
            return None
        middle, high, low = (np.log(np.maximum(part, floor)) for part in np.array(slots).T)
        upper = float(np.exp(self._edge(high, 1.0)))
        lower = float(np.exp(self._edge(low, -1.0)))
        expected = float(np.exp(np.median(middle)))
        return Band(expected, 0.0 if lower <= floor else lower, max(upper, expected), len(slots))

    def _slots(self, times: Array, values: Array, at: float) -> list[tuple[float, float, float]]:
        """(middle, high, low) of each earlier day of the same kind."""
        slots = []
        weekend = _weekend(at)
        for back in range(1, int((at - times[0]) // DAY) + 2):
            centre = at - back * DAY
            if back % 7 and _weekend(centre) != weekend:
                continue
            near = np.abs(times - centre) <= self.reach
            known = finite(values[near])
            if known.size < 2:
                continue
            close = finite(values[np.abs(times - centre) <= self.reach / 4])
            middle = median(close) if close.size else median(known)
            slots.append((middle, float(known.max()), float(known.min())))
        return slots

    def _edge(self, logs: Array, side: float) -> float:
        """Edge of the predictive interval of one more day."""
        size = logs.size
        freedom = PRIOR_DAYS + size - 1.0
        squares = PRIOR_DAYS * PRIOR_SIGMA**2 + float(((logs - logs.mean()) ** 2).sum())
        sigma = np.sqrt(squares / freedom * (1.0 + 1.0 / size))
        reach = float(special.stdtrit(freedom, 0.5 + self.level / 2.0))
        return float(logs.mean() + side * reach * sigma)


def _weekend(at: float) -> bool:
    """Saturday or Sunday in UTC (1970-01-01 was a Thursday)."""
    return int(at // DAY + 3) % 7 >= 5
