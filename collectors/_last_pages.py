"""The page before: where only numbers moved, only the lines that changed are read again.

Of a server's page most lines stay what they were between two scrapes, since buckets and errors that
nothing falls into stand still; on an idle one nearly all do.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter, ne
from typing import Any

NUMERIC = b"0123456789.eE+-naNiIfFtTyY"
"""All that a number is spelled with; float() is laxer and takes 1_000 and stray white space."""


@dataclass(slots=True)
class LastPage:
    """One page, line by line."""

    lines: list[bytes]
    keys: list[bytes | None]
    """What spells the series of each line; None for a line that is no sample."""
    slots: list[int]
    """Which value each line gives, counted as `values` is."""
    layout: Any
    values: list[float]

    def read(self, body: bytes) -> list[float] | None:
        """Values of *body*; None when more than numbers is new, and nothing is remembered then."""
        lines = body.split(b"\n")
        if len(lines) != len(self.lines):
            return None
        moved = list(compress(range(len(lines)), map(ne, lines, self.lines)))
        parts = [lines[index].rpartition(b" ") for index in moved]
        if list(map(_KEY, parts)) != [self.keys[index] for index in moved]:
            return None
        raws = list(map(_NUMBER, parts))
        if b"".join(raws).translate(None, NUMERIC):
            return None
        try:
            numbers = list(map(float, raws))
        except ValueError:
            return None
        values = self.values.copy()
        for index, number in zip(moved, numbers, strict=True):
            values[self.slots[index]] = number
        self.lines, self.values = lines, values
        return values


_KEY, _NUMBER = itemgetter(0), itemgetter(2)


@dataclass(slots=True)
class LastPages:
    """The last page of each source. Losing one costs time and nothing else."""

    max_bytes: int = 8 * 1024 * 1024
    """Text kept, of all pages together: 40 pages of vLLM with four engines."""
    patience: int = 4096
    """Pages read since a source was last heard of, before its place is given to another."""
    _pages: dict[str, tuple[LastPage, int, int]] = field(default_factory=dict)
    """Source → its page, that page's bytes, and the number of the reading it was last of use in;
    the one not read for longest first."""
    _bytes: int = 0
    _reads: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, source: str, body: bytes) -> tuple[Any, list[float]] | None:
        """Layout and values of *body*, when only numbers moved since the last page of *source*."""
        with self._lock:
            self._reads += 1
            entry = self._pages.pop(source, None)
            if entry is None:
                return None
            page, size, _ = entry
            self._pages[source] = page, size, self._reads
        values = page.read(body)
        return None if values is None else (page.layout, values)

    def keep(
        self, source: str, body: bytes, keys: Sequence[bytes], layout: Any, values: list[float]
    ) -> None:
        """Remember a page whose every sample is one of *keys*, a space and a number."""
        with self._lock:
            self._forget(source)
            while self._pages and self._bytes + len(body) > self.max_bytes:
                oldest = next(iter(self._pages))
                if self._reads - self._pages[oldest][2] < self.patience:
                    return  # all that are kept are in use: changing them in turn would help none
                self._forget(oldest)
            if len(body) <= self.max_bytes:
                page = _page(body, keys, layout, values)
                self._pages[source] = page, len(body), self._reads
                self._bytes += len(body)

    def _forget(self, source: str) -> None:
        _, size, _ = self._pages.pop(source, (None, 0, 0))
        self._bytes -= size


def _page(body: bytes, keys: Sequence[bytes], layout: Any, values: list[float]) -> LastPage:
    lines = body.split(b"\n")
    spelled: list[bytes | None] = []
    slots: list[int] = []
    count = 0
    for line in lines:
        sample = bool(line) and not line.startswith(b"#")
        spelled.append(keys[count] if sample else None)
        slots.append(count)
        count += sample
    return LastPage(lines, spelled, slots, layout, values)
