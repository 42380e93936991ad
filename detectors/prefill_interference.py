"""Whoever is decoding is held up by the long prompts of others."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, middle, say, span
from estimators.bursts import share_burst
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.expressions import Signal
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0


def _watch(signal: Signal) -> Watch:
    return Watch(signal, LOOKBACK, 60.0, every=60.0)


GAPS = _watch(signals.LONG_GAPS)
MEDIAN = _watch(signals.ITL_MEDIAN)
PROMPT = _watch(signals.PROMPT_LENGTH)
PREEMPTIONS = _watch(signals.PREEMPTION_RATE)
TOKENS = _watch(signals.OUTPUT_TOKEN_RATE)


@dataclass(frozen=True, slots=True)
class PrefillInterference(Detector):
    """Some gaps between tokens grew very long, most did not, and prompts did.

    A step that computes a long prompt holds every answer in the batch up. A slow engine is slower
    at every token, preemption holds up those that were thrown out, a frozen engine has no longer
    prompts: each is another failure.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.PREFILL_INTERFERENCE
    watches: ClassVar[tuple[Watch, ...]] = (GAPS, MEDIAN, PROMPT, PREEMPTIONS, TOKENS)

    hold_seconds: float = 600.0
    """How long it must last."""
    share_of_time: float = 0.6
    """Share of that time in which it must be so: long prompts come in no even rhythm."""
    least_share: float = 0.0003
    """Share of gaps longer than half a second: one in 3000 halts about one answer in ten."""
    times_share: float = 4.0
    """The same over before."""
    bunched: float = 2.0
    """How much more halts scatter than independent ones: long prompts come in rows. A halt is
    one event, however many answers it holds up. Our judgement."""
    chance: float = 1e-5
    """Probability of so many halts by chance: a few long prompts in ten minutes are no news."""
    flat: float = 1.2
    """Median gap over before, at most: the middle must not have moved. A release that is a quarter
    slower makes long prompts hold answers up for longer too, and is another failure."""
    longer: float = 1.08
    """Prompt tokens for each request over before: one call in a hundred hardly moves a mean."""
    preemptions_per_second: float = 0.02
    """From here on recomputing explains it."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose answers halt; one finding where several of a pool do."""
        rows = {watch: by(scene.frame(watch), "replica") for watch in self.watches}
        found: dict[str, list[tuple[Replica, float]]] = {}
        for one in scene.replicas:
            mine = {watch: row.get(one.entity.id) for watch, row in rows.items()}
            since = self._since(scene, {w: row for w, row in mine.items() if row is not None})
            if since is not None:
                found.setdefault(one.pool, []).append((one, since))
        for pool, hit in found.items():
            yield self._finding(scene, pool, hit)

    def _since(self, scene: Scene, row: dict[Watch, Array]) -> float | None:
        if not {GAPS, MEDIAN, PROMPT, TOKENS} <= set(row):
            return None
        times, begin = scene.frame(GAPS).times, scene.now - self.hold_seconds
        if PREEMPTIONS in row:
            thrown = average(span(times, row[PREEMPTIONS], begin, scene.now))
            if thrown >= self.preemptions_per_second:
                return None
        usual = {w: middle(span(times, row[w], 0.0, begin - 600.0)) for w in (GAPS, MEDIAN, PROMPT)}
        lately = {w: average(span(times, row[w], begin, scene.now)) for w in (GAPS, MEDIAN, PROMPT)}
        if not all(np.isfinite(value) for value in (*usual.values(), *lately.values())):
            return None
        limit = max(self.least_share, self.times_share * usual[GAPS])
        gaps = span(times, row[GAPS], begin, scene.now)
        if (
            np.mean(gaps >= limit) < self.share_of_time
            or lately[MEDIAN] > self.flat * usual[MEDIAN]
        ):
            return None
        rate = average(span(times, row[TOKENS], begin, scene.now))
        longer = lately[PROMPT] >= self.longer * usual[PROMPT]
        if not (longer and self._more(lately[GAPS], usual[GAPS], rate, lately[MEDIAN])):
            return None
        return min(run_start(times, row[GAPS], row[GAPS] >= 0.5 * limit) or begin, begin)

    def _more(self, share: float, usual: float, rate: float, gap: float) -> bool:
        """Whether *share* of the gaps were long more often than chance has it.

        A long prompt holds up all answers of the batch: *rate* tokens a second at one *gap* each.
        The past is as long as is looked back on, at the median share: starts do not count.
        """
        if not rate > 0.0:
            return False
        made, past = rate * self.hold_seconds, rate * LOOKBACK
        halt = self.bunched * max(rate * gap, 1.0)
        burst = share_burst(share * made, made, usual * past, past, halt)
        return burst is not None and burst.p_value < self.chance

    def _finding(self, scene: Scene, pool: str, hit: list[tuple[Replica, float]]) -> Finding:
        first = hit[0][0]
        entity = identity.pool(pool) if len(hit) > 1 and pool else first.entity
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=min(since for _, since in hit),
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.75,
            evidence=tuple(line for one in hit[:6] for line in self._evidence(scene, *one)),
            text=f"Answers of {entity.label} halt for longer than half a second while long prompts "
            "are computed beside them.",
            pool=pool,
            model=first.model,
            related=tuple(one.entity for one, _ in hit)[:50],
        )

    def _evidence(self, scene: Scene, one: Replica, since: float) -> Iterable[Evidence]:
        times, begin = scene.frame(GAPS).times, scene.now - self.hold_seconds
        for watch, text in (
            (GAPS, "{:.2%} of gaps between tokens are longer than half a second, {:.2%} before."),
            (PROMPT, "{:.0f} prompt tokens for each request, {:.0f} before."),
        ):
            row = by(scene.frame(watch), "replica")[one.entity.id]
            now = average(span(times, row, begin, scene.now))
            usual = middle(span(times, row, 0.0, since - 60.0))
            if np.isfinite(usual):
                yield say(
                    watch, one.entity, since, scene.now, text.format(now, usual),
                    observed=now, expected=usual,
                )  # fmt: skip
