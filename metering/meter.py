"""The meter: follows token counters and GPU allocations, and says what they cost as they go.

One vantage is charged, since every request is seen at several: the gateway, or the engines where
there is no gateway. The counters of every vantage are booked, so that they can be compared.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from metering.accounts import Accounts, token_rate
from metering.gpu_time import GpuClock, charged_to
from metering.history import (
    Column,
    Steps,
    by_period,
    growth,
    measured,
    running_total,
    shared_seconds,
)
from metering.ledger import HOUR, Ledger
from metering.money import counted
from metering.prices import PriceBook, Unpriced
from metering.tracks import METERED, Meaning, Tracks, meaning, source_of
from vocabulary import metrics as m
from vocabulary.samples import Sample, Series, labels_of

_FOLLOWED = frozenset(
    {
        *METERED,
        *(one.name for one in (m.GPU_ALLOCATION, m.GPU_SHARE_TIME, m.GPU_INFO, m.TARGET_UP)),
    }
)
"""Series that say anything about usage: a tenth of what comes."""


class UsageMeter:
    """Turns canonical samples into cost counters and hourly bookings; threads may share it.

    Args:
        book: Prices; `accounts.book` may be replaced at any time and holds for what comes after.
        ledger: Where growth is booked; None keeps no record.
        vantage: Which one is charged; empty charges the gateway once one is seen, else engines.
        flush_seconds: Event time between two commits of the bookings.
    """

    def __init__(
        self,
        book: PriceBook,
        ledger: Ledger | None = None,
        *,
        vantage: str = "",
        flush_seconds: float = 60.0,
    ) -> None:
        self.accounts = Accounts(book, vantage)
        self._lock = threading.RLock()
        self._ledger = ledger
        self._flush_seconds = flush_seconds
        self._flushed_at: float | None = None
        readings = {} if ledger is None else _restored(ledger)
        self._tracks = Tracks(readings)
        self.accounts.gateway_seen = any(k.label("vantage") == "gateway" for k in readings)
        self._clock = GpuClock()

    @property
    def late(self) -> int:
        """Readings that came after newer ones of the same counter, and were passed over."""
        return self._tracks.late

    def observe(self, samples: Iterable[Sample]) -> list[Sample]:
        """Follow one batch; gives the cost counters it touched, as they now stand."""
        with self._lock:
            return self._observe(samples)

    def _observe(self, samples: Iterable[Sample]) -> list[Sample]:
        touched: dict[Series, float] = {}
        allocations, shares = [], []
        counters = []
        for sample in samples:
            if sample.series.name not in _FOLLOWED:
                continue
            if sample.series.name in METERED and sample.value >= 0:
                counters.append((meaning(sample.series), sample))
            elif sample.series.name == m.GPU_ALLOCATION.name:
                allocations.append(sample)
            elif sample.series.name == m.GPU_SHARE_TIME.name:
                shares.append(sample)
            elif sample.series.name == m.GPU_INFO.name:
                self._learn(sample.series)
            elif sample.series.name == m.TARGET_UP.name and sample.value == 1.0:
                self._tracks.read(source_of(sample.series), sample.at)
        self.accounts.gateway_seen |= any(what.vantage == "gateway" for what, _ in counters)
        for what, (_, value, at) in counters:
            moved = self.accounts.tokens(what, counted(self._tracks.growth(what, value, at)), at)
            if moved is not None:
                touched[moved] = max(at, touched.get(moved, at))
        for held in self._clock.held(allocations, shares):
            moved = self.accounts.gpu(held.charged_to, held.gpu, held.seconds, held.at)
            if moved is not None:
                touched[moved] = held.at
        self._flush_when_due([at for _, (_, _, at) in counters])
        return [self.accounts.show(series, at) for series, at in touched.items()]

    def flush(self) -> None:
        """Commit what has been counted since the last commit."""
        if self._ledger is None:
            return
        with self._lock:
            readings = {_text(key): reading for key, reading in self._tracks.readings.items()}
            self._ledger.book_counters(self.accounts.take_bookings(), readings)

    def history(self, columns: Sequence[Column]) -> list[Column]:
        """Cost counters of a whole past at once, from which `observe` then goes on.

        Each series once, times ascending; the same growth rules hold. What is booked is exact,
        and the cost columns are the binary floats that metrics are. Commits at the end.
        """
        with self._lock:
            return self._history(columns)

    def _history(self, columns: Sequence[Column]) -> list[Column]:
        parts: dict[Series, list[Steps]] = defaultdict(list)
        for series, _, _ in columns:
            if series.name == m.GPU_INFO.name:
                self._learn(series)
        counters = [
            (meaning(series), *measured(times, values))
            for series, times, values in columns
            if series.name in METERED
        ]
        self._past_counters([one for one in counters if len(one[1])], parts)
        self._past_allocations([c for c in columns if c[0].name == m.GPU_ALLOCATION.name], parts)
        self.flush()
        result = []
        for series, steps in parts.items():
            times, values = running_total(steps)
            self.accounts.go_on_from(series, float(values[-1]))
            result.append((series, times, values))
        return result

    def _past_counters(
        self,
        counters: Sequence[tuple[Meaning, np.ndarray, np.ndarray]],
        parts: dict[Series, list[Steps]],
    ) -> None:
        since: dict[object, float] = {}
        for what, times, _ in counters:
            since[what.source] = min(float(times[0]), since.get(what.source, np.inf))
        self.accounts.gateway_seen |= any(what.vantage == "gateway" for what, *_ in counters)
        for what, times, values in counters:
            began = since[what.source] < times[0]
            steps = growth(values, began_at_zero=bool(began))
            self._tracks.place(what, float(values[-1]), float(times[-1]), since[what.source])
            moved = None
            for begins, grown in by_period(times, steps, HOUR):
                moved = self.accounts.tokens(what, counted(grown), begins)
            if moved is not None:
                price = self.accounts.book.token_price(what.model)
                usd = (
                    1.0 if isinstance(price, Unpriced) else float(token_rate(price, what.kinds[0]))
                )
                parts[moved].append((times, steps * usd))

    def _past_allocations(
        self, columns: Sequence[Column], parts: dict[Series, list[Steps]]
    ) -> None:
        by_gpu: dict[str, list[Column]] = defaultdict(list)
        for series, times, values in columns:
            by_gpu[series.label("gpu")].append((series, *measured(times, values)))
        for gpu, sharing in by_gpu.items():
            for (series, _, _), (times, seconds) in zip(
                sharing, shared_seconds(sharing, self._clock.max_gap_seconds), strict=True
            ):
                if len(times):
                    self._past_gpu(series, gpu, (times, seconds), parts)

    def _past_gpu(
        self, series: Series, gpu: str, held: Steps, parts: dict[Series, list[Steps]]
    ) -> None:
        whom = charged_to(series.labels)
        self._clock.place(series.labels, float(held[0][-1]))
        moved = None
        for begins, seconds in by_period(*held, HOUR):
            moved = self.accounts.gpu(whom, gpu, counted(round(seconds, 3)), begins)
        price = self.accounts.gpu_price(gpu)
        if moved is not None and not isinstance(price, Unpriced):
            parts[moved].append((held[0], held[1] * (float(price.usd_per_hour) / 3600.0)))

    def _learn(self, series: Series) -> None:
        self.accounts.products[series.label("gpu")] = series.label("product")

    def _flush_when_due(self, moments: Sequence[float]) -> None:
        if not moments:
            return
        now = max(moments)
        if self._flushed_at is None:
            self._flushed_at = now
        elif now - self._flushed_at >= self._flush_seconds:
            self._flushed_at = now
            self.flush()


def _text(key: Series) -> str:
    return json.dumps([key.name, *key.labels])


def _restored(ledger: Ledger) -> dict[Series, tuple[float, float]]:
    found = {}
    for text, reading in ledger.readings().items():
        name, *pairs = json.loads(text)
        found[Series(name, labels_of((k, v) for k, v in pairs))] = reading
    return found
