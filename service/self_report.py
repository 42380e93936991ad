"""The page we offer to a scraper: the newest value of every canonical series, and how we are."""

import math
import threading
from collections.abc import Callable, Iterable

from service.exposition import render
from vocabulary.samples import Sample, Series

MOST_SERIES = 100_000
"""Series on the page; beyond it new ones are left out. Our judgement: 10 MB of text."""
FORGET_SECONDS = 300.0
"""Event time without a new value after which a series leaves the page: Prometheus' own look-back.
An agent that died must not leave counters behind that look like a stalled engine."""


class SelfReport:
    """Remembers newest values; series that ended, or that nobody renews, leave the page."""

    def __init__(self, own: Callable[[], Iterable[Sample]] = tuple) -> None:
        self.own = own
        """What is true at the moment of asking: ages, counts of refusals."""
        self._newest: dict[Series, Sample] = {}
        self._latest = 0.0
        self._lock = threading.Lock()

    def take(self, samples: Iterable[Sample]) -> None:
        """Take a batch."""
        with self._lock:
            newest, latest = self._newest, self._latest
            for sample in samples:  # the whole of every round: names are looked up once
                series, value, at = sample
                latest = max(latest, at)
                if math.isnan(value):
                    newest.pop(series, None)
                elif len(newest) < MOST_SERIES or series in newest:
                    newest[series] = sample
            self._latest = latest

    def page(self) -> bytes:
        """Prometheus text format 0.0.4."""
        with self._lock:
            horizon = self._latest - FORGET_SECONDS
            self._newest = {
                series: sample for series, sample in self._newest.items() if sample.at >= horizon
            }
            newest = list(self._newest.values())
        return render([*newest, *self.own()]).encode()
