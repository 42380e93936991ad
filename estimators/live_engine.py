"""How odd every series of a fleet is right now: one vectorised update a tick, O(1) state.

Live, in a replay and for a file it is the same code: rows may come one by one or in blocks, and
the scores are the same to the bit. A series advances with its own samples alone: a missing value
teaches nothing and says nothing, late rows are refused and counted. While a series is *frozen*
(an incident is open) its bands follow, so that a lasting change does not surprise for ever, and
what is usual for it stays untouched. `point_anomaly` says what a score means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from estimators.averages import NARROW, Numbers
from estimators.engine_state import TINY, State, fresh, gathered, scattered
from estimators.oddness import Oddness
from estimators.point_anomaly import PointAnomaly
from vocabulary.samples import Array

Flags = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp] | slice

GRID = 16
"""Rows between two moments at which a look may happen; blocks are cut there."""
CELLS = 1 << 15
"""Values worked on at once: what lies between is kept in the processor's cache."""
LARGEST = 1e28
"""Values further from where a series began are as good as that: single precision ends there."""
KIN = 8
"""Grown series a family needs before a new one begins with what they have learnt."""
GROWN = 500
"""Rows of a grown series."""
MOST_BETWEEN_LOOKS = 4096
"""What is counted between two looks must fit into 16 bits."""


@dataclass(slots=True)
class LiveEngine:
    """Scores for all series that come every *step* seconds."""

    judge: PointAnomaly
    step: float
    late: int = 0
    """Values refused because their row was older than the newest."""
    state: State = field(init=False)
    rows: int = 0
    """Rows fed so far."""
    now: float = float("-inf")
    _began: float = 0.0
    _oddness: Oddness = field(init=False)

    def __post_init__(self) -> None:
        self.state = fresh(len(self.judge.half_lives), 0)
        self._oddness = Oddness(self.judge, self.step)

    def __len__(self) -> int:
        return len(self.state["age"])

    @property
    def bytes_a_series(self) -> int:
        """State of one series."""
        return sum(part.nbytes for part in self.state.values()) // max(1, len(self))

    def levels(self, band: int) -> Array:
        """Where each series was lately: one of its averages."""
        found: Array = self.state["reference"] + self.state["averages"][band]
        return found

    # -- series that come and go ------------------------------------------------------------------

    def add(self, count: int, family: int = 0, least: float = 0.0) -> None:
        """Append *count* series of one *family*, calibrated from their kin where there are any.

        A movement of *least* in the series' unit is nothing, however still it stood before.
        """
        new = fresh(len(self.judge.half_lives), count)
        new["family"][:] = family
        new["least"][:] = max(least, TINY)
        new["patience"][:] = self.judge.warm_up
        kin = np.flatnonzero((self.state["family"] == family) & (self.state["age"] >= GROWN))
        if kin.size >= KIN:
            self._oddness.inherit(new, gathered(self.state, kin[:: max(1, kin.size // 512)]))
        self.state = {
            name: np.concatenate([part, new[name]], axis=-1) for name, part in self.state.items()
        }

    def keep(self, slots: npt.NDArray[np.intp]) -> None:
        """Keep these series alone, in this order; the rest is forgotten."""
        self.state = {name: part[..., slots].copy() for name, part in self.state.items()}

    def figures(self) -> dict[str, float]:
        """What the columns do not hold."""
        began, now = self._began, self.now if self.rows else 0.0
        return {"rows": self.rows, "now": now, "began": began, "late": self.late}

    def go_on(self, state: State, figures: Mapping[str, float]) -> None:
        """Take the place of an engine whose columns and figures were kept."""
        self.state, self.rows, self.late = state, int(figures["rows"]), int(figures["late"])
        self.now = figures["now"] if self.rows else float("-inf")
        self._began = figures["began"]

    # -- rows -------------------------------------------------------------------------------------

    def update(self, at: float, values: Array, frozen: Flags | None = None) -> Numbers:
        """Scores of one tick, NaN where a value is missing, late or too early to judge."""
        scores: Numbers = self.update_block(np.array([at]), values[None], frozen)[0]
        return scores

    def update_block(self, times: Array, values: Array, frozen: Flags | None = None) -> Numbers:
        """Scores of several ticks, [time, series]; *frozen* holds for all of them."""
        scores = np.full(values.shape, np.nan, np.float32)
        if not values.size:
            return scores
        if self.rows == 0:
            self._began = float(times[0])
        newest = np.maximum.accumulate(np.concatenate([[self.now], times]))
        in_time = times >= newest[:-1]
        self.late += int(np.isfinite(values[~in_time]).sum())
        rows = np.flatnonzero(in_time)
        ticks = np.rint((times[rows] - self._began) / self.step).clip(-2e9, 2e9).astype(np.int32)
        still = np.zeros(len(self), np.bool_) if frozen is None else frozen
        done = 0
        while done < len(rows):
            count = min(len(rows) - done, self._until_look())
            part = rows[done : done + count]
            block = values[part[0] : part[-1] + 1] if _gapless(part) else values[part]
            found = self._segment(block, ticks[done : done + count], still)
            scores[part] = found
            done += count
            self.rows += count
            self._look()
        self.now = float(newest[-1])
        return scores

    def _until_look(self) -> int:
        """Rows until the next moment at which any series may be due for a look."""
        age, looked = self.state["age"], self.state["looked"]
        waits = looked + self._between_looks(looked) - age
        least = max(1, int(waits.min())) if waits.size else GRID
        return -(-(self.rows + least) // GRID) * GRID - self.rows

    def _segment(self, values: Array, ticks: npt.NDArray[np.int32], frozen: Flags) -> Numbers:
        """Rows between two looks."""
        scores = np.full(values.shape, np.nan, np.float32)
        width = max(NARROW, CELLS // len(values))
        away = bool((np.diff(ticks) > self.judge.stale).any())
        for first in range(0, len(self), width):
            columns = slice(first, min(first + width, len(self)))
            block, still = values[:, columns], frozen[columns]
            known = np.isfinite(block)
            if known.all() and not still.any() and not away:
                scores[:, columns] = self._feed(columns, block, ticks, learn=True)
                continue
            for rows, chosen, learn in _even_parts(known, still, ticks, self.judge.stale):
                slots = first + chosen
                cells = np.ix_(rows, chosen)
                found = self._feed(slots, block[cells], ticks[rows], learn=learn)
                scores[np.ix_(rows, slots)] = found
        return scores

    def _feed(
        self, slots: Slots, values: Array, ticks: npt.NDArray[np.int32], *, learn: bool
    ) -> Numbers:
        """Advance some series by rows in which each of them has a value."""
        part = gathered(self.state, slots)
        new = part["age"] == 0
        if new.any():
            part["reference"][new] = values[0, new]
        apart = np.clip(values - part["reference"], -LARGEST, LARGEST).astype(np.float32)
        lost = ~new & (ticks[0] - part["seen"] > self.judge.stale)
        if lost.any():
            part["averages"][:, lost] += apart[0, lost] - part["averages"][0, lost]
            part["before"][:, lost] = 0.0
        part["seen"][:] = ticks[-1]
        scores = self._oddness.advance(part, apart, ticks, learn=learn)
        scattered(self.state, slots, part)
        return scores

    # -- looks ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Turn what was counted since the last look into shapes and tails."""
        if self.rows % GRID:
            return
        state = self.state
        age, looked = state["age"], state["looked"]
        due = np.flatnonzero(age - looked >= self._between_looks(age))
        for first in range(0, due.size, CELLS // 4):
            slots = due[first : first + CELLS // 4]
            part = gathered(state, slots)
            self._oddness.look(part)
            scattered(state, slots, part)

    def _between_looks(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Rows until the next look after so many."""
        return np.clip(rows // 50, self.judge.block, MOST_BETWEEN_LOOKS)


def _gapless(rows: npt.NDArray[np.intp]) -> bool:
    return int(rows[-1] - rows[0]) == len(rows) - 1


def _even_parts(
    known: Flags, frozen: Flags, ticks: npt.NDArray[np.int32], stale: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], bool]]:
    """Rows and columns whose cells are all known, in order of time for each column.

    Few columns go one after the other with all their rows, cut where they were away for long;
    many go row by row.
    """
    if len(frozen) <= NARROW:
        for column in range(len(frozen)):
            rows = np.flatnonzero(known[:, column])
            cuts = np.flatnonzero(np.diff(ticks[rows]) > stale) + 1
            for part in np.split(rows, cuts):
                if part.size:
                    yield part, np.array([column]), not frozen[column]
        return
    for row in range(len(known)):
        for learn in (True, False):
            chosen = np.flatnonzero(known[row] & (frozen != learn))
            if chosen.size:
                yield np.array([row]), chosen, learn


def scored(judge: PointAnomaly, times: Array, values: Array, step: float) -> Array:
    """Scores of one series whose rows are all there, in order of time."""
    engine = LiveEngine(judge, step)
    engine.add(1)
    return engine.update_block(times, values[:, None])[:, 0].astype(np.float64)
