"""An engine died when its GPU's memory was full."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, middle, say, span
from estimators.onset import Flags
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 1800.0
MEMORY = Watch(signals.GPU_MEMORY_SHARE, LOOKBACK, 15.0)
UP = Watch(signals.TARGET_UP, LOOKBACK, 15.0)


@dataclass(frozen=True, slots=True)
class CudaOom(Detector):
    """A replica died within a minute of its GPU's memory rising to the brim.

    An engine takes most of the memory at its start and no more: what rises later is activations of
    a long input. A replica whose GPU always was that full tells nothing. The host's memory is
    another matter: Kubernetes says OOMKilled then, and this is not it.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.CUDA_OOM
    watches: ClassVar[tuple[Watch, ...]] = (MEMORY, UP)

    brim: float = 0.98
    """Share of device memory in use from which the next allocation fails. Our judgement."""
    rise: float = 0.01
    """Least rise over what is usual, as a share of device memory."""
    before_seconds: float = 90.0
    """How long before the death the memory may have been full: a look every 15 s, and the time it
    takes to notice that nobody answers."""
    news_seconds: float = 900.0
    """How long a death is news."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica that died of it."""
        memory = by(scene.frame(MEMORY), "gpu")
        for one in scene.replicas:
            if not any(gpu in memory for gpu in one.gpus):
                continue
            for at in sorted(self._deaths(scene, one), reverse=True):
                full = [
                    (gpu, *seen)
                    for gpu in one.gpus
                    if gpu in memory
                    for seen in [self._full(scene, memory[gpu], at)]
                    if seen is not None
                ]
                if full:
                    yield self._finding(scene, one, at, full)
                    break

    def _deaths(self, scene: Scene, one: Replica) -> set[float]:
        """When its page began to refuse, in the time that is news."""
        frame = scene.frame(UP)
        nowhere: Flags = np.zeros(len(frame.times), dtype=bool)
        read, refused = nowhere.copy(), nowhere.copy()
        for labels, row in frame.rows():
            if labels.get("replica") == one.entity.id:
                read |= row == 1.0
                refused |= row == 0.0
        begins = np.flatnonzero(refused[1:] & read[:-1]) + 1
        found = {float(frame.times[index]) for index in begins}
        for change in scene.changes:
            if change.kind == "restart" and change.entity == one.entity:
                if "OOMKilled" in change.what:
                    return set()
                found.add(change.at)
        return {at for at in found if scene.now - at <= self.news_seconds}

    def _full(self, scene: Scene, row: Array, at: float) -> tuple[float, float] | None:
        """The fullest it was just before, and what is usual; None when it was not full."""
        times = scene.frame(MEMORY).times
        just = span(times, row, at - self.before_seconds, at)
        long_before = span(times, row, 0.0, at - self.before_seconds - 15.0)
        usual = middle(long_before[long_before > 0.5] if long_before.size else long_before)
        if not np.isfinite(just).any() or not np.isfinite(usual):
            return None
        most = float(np.nanmax(just))
        return (most, usual) if most >= self.brim and most - usual >= self.rise else None

    def _finding(
        self, scene: Scene, one: Replica, at: float, full: list[tuple[str, float, float]]
    ) -> Finding:
        since = at - self.before_seconds / 2.0
        return Finding(
            failure_mode=self.failure_mode,
            entity=one.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.85,
            evidence=tuple(
                say(
                    MEMORY, identity.gpu(gpu), since, at,
                    f"{most:.1%} of device memory in use just before it died, {usual:.1%} usually.",
                    observed=most, expected=usual, upper=self.brim,
                )
                for gpu, most, usual in full[:8]
            ),
            text=f"{one.entity.label} died when its GPU's memory was full.",
            pool=one.pool,
            model=one.model,
            related=tuple(identity.gpu(gpu) for gpu, _, _ in full),
        )  # fmt: skip
