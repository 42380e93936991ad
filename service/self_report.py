"""The page we offer to a scraper: the newest value of every canonical series we have."""

import math
import threading
from collections.abc import Iterable

from service.exposition import render
from vocabulary.samples import Sample, Series

MOST_SERIES = 100_000
"""Series on the page; beyond it new ones are left out. Our judgement: 10 MB of text."""


class SelfReport:
    """Remembers newest values; series that ended leave the page."""

    def __init__(self) -> None:
        self._newest: dict[Series, Sample] = {}
        self._lock = threading.Lock()

    def take(self, samples: Iterable[Sample]) -> None:
        """Take a batch."""
        with self._lock:
            for sample in samples:
                if math.isnan(sample.value):
                    self._newest.pop(sample.series, None)
                elif sample.series in self._newest or len(self._newest) < MOST_SERIES:
                    self._newest[sample.series] = sample

    def page(self) -> bytes:
        """Prometheus text format 0.0.4."""
        with self._lock:
            newest = list(self._newest.values())
        return render(newest).encode()
