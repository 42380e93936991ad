"""One GPU runs slower than its siblings under the same load, and its replica waits for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import by, middle, say, span
from detectors._throttling import THROTTLED, faulty_reasons
from estimators.onset import run_start
from estimators.peer_comparison import others_median, robust_z
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Gpu
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

CLOCK = Watch(signals.GPU_SM_CLOCK, 3600.0, 30.0)
BUSY = Watch(signals.GPU_UTILIZATION, 3600.0, 30.0)
TEMPERATURE = Watch(signals.GPU_TEMPERATURE, 3600.0, 30.0)
ITL = Watch(signals.ITL_MEAN, 3600.0, 30.0)


@dataclass(frozen=True, slots=True)
class StragglerGpu(Detector):
    """A GPU's clock is far below its siblings', for a reason that is a fault.

    Siblings are the GPUs that hold replicas of the same model; all of them slow alike (a power
    cap, a hot rack) is another story. In a tensor-parallel group the slowest sets everyone's
    pace, so the replica's own token latency against its siblings' is asked as well.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.STRAGGLER_GPU
    watches: ClassVar[tuple[Watch, ...]] = (CLOCK, BUSY, THROTTLED, TEMPERATURE, ITL)

    slow_share: float = 0.87
    """Clock over the siblings' median below which a GPU is a straggler. Healthy siblings differ
    by a few per cent under a power cap; published cases run at a quarter to four fifths."""
    apart: float = 4.0
    """Distance from the siblings in units of their own spread (at least 2 % of the clock)."""
    hold_seconds: float = 180.0
    """How long it must stay slow."""
    busy_share: float = 0.3
    """Utilisation from which a clock says something: idle GPUs clock down."""
    slower_replica: float = 1.15
    """Token latency over the siblings' from which the replica is said to suffer."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every straggler."""
        braked = faulty_reasons(scene)
        if not braked:
            return
        clocks, busy = (by(scene.frame(watch), "gpu") for watch in (CLOCK, BUSY))
        times = scene.frame(CLOCK).times
        for gpu in scene.gpus:
            if gpu.entity.id not in braked or not gpu.replicas:
                continue
            own = self._under_load(clocks, busy, gpu.entity.id)
            rows = [self._under_load(clocks, busy, one) for one in _siblings(scene, gpu)]
            others = [row for row in rows if np.isfinite(row).any()]
            if own.size and others and self._apart(scene, times, own, others):
                reasons = braked[gpu.entity.id]
                yield from self._judge(scene, gpu, times, own, _middle_of(others), reasons)

    def _apart(self, scene: Scene, times: Array, own: Array, others: list[Array]) -> bool:
        """Whether this GPU is further from its siblings than they are from each other."""
        begin = scene.now - self.hold_seconds
        levels = np.array([middle(span(times, row, begin, scene.now)) for row in (own, *others)])
        distance = robust_z(levels, floor=0.02 * abs(middle(levels)))[0]
        return not distance > -self.apart

    def _under_load(
        self, clocks: Mapping[str, Array], busy: Mapping[str, Array], uuid: str
    ) -> Array:
        clock, share = clocks.get(uuid), busy.get(uuid)
        if clock is None:
            return np.empty(0)
        return clock if share is None else np.where(share >= self.busy_share, clock, np.nan)

    def _judge(
        self,
        scene: Scene,
        gpu: Gpu,
        times: Array,
        own: Array,
        others: Array,
        reasons: list[str],
    ) -> Iterable[Finding]:
        ratio = own / others
        begin = scene.now - self.hold_seconds
        newest = span(times, ratio, begin, scene.now)
        if np.isfinite(newest).sum() < 3 or np.nanmax(newest) >= self.slow_share:
            return
        since = run_start(times, ratio, ratio < (1.0 + self.slow_share) / 2.0) or begin
        observed = middle(span(times, own, begin, scene.now))
        expected = middle(span(times, others, begin, scene.now))
        suffering = self._replica_slowdown(scene, gpu, since)
        evidence = list(_evidence(scene, gpu, since, observed, expected, reasons))
        evidence.extend(one for _, one in suffering)
        worst = max((factor for factor, _ in suffering), default=float("nan"))
        hit = worst >= self.slower_replica
        yield Finding(
            failure_mode=self.failure_mode,
            entity=gpu.entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.95 if hit else 0.7,
            evidence=tuple(evidence),
            text=f"{gpu.entity.label} runs at {observed / 1e6:.0f} MHz, its siblings at"
            f" {expected / 1e6:.0f} MHz ({', '.join(reasons)})"
            + (f"; its replica's tokens take {worst:.1f} times as long." if hit else "."),
            pool=_pool(scene, gpu),
            model=_model(scene, gpu),
            related=tuple(identity.replica(one) for one in gpu.replicas),
        )

    def _replica_slowdown(
        self, scene: Scene, gpu: Gpu, since: float
    ) -> list[tuple[float, Evidence]]:
        """Each replica on this GPU: its token latency over its siblings', with the evidence."""
        frame = scene.frame(ITL)
        found = []
        for name in gpu.replicas:
            replica = scene.replica(name)
            rows = frame.where(pool=replica.pool) if replica else frame.where(replica=name)
            names = [dict(labels).get("replica", "") for labels in rows.labels]
            if name not in names:
                continue
            levels = np.array(
                [middle(span(frame.times, row, since, scene.now)) for row in rows.values]
            )
            own, usual = (part[names.index(name)] for part in (levels, others_median(levels)))
            if own > 0.0 and usual > 0.0:
                text = f"{own * 1e3:.0f} ms between tokens, {usual * 1e3:.0f} ms at its siblings."
                entity = identity.replica(name)
                found.append((
                    float(own / usual),
                    say(ITL, entity, since, scene.now, text, observed=own, expected=usual),
                ))  # fmt: skip
        return found


def _siblings(scene: Scene, gpu: Gpu) -> list[str]:
    """Uuids of the other GPUs that hold replicas of the same model."""
    model = _model(scene, gpu)
    held = {one.entity.id for one in scene.replicas if one.model == model}
    return [
        one.entity.id
        for one in scene.gpus
        if one.entity != gpu.entity and held.intersection(one.replicas)
    ]


def _middle_of(rows: list[Array]) -> Array:
    """Median over rows, column by column; NaN where none is known."""
    stacked = np.vstack(rows)
    result = np.full(stacked.shape[1], np.nan)
    shown = np.isfinite(stacked).any(axis=0)
    result[shown] = np.nanmedian(stacked[:, shown], axis=0)
    return result


def _evidence(
    scene: Scene, gpu: Gpu, since: float, observed: float, expected: float, reasons: list[str]
) -> Iterable[Evidence]:
    yield say(
        CLOCK, gpu.entity, since, scene.now,
        f"{observed / 1e6:.0f} MHz under load, {expected / 1e6:.0f} MHz at its siblings.",
        observed=observed, expected=expected,
    )  # fmt: skip
    yield say(
        THROTTLED, gpu.entity, since, scene.now,
        f"Clocks are held down by {', '.join(reasons)}.", observed=1.0, expected=0.0, upper=0.0,
    )  # fmt: skip
    heat = scene.frame(TEMPERATURE).row(gpu=gpu.entity.id)
    if heat is not None and np.isfinite(heat[-1]):
        yield say(
            TEMPERATURE, gpu.entity, since, scene.now, f"{heat[-1]:.0f} °C now.",
            observed=float(heat[-1]),
        )  # fmt: skip


def _pool(scene: Scene, gpu: Gpu) -> str:
    return next((one.pool for one in map(scene.replica, gpu.replicas) if one), "")


def _model(scene: Scene, gpu: Gpu) -> str:
    return next((one.model for one in map(scene.replica, gpu.replicas) if one), "")
