"""Calls fail on their way to replicas that are well."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors import _gateway
from detectors._evidence import average, by, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

RUNNING = Watch(signals.RUNNING, 3600.0, 30.0)
WAITING = Watch(signals.WAITING, 3600.0, 30.0)
FINISHED = Watch(signals.FINISHED_RATE, 3600.0, 30.0)
WELL = frozenset({ReplicaState.SERVING, ReplicaState.IDLE})


@dataclass(frozen=True, slots=True)
class RouterDown(Detector):
    """Calls fail before an engine sees them: router, endpoint picker or network.

    All replicas answer, have room and no queue, do no more than before, and finish only what the
    gateway gets answered: what failed never reached them. A replica that is dead, stalled or
    loading is another failure's story, and so are time-outs, whose work the engines did.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.ROUTER_DOWN
    watches: ClassVar[tuple[Watch, ...]] = (RUNNING, WAITING, FINISHED, *_gateway.WATCHES)

    share: float = 0.2
    """Share of upstream calls that fail; one of three pickers takes a third with it."""
    usual_share: float = 0.05
    """A route on which more than this failed before has another trouble."""
    least_failures: float = 10.0
    """Failed calls over the two minutes of each rate."""
    busier: float = 1.15
    """Requests in the batches over before, above which the engines do see the calls."""
    queue: float = 0.5
    """Requests waiting per replica, from which engines are what is short."""
    reached: float = 0.5
    """Share of the failed calls that engines may have worked on."""
    page_share: float = 0.02
    """Share of users' calls that fail, from which somebody is woken; retries hide the rest. Twice
    what an objective of 99 % allows, and a route seldom half breaks for long. Our judgement."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every pool whose calls do not arrive."""
        rows = {watch: by(scene.frame(watch), "replica") for watch in (RUNNING, WAITING, FINISHED)}
        for pool in sorted({one.pool for one in scene.replicas} - {""}):
            members = [one for one in scene.replicas if one.pool == pool and not _removed(one)]
            if not members or any(one.state not in WELL for one in members):
                continue
            seen = _gateway.traffic(scene, members[0].model, pool)
            failing = self._failing(scene, seen) if seen.known else None
            if failing is not None and self._idle(scene, members, rows, seen, failing):
                yield self._finding(scene, pool, members, seen, failing)

    def _failing(self, scene: Scene, seen: _gateway.Traffic) -> float | None:
        """Since when too many upstream calls fail; None while they do not."""
        share = seen.attempt_error_share(scene.now - _gateway.STEP, scene.now)
        failed = average(seen.attempt_errors[-2:]) * 120.0
        if not (share >= self.share and failed >= self.least_failures):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(seen.attempts > 0.0, seen.attempt_errors / seen.attempts, np.nan)
        begin = run_start(seen.times, shares, shares > self.usual_share) or scene.now
        before = seen.attempt_error_share(float(seen.times[0]), begin - _gateway.STEP)
        return begin if not before > self.usual_share else None

    def _idle(
        self,
        scene: Scene,
        members: list[Replica],
        rows: dict[Watch, dict[str, Array]],
        seen: _gateway.Traffic,
        since: float,
    ) -> bool:
        """Whether the engines show that they never saw what failed."""
        times = scene.frame(RUNNING).times
        running = _total(rows[RUNNING], members, len(times))
        now = average(span(times, running, scene.now - 60.0, scene.now))
        before = average(span(times, running, float(times[0]), since - 60.0))
        queues = _total(rows[WAITING], members, len(times))
        waiting = average(span(times, queues, scene.now - 60.0, scene.now))
        if waiting >= self.queue * len(members) or not now <= self.busier * before + 1.0:
            return False
        finished = _total(rows[FINISHED], members, len(times))
        done = average(span(times, finished, scene.now - 60.0, scene.now))
        failed = average(seen.attempt_errors[-2:])
        arrived = (done - average((seen.attempts - seen.attempt_errors)[-2:])) / failed
        return not arrived > self.reached

    def _finding(
        self,
        scene: Scene,
        pool: str,
        members: list[Replica],
        seen: _gateway.Traffic,
        since: float,
    ) -> Finding:
        entity = identity.pool(pool)
        share = seen.attempt_error_share(scene.now - _gateway.STEP, scene.now)
        users = seen.error_share(scene.now - _gateway.STEP, scene.now)
        text = (
            f"{share:.0%} of the calls to {entity.label} fail on the way: its {len(members)} "
            "replicas are well, have no queue and never saw them."
        )
        evidence = say(
            _gateway.ATTEMPT_ERRORS, entity, since, scene.now, text,
            observed=float(seen.attempt_errors[-1]),
            upper=self.share * float(seen.attempts[-1]),
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.CRITICAL if users >= self.page_share else Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=members[0].model,
        )


def _removed(replica: Replica) -> bool:
    """Whether it is only remembered: scaled in, or replaced."""
    return replica.state is ReplicaState.BLIND and replica.reason == "not scraped"


def _total(rows: dict[str, Array], members: list[Replica], size: int) -> Array:
    """The sum over *members*; NaN where one of them is not known."""
    known = [rows[one.entity.id] for one in members if one.entity.id in rows]
    return np.sum(known, axis=0) if len(known) == len(members) else np.full(size, np.nan)
