"""A pool's pages are read, and figures that they gave before are on none of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import say
from fleet import identity
from fleet.states import ANSWERS
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Frame
from vocabulary.scene import Scene, Watch

LOOKBACK, STEP = 21_600.0, 300.0
UP = Watch(signals.TARGET_UP, LOOKBACK, STEP, every=120.0)
INPUTS = tuple(
    Watch(signal, LOOKBACK, STEP, every=120.0)
    for signal in (
        signals.RUNNING, signals.WAITING, signals.KV_USAGE, signals.STEP_RATE,
        signals.OUTPUT_TOKEN_RATE, signals.INPUT_TOKEN_RATE, signals.FINISHED_RATE,
    )
)  # fmt: skip
"""What the other detectors live on, and what an engine says whether it has work or not."""


@dataclass(frozen=True, slots=True)
class MetricRenamed(Detector):
    """A figure that rules need has left the pages of a pool although they are read.

    The same model on the same kind of server told it before, and no replica that tells it is left
    among those of its version. Another model or another server is another page, not a renamed one.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.METRIC_RENAMED
    watches: ClassVar[tuple[Watch, ...]] = (UP, *INPUTS)

    hold_seconds: float = 600.0
    """How long a page must be read without it: a value is believed for five minutes after its last
    sample, and a rate needs two samples."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool whose pages lost a figure, or became strange altogether."""
        engines = _engines(scene.frame(UP))
        read = [one for one in scene.replicas if self._read(scene, one)]
        for pool in sorted({one.pool for one in read} - {""}):
            here = [one for one in read if one.pool == pool]
            missing = {
                watch: self._missing(scene, scene.frame(watch), here, engines) for watch in INPUTS
            }
            lost = {watch: some for watch, some in missing.items() if some}
            if lost:
                yield self._finding(scene, pool, lost)

    def _read(self, scene: Scene, replica: Replica) -> bool:
        """Whether its page was read for long enough that every figure must be known."""
        if replica.state is ReplicaState.BLIND:
            return replica.reason in ANSWERS and scene.now - replica.since >= self.hold_seconds
        young = scene.now - replica.first_seen < self.hold_seconds + 2.0 * STEP
        return replica.state is not ReplicaState.LOADING and not young

    def _missing(
        self, scene: Scene, frame: Frame, here: list[Replica], engines: Mapping[str, str]
    ) -> dict[Replica, float]:
        """Replicas without the figure, and since when; none where their like never told it."""
        told: dict[str, float] = {}
        like: set[tuple[str, str, str]] = set()
        for labels, row in frame.rows():
            known, name = np.flatnonzero(np.isfinite(row)), labels.get("replica", "")
            if name and known.size:
                told[name] = max(told.get(name, 0.0), float(frame.times[known[-1]]))
                about = (labels.get("pool", ""), labels.get("model", ""))
                like.add((*about, engines.get(name, "")))
        horizon = scene.now - self.hold_seconds
        lost = {
            one: max(one.first_seen, told.get(one.entity.id, 0.0))
            for one in here
            if told.get(one.entity.id, 0.0) < horizon and (one.pool, one.model, one.engine) in like
        }
        versions = {one.version for one in lost}
        spoken = any(one.version in versions for one in here if one not in lost)
        return {} if spoken else lost

    def _finding(
        self, scene: Scene, pool: str, lost: Mapping[Watch, Mapping[Replica, float]]
    ) -> Finding:
        since = min(min(some.values()) for some in lost.values())
        hit = {one.entity.id: one for some in lost.values() for one in some}
        entity, act = identity.pool(pool), _act(scene, pool, since)
        names = ", ".join(watch.signal.name for watch in list(lost)[:3])
        more = f" and {len(lost) - 3} more figures are" if len(lost) > 3 else " is"
        told = f"The pages of {len(hit)} replicas of {pool} are read, and {names}{more} not there"
        text = f"{told}, after {act}." if act else f"{told} any more."
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=min(since, scene.now),
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.9 if act else 0.7,
            evidence=tuple(
                say(
                    watch, entity, min(some.values()), scene.now,
                    f"{watch.signal.name} of {len(some)} replicas is not told any more.",
                )
                for watch, some in lost.items()
            ),
            text=text[:290],
            pool=pool,
            model=next(iter(hit.values())).model,
            related=tuple(one.entity for one in list(hit.values())[:50]),
        )  # fmt: skip


def _engines(frame: Frame) -> dict[str, str]:
    """Replica → the kind of server it showed itself to be, those that have left included."""
    named = (labels for labels, _ in frame.rows() if labels.get("engine"))
    return {one["replica"]: one["engine"] for one in named if one.get("replica")}


def _act(scene: Scene, pool: str, since: float) -> str:
    """What was rolled out within the hour before, in words; empty when nothing was."""
    acts = [
        one.what
        for one in scene.changes
        if one.kind == "rollout" and pool in {one.pool, one.entity.id}
        and since - 3600.0 <= one.at <= since + 60.0
    ]  # fmt: skip
    return acts[-1][:120] if acts else ""
