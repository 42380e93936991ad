"""Which minutes of which replica ran as before a change, and which as after it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from estimators.onset import Flags
from incidents.verdict_words import Span
from vocabulary import signals as s
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame

Ask = Callable[[Signal, float, float, float], Frame]
"""A signal from, to, at a step in seconds."""

STEP = 60.0
WARM_UP = 600.0
"""After a start caches fill and graphs are captured, for two to ten minutes; and means look back
five minutes."""
BEFORE = 4 * 3600.0
"""Seconds before a change that are compared: the load model wants to see busy and calm hours."""
AFTER = 2 * 3600.0
"""Seconds after which nothing more is learnt: what happens later has other reasons too."""
ROLLS = 3600.0
"""A replica that begins anew within this time was rolled; rollouts take 5 to 30 minutes."""

_UNCACHED = frozenset({s.PROMPT_PER_STEP, s.INPUT_TOKEN_RATE, s.PROMPT_LENGTH})
"""Loads of which only what no cache held is work."""


@dataclass(slots=True)
class Sides:
    """A pool over the span of a change, signal by signal and replica by replica."""

    ask: Ask
    pool: str
    span: Span
    node: str = ""
    """Where the change was one of a node: its replicas are judged, beside those elsewhere."""
    model: str = ""
    """The one that is served now: another model is another baseline."""
    times: Array = field(default_factory=lambda: np.empty(0))
    names: list[str] = field(default_factory=list)
    before: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    after: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    """Shape (replicas, minutes)."""
    same: bool = True
    """The same replicas are on both sides."""
    beside: tuple[Flags, Flags] | None = None
    """Before and after of replicas on other nodes: what befell them too was not the node's doing.
    None where the change was not one of a node."""
    _frames: dict[str, Frame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        alive = self.frame(s.RUNNING_MEAN).where(pool=self.pool)
        ages = [(_newest(row), labels.get("model", "")) for labels, row in alive.rows()]
        self.model = max(ages, default=(0, ""))[1]
        rows = _by_replica(alive.where(model=self.model))
        begun = _by_replica(self.frame(s.ENGINE_START).where(pool=self.pool, model=self.model))
        self.times, self.names = alive.times, sorted(rows)
        self._take_sides([self._start(rows[name], begun.get(name)) for name in self.names])

    def frame(self, signal: Signal) -> Frame:
        """*signal* over the span, of everybody; asked for once."""
        if signal.name not in self._frames:
            self._frames[signal.name] = self.ask(signal, *grid_of(self.span), STEP)
        return self._frames[signal.name]

    def grid(self, signal: Signal) -> Array | None:
        """*signal* by replica and minute; None when it was not measured at all."""
        rows = _by_replica(self.frame(signal).where(pool=self.pool, model=self.model))
        if not rows or not self.names:
            return None
        blank = np.full(len(self.times), np.nan)
        return np.array([rows.get(name, blank) for name in self.names])

    def loads(self, wanted: Sequence[Sequence[Signal]]) -> Array:
        """Loads side by side, each by the best measure there is: (replicas, minutes, loads)."""
        kept = [one for one in map(self._best, wanted) if one is not None]
        empty = np.empty((len(self.names), len(self.times), 0))
        return np.stack(kept, axis=2) if kept else empty

    def _best(self, measures: Sequence[Signal]) -> Array | None:
        for signal in measures:
            grid = self.grid(signal)
            if grid is not None and np.isfinite(grid).any():
                return grid * self._computed() if signal in _UNCACHED else grid
        return None

    def _computed(self) -> Array:
        """Share of prompt tokens that no cache held; all of them where none was asked."""
        hits = self.grid(s.PREFIX_HIT_RATIO)
        everything = np.ones((len(self.names), len(self.times)))
        return everything if hits is None else 1.0 - np.clip(np.nan_to_num(hits), 0.0, 1.0)

    def _start(self, row: Array, told: Array | None) -> Array:
        """When the process of each minute began; minus infinity where that was before the span."""
        starts = np.full(len(self.times), -np.inf)
        born = self.times[np.flatnonzero(np.isfinite(row))[:1]]
        if born.size and born[0] > self.span.first:
            starts[:] = born[0]
        return starts if told is None else np.where(np.isfinite(told), told, starts)

    def _take_sides(self, starts: Sequence[Array]) -> None:
        begun = np.array(starts).reshape(len(self.names), len(self.times))
        if self.node:
            self._take_node(self.times >= begun + WARM_UP)
            return
        anew = (begun >= self.span.first - STEP) & (begun <= self.span.last + ROLLS)
        if not anew.any():  # nothing began anew: the change took hold where it was
            self.before = np.broadcast_to(self.times < self.span.first, begun.shape)
            since = self.span.last + WARM_UP
            self.after = np.broadcast_to(self.times >= since, begun.shape)
            return
        warm = self.times >= begun + WARM_UP
        self.before, self.after = ~anew & warm, anew & warm
        both = self.before.any(axis=1) & self.after.any(axis=1)
        self.same = bool((both == anew.any(axis=1)).all())

    def _take_node(self, warm: Flags) -> None:
        """Replicas of the node speak for both sides, and those elsewhere beside them.

        A pod that was replaced meanwhile has another name: the whole pool is then what was before.
        """
        on = on_node(self.frame(s.TARGET_UP), self.node)
        here = np.array([name in on for name in self.names], dtype=bool)[:, None]
        old, new = self.times < self.span.first, self.times >= self.span.last + WARM_UP
        self.before, self.after = here & warm & old, here & warm & new
        self.beside = (~here & warm & old, ~here & warm & new)
        both = self.before.any(axis=1) & self.after.any(axis=1)
        self.same = bool((both == self.after.any(axis=1)).all())
        if not self.same:
            self.before = warm & old


def grid_of(span: Span) -> tuple[float, float]:
    """First and last minute of *span*."""
    start, end = (float(np.floor(at / STEP) * STEP) for at in (span.start, span.end))
    return start, end


def on_node(up: Frame, node: str) -> Mapping[str, str]:
    """Replicas that ran on *node* at any time of the frame of target_up, with their pools."""
    return {
        labels["replica"]: labels.get("pool", "")
        for labels, _ in up.rows()
        if labels.get("node") == node and labels.get("replica")
    }


def _by_replica(frame: Frame) -> Mapping[str, Array]:
    return {labels.get("replica", ""): row for labels, row in frame.rows()}


def _newest(row: Array) -> int:
    known = np.flatnonzero(np.isfinite(row))
    return int(known[-1]) if known.size else -1
