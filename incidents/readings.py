"""Series of one tick by who they are about, looked up once for all incidents."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocabulary.expressions import By, Expr, Rate, Scaled, Signal
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch
from vocabulary.signals import TARGET_UP

LOOKBACK = 7200.0
"""Seconds of the past that impact is counted over; a longer incident says so in its basis."""
STEP = 60.0


@dataclass(slots=True)
class Readings:
    """The last two hours by minute, evaluated only when an incident asks."""

    scene: Scene
    searches_left: int = 5
    """Root-cause searches that this tick still has time for: a storm must not wait for them."""
    write_ups_left: int = 1250
    """New incidents that this tick writes up in full; of more it says what and where, and the next
    ticks write them up. Our judgement: a second and a half of work."""
    traffic_left: int = 50
    """Incidents whose traffic this tick still has time to look at."""
    _rows: dict[tuple[str, str], tuple[Array, dict[str, Array]]] = field(default_factory=dict)
    _parts: dict[tuple[tuple[str, ...], str, frozenset[str]], tuple[Array, dict[str, Array]]] = (
        field(default_factory=dict)
    )

    def series(self, signal: Signal, label: str, value: str) -> tuple[Array, Array] | None:
        """Times and values where *label* is *value*, summed over the rest; None when unmeasured."""
        times, rows = self._by(signal, label)
        row = rows.get(value)
        return None if row is None or bool(np.all(np.isnan(row))) else (times, row)

    def replicas_of(self, signal: Signal, pool: str) -> Array:
        """One row for each replica of *pool* that *signal* was measured of, by minute."""
        frame = self.scene.frame(Watch(signal, LOOKBACK, STEP, every=STEP)).where(pool=pool)
        return np.array([row for _, row in frame.rows()]) if not frame.empty else np.empty((0, 0))

    def now(self, signal: Signal, label: str, value: str) -> float | None:
        """The value of this minute or the one before; None when neither is known."""
        found = self.series(signal, label, value)
        if found is None:
            return None
        newest = found[1][-2:]
        known = newest[~np.isnan(newest)]
        return float(known[-1]) if known.size else None

    def latest(self, signal: Signal, label: str, values: Iterable[str]) -> float | None:
        """Sum of the newest known values over *values*; None when none is known."""
        found = [self.series(signal, label, value) for value in values]
        known = [float(row[~np.isnan(row)][-1]) for _, row in filter(None, found)]
        return sum(known) if known else None

    def total(
        self, signal: Signal, label: str, values: Iterable[str], since: float
    ) -> float | None:
        """A rate added up since a moment, over *values*; None when none is known."""
        amounts = []
        for value in values:
            found = self.series(signal, label, value)
            if found is not None:
                times, row = found
                amounts.append(float(np.nansum(row[times > since])) * STEP)
        return sum(amounts) if amounts else None

    def happened(
        self, signal: Signal, label: str, values: Iterable[str], since: float
    ) -> float | None:
        """As `total`, without what happened before the moment.

        A rate looks back: what its first values tell of the time before is taken off.
        """
        amounts = []
        for value in values:
            found = self.series(signal, label, value)
            if found is not None:
                amounts.append(_since(*found, since, window_of(signal.expr)))
        return sum(amounts) if amounts else None

    def parts(
        self, signals: Sequence[Signal], label: str, models: Collection[str]
    ) -> tuple[Array, dict[str, Array]]:
        """Times, and what each *label* has of *signals* at *models*; unknown minutes are 0."""
        key = (tuple(one.name for one in signals), label, frozenset(models))
        if key not in self._parts:
            self._parts[key] = self._added_up(signals, label, models)
        return self._parts[key]

    def _added_up(
        self, signals: Iterable[Signal], label: str, models: Collection[str]
    ) -> tuple[Array, dict[str, Array]]:
        found: dict[str, Array] = {}
        times: Array = np.empty(0)
        for signal in signals:
            frame = self.scene.frame(Watch(signal, LOOKBACK, STEP, every=STEP))
            times = frame.times
            for labels, row in frame.rows():
                name = labels.get(label, "")
                if name and labels.get("model") in models:
                    found[name] = found.get(name, np.zeros(len(row))) + np.nan_to_num(row)
        return times, found

    def shortfall(self, signal: Signal, replica: str, since: float) -> float | None:
        """What a replica that stopped did less than its usual rate since a moment.

        Minutes without a value count as none: it is known that nothing was done in them. None
        when its usual rate is not known.
        """
        found = self.series(signal, "replica", replica)
        usual = self._usual(signal, replica, since)
        if found is None or usual is None:
            return None
        times, row = found
        made = np.nan_to_num(row[times > since])
        return max(0.0, float(np.sum(usual - made)) * STEP)

    def _usual(self, signal: Signal, replica: str, since: float) -> float | None:
        """Median before a moment (five minutes clear of it); None with less than five values."""
        found = self.series(signal, "replica", replica)
        if found is None:
            return None
        times, row = found
        before = row[(times < since - 300.0) & ~np.isnan(row)]
        return float(np.median(before)) if len(before) >= 5 else None

    def gateway_seen(self) -> bool:
        """Whether a gateway's page is read now; True where no gateway was ever read."""
        found = self.series(TARGET_UP, "vantage", "gateway")
        return found is None or bool(np.nan_to_num(found[1][-1]) > 0.0)

    def _by(self, signal: Signal, label: str) -> tuple[Array, dict[str, Array]]:
        key = (signal.name, label)
        if key not in self._rows:
            self._rows[key] = self._read(signal, label)
        return self._rows[key]

    def _read(self, signal: Signal, label: str) -> tuple[Array, dict[str, Array]]:
        frame = self.scene.frame(Watch(signal, LOOKBACK, STEP, every=STEP))
        rows: dict[str, Array] = {}
        for labels, row in frame.rows():
            name = labels.get(label, "")
            rows[name] = _added(rows[name], row) if name in rows else row
        return frame.times, rows


def window_of(expr: Expr) -> float:
    """Seconds that a rate looks back; 0 for what looks at the moment."""
    if isinstance(expr, Rate):
        return expr.window
    return window_of(expr.expr) if isinstance(expr, By | Scaled) else 0.0


def _since(times: Array, row: Array, since: float, window: float) -> float:
    """Events of a rate after a moment, by minute, less those of its window before it."""
    after = times > since
    before = row[~after & ~np.isnan(row)]
    usual = float(before[-1]) if before.size else 0.0
    older = np.clip(1.0 - (times[after] - since) / max(window, 1e-9), 0.0, 1.0) * usual
    told = np.nan_to_num(row[after])
    return float(np.sum(np.maximum(told - older, 0.0))) * STEP


def _added(one: Array, other: Array) -> Array:
    total: Array = np.nansum([one, other], axis=0)
    total[np.isnan(one) & np.isnan(other)] = np.nan
    return total
