"""Somebody else's work on a shared GPU slows a replica."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, by, say, span
from detectors._shift import Shift, shifted
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
SHARES = Watch(signals.GPU_SHARE_UTILIZATION, LOOKBACK, 60.0, every=60.0)
ITL = Watch(signals.ITL_MEAN, LOOKBACK, 60.0, every=60.0)
MADE = Watch(signals.OUTPUT_TOKEN_RATE, LOOKBACK, 60.0, every=60.0)
_SOMEBODY = frozenset({"pod", "unallocated"})
"""Owners of a share that work; the rest of a GPU is idle or nobody's."""


@dataclass(frozen=True, slots=True)
class NoisyNeighbour(Detector):
    """A replica on a shared GPU slows when a neighbour there begins to work.

    Time slicing isolates neither time nor memory, so what one takes the other waits for. MIG
    instances are isolated and left out; so is a replica that slows under more load of its own,
    which is what it makes: its batch grows also where steps are slow, by Little's law. Weights are
    read once for all of a batch, so that time between tokens grows by less than the root of the
    load (our judgement), until the cache is full.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.NOISY_NEIGHBOUR
    watches: ClassVar[tuple[Watch, ...]] = (SHARES, ITL, MADE)

    foreign: float = 0.15
    """Utilisation that neighbours make, from which they can be felt."""
    more: float = 2.0
    """That utilisation over before."""
    slower: float = 1.2
    """Time between tokens over before, and over what more load explains; 1.2 to 2 times is
    reported."""
    siblings: int = 2
    """Others of its pool from which on it is judged beside them too."""
    recent_seconds: float = 600.0
    """The newest stretch that is judged."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that a neighbour slows."""
        paces, loads = by(scene.frame(ITL), "replica"), by(scene.frame(MADE), "replica")
        found: set[str] = set()
        rows = [pair for pair in scene.frame(SHARES).rows() if not pair[0].get("mig")]
        for labels, _row in rows:
            gpu, replica = labels.get("gpu", ""), labels.get("replica", "")
            if not gpu or replica in found or replica not in paces or replica not in loads:
                continue
            others = [(told, row) for told, row in rows
                      if told.get("gpu") == gpu and told.get("replica", "") != replica
                      and told.get("owner") in _SOMEBODY]  # fmt: skip
            if not others:
                continue
            foreign = np.sum([np.nan_to_num(row) for _told, row in others], axis=0)
            shift = self._slowed(scene, foreign, paces[replica], loads[replica])
            shift = shift or self._beside(scene, foreign, replica, paces, loads)
            if shift is not None:
                found.add(replica)
                loudest = max(others, key=lambda pair: average(np.nan_to_num(pair[1])[-20:]))
                yield self._finding(scene, replica, gpu, shift, foreign, loudest[0])

    def _slowed(self, scene: Scene, foreign: Array, pace: Array, load: Array) -> Shift | None:
        times, begin = scene.frame(SHARES).times, scene.now - self.recent_seconds
        past = (float(times[0]), begin - 300.0)
        now, before = (average(span(times, foreign, *one)) for one in ((begin, scene.now), past))
        if not now >= max(self.foreign, self.more * before):
            return None
        own, usual = (average(span(times, load, *one)) for one in ((begin, scene.now), past))
        explained = max(1.0, own / usual) ** 0.5 if usual > 0.0 else float("nan")
        shift = shifted(times, pace, recent=self.recent_seconds, now=scene.now, least=self.slower)
        slowed = shift is not None and shift.ratio >= self.slower * explained
        return shift if slowed else None

    def _beside(
        self,
        scene: Scene,
        foreign: Array,
        replica: str,
        paces: Mapping[str, Array],
        loads: Mapping[str, Array],
    ) -> Shift | None:
        """The same beside its siblings, whom the hour and bursts of calls hit alike."""
        known = scene.replica(replica)
        others = [one.entity.id for one in scene.replicas
                  if known and one.pool == known.pool and one.entity.id != replica
                  and one.entity.id in paces and one.entity.id in loads]  # fmt: skip
        if len(others) < self.siblings:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            pace, load = (
                rows[replica] / np.mean([rows[one] for one in others], axis=0)
                for rows in (paces, loads)
            )
        found = self._slowed(scene, foreign, pace, load)
        if found is None:
            return None
        times = scene.frame(ITL).times
        after = average(span(times, paces[replica], scene.now - self.recent_seconds, scene.now))
        return Shift(after / found.ratio, after, found.since)

    def _finding(
        self,
        scene: Scene,
        replica: str,
        gpu: str,
        shift: Shift,
        foreign: Array,
        neighbour: Mapping[str, str],
    ) -> Finding:
        known = scene.replica(replica)
        entity = known.entity if known else identity.replica(replica)
        who = "/".join(filter(None, (neighbour.get("namespace"), neighbour.get("pod"))))[:80]
        text = (
            f"{entity.label} decodes {shift.ratio:.1f} times as slowly since "
            f"{who or 'another process'} works on its GPU."
        )
        taken = average(foreign[-20:])
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=shift.since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.8,
            evidence=(
                say(
                    ITL, entity, shift.since, scene.now, text,
                    observed=shift.after, expected=shift.before,
                ),
                say(
                    SHARES, identity.gpu(gpu), shift.since, scene.now,
                    f"Neighbours keep the GPU busy for {taken:.0%} of the time.",
                    observed=taken, upper=self.foreign,
                ),
            ),
            text=text,
            pool=known.pool if known else "",
            model=known.model if known else "",
            related=(identity.gpu(gpu),),
        )  # fmt: skip
