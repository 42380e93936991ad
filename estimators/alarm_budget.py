"""From scores to alarms that a whole fleet can afford: so many false ones a week, and no threshold.

Alpha-spending over time. The budget is divided evenly over all entities and hours; an entity
alarms in an hour when the highest evidence it showed is rarer than its part. The expected number
of false alarms is the sum of the parts whatever depends on whatever, because expectations add
(Foster and Stine 2008, alpha-investing; Xu and Ramdas 2024 give the same guarantee with e-values,
where it must hold for evidence of unknown law; here the law is measured). An hour and not a row
is the unit, because rows of one hour repeat each other.

How rare evidence is, is read off what the fleet itself has shown: the highest evidence of every
entity and hour of the last weeks, counted in bins. Beyond what was seen often enough the excess
over a high level is exponential (Pickands 1975; scores are logarithms of chances). What is left
wrong shows in the alarms that were made, and the next parts are corrected by them.

Entities differ in how restless they are. Half of the highest evidence that an entity has shown in
an hour so far, fading over weeks, is taken off its evidence: what it often does is no news.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vocabulary.samples import Array

Flags = npt.NDArray[np.bool_]
WEEK = 7 * 86_400.0
HOUR = 3600.0
MEMORY = 672.0
"""Hours in which what the fleet has shown, and the alarms that correct it, fade by half: four
weeks, our judgement. Before, an hour weighs as much as hours have passed: a fleet that begins
shows more than one that is known."""
BIN, LOWEST, HIGHEST = 0.05, -5.0, 60.0
OFTEN = 25.0
"""Hours of entities beyond a level from which its rareness is simply counted: one in five wrong."""
FAR = 200.0
"""Most hours of entities whose excess says how evidence falls off."""
YOUNG = 500.0
"""Hours of entities below which what public series showed speaks as well."""
HABIT = 0.5
"""Share of an entity's highest evidence that is taken off: our choice on public sets of servers and
services (ASD, JumpStarter, SMD), where it found a third more troubles at a tight budget."""
HABIT_FADE = 0.1 / 24.0
"""By how much that highest evidence fades in an hour: within weeks."""
DOUBT = 5.0
"""Alarms' worth of belief that the parts are right."""
PUBLIC_LEVEL, PUBLIC_DECADE = 2.8, 1.35
"""Score that one in a day of a series exceeds, and what a tenth of that costs: measured on NAB,
Microsoft cloud, SMD and AIOps KPI series."""


def corroborated(scores: Array, entity: npt.NDArray[np.intp], family: npt.NDArray[np.intp],
                 entities: int, families: int) -> Array:  # fmt: skip
    """Evidence of each entity: the second highest of its families' highest scores.

    One family alone, however loud, is no evidence: two kinds of figures must agree. NaN where
    fewer than two families are known.
    """
    highest = np.full(entities * families, -np.inf)
    known = np.isfinite(scores)
    np.maximum.at(highest, entity[known] * families + family[known], scores[known])
    table = highest.reshape(entities, families)
    second: Array = np.partition(table, families - 2, axis=1)[:, families - 2]
    return np.where(np.isfinite(second), second, np.nan)


@dataclass(slots=True)
class AlarmBudget:
    """Which entities alarm, so that about *per_week* false alarms a week come from all of them."""

    per_week: float
    counts: Array = field(default_factory=lambda: np.zeros(round((HIGHEST - LOWEST) / BIN)))
    """Highest evidence of entities and hours, in bins."""
    nominal: float = 0.0
    """Alarms the budget allowed, fading over weeks."""
    realised: float = 0.0
    """Alarms made, fading alike."""
    bar: float = np.inf
    """Evidence from which an entity alarms now."""
    hours: float = 0.0
    """Hours that were judged."""
    over: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Entities whose evidence is beyond the bar now, muted ones too."""
    _usual: Array = field(default_factory=lambda: np.empty(0))
    """Highest evidence of each entity in an hour, fading."""
    _newcomers: float = 0.0
    """What a new entity begins with: the middle of the others."""
    _hour: int = -1
    _highest: Array = field(default_factory=lambda: np.empty(0))
    _alarmed: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """The last hour in which each entity was alarmed."""

    def tick(self, at: float, evidence: Array, muted: Flags | None = None) -> Flags:
        """Entities whose alarm begins now; from *muted* ones (an incident is open) nothing is
        learnt and nothing is said. Entities may be added at the end.
        """  # noqa: D205 - one sentence does not hold it
        self._grow(len(evidence))
        hour = int(at // HOUR)
        if hour != self._hour:
            self._close(hour)
        heard = np.isfinite(evidence) if muted is None else np.isfinite(evidence) & ~muted
        news = self.news(evidence)
        np.fmax(self._highest, np.where(heard, news, np.nan), out=self._highest)
        self.over = np.nan_to_num(news, nan=-np.inf) >= self.bar
        over = heard & self.over
        new = over & (self._alarmed < hour - 1)
        self._alarmed[over] = hour
        self.realised += float(new.sum())
        return new

    def news(self, evidence: Array) -> Array:
        """What is left of evidence once the habits of the entities are taken off."""
        left: Array = evidence - HABIT * self._usual
        return left

    def keep(self, slots: npt.NDArray[np.intp]) -> None:
        """Keep these entities alone, in this order."""
        self._highest, self._alarmed = self._highest[slots], self._alarmed[slots]
        self._usual = self._usual[slots]

    @property
    def correction(self) -> float:
        """By how much the parts are larger than the budget says, because of what became of them."""
        return float(np.clip((self.nominal + DOUBT) / (self.realised + DOUBT), 0.2, 5.0))

    def as_json(self) -> dict[str, Any]:
        """What must survive a restart; what an hour has shown so far need not."""
        filled = np.flatnonzero(self.counts)
        return {
            "counts": [[int(at), float(self.counts[at])] for at in filled],
            "nominal": self.nominal,
            "realised": self.realised,
            "hours": self.hours,
            "hour": self._hour,
            "bar": self.bar if np.isfinite(self.bar) else None,
            "usual": self._newcomers,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on where another one stopped."""
        for at, count in kept["counts"]:
            if 0 <= int(at) < len(self.counts):
                self.counts[int(at)] = float(count)
        self.nominal, self.realised = float(kept["nominal"]), float(kept["realised"])
        self.hours, self._hour = float(kept["hours"]), int(kept["hour"])
        self.bar = np.inf if kept["bar"] is None else float(kept["bar"])
        self._newcomers = float(kept.get("usual", 0.0))

    def _grow(self, entities: int) -> None:
        more = entities - len(self._highest)
        if more > 0:
            self._highest = np.concatenate([self._highest, np.full(more, np.nan)])
            self._alarmed = np.concatenate([self._alarmed, np.full(more, -9, np.int64)])
            self._usual = np.concatenate([self._usual, np.full(more, self._newcomers)])

    def _close(self, hour: int) -> None:
        """An hour is over: count what it showed, and divide the budget anew."""
        shown = self._highest[np.isfinite(self._highest)]
        passed = 0 if self._hour < 0 else min(hour - self._hour, 24 * 28)
        self.hours += passed
        fade = min(0.5 ** (passed / MEMORY), max(0.0, 1.0 - 2.0 * passed / (self.hours + 2.0)))
        self.counts *= fade
        self.nominal = self.nominal * fade + (self.per_week * HOUR / WEEK if shown.size else 0.0)
        self.realised *= fade
        bins = ((shown - LOWEST) / BIN).clip(0, len(self.counts) - 1).astype(np.intp)
        self.counts += np.bincount(bins, minlength=len(self.counts))
        shown_now = np.nan_to_num(self._highest + HABIT * self._usual, nan=0.0)
        self._usual = np.maximum(self._usual - HABIT_FADE * passed, shown_now)
        self._newcomers = float(np.median(self._usual)) if self._usual.size else self._newcomers
        self._highest[:] = np.nan
        self._hour = hour
        entities = max(shown.size, len(self._highest), 1)
        part = self.per_week * HOUR / WEEK / entities * self.correction
        self.bar = self._level(min(part, 0.5))

    def _level(self, part: float) -> float:
        """Evidence that is exceeded in this part of all hours of entities."""
        seen = float(self.counts.sum())
        public = PUBLIC_LEVEL - PUBLIC_DECADE * float(np.log10(24.0 * part))
        if seen < YOUNG:
            return max(public, self._tail(part, seen)) if seen >= OFTEN else public
        return self._tail(part, seen)

    def _tail(self, part: float, seen: float) -> float:
        beyond = np.cumsum(self.counts[::-1])[::-1]
        edges = LOWEST + BIN * np.arange(len(self.counts))
        wanted = part * seen
        if wanted >= OFTEN:
            return float(np.interp(-wanted, -beyond, edges))
        far = min(FAR, max(OFTEN, 0.02 * seen))
        at = int(np.flatnonzero(beyond >= min(far, beyond[0]))[-1])
        level, many = float(edges[at]), float(beyond[at])
        excess = float((self.counts[at:] * (edges[at:] + BIN / 2.0 - level)).sum()) / many
        return level + excess * float(np.log(many / wanted))
