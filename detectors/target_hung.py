"""A page accepts connections and does not answer: whatever is behind it is not known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from detectors import _gateway
from detectors._evidence import say
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.entities import Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.scene import Scene, Watch

UP = Watch(signals.TARGET_UP, 900.0, 15.0)


@dataclass(frozen=True, slots=True)
class TargetHung(Detector):
    """A replica's page hangs.

    A frozen server and a busy one hang alike for a moment, and up to ten missed reads are
    everyday life; so without complaints from the gateway it takes longer to speak.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.TARGET_HUNG
    watches: ClassVar[tuple[Watch, ...]] = (UP, *_gateway.WATCHES)

    hold_seconds: float = 60.0
    """How long it must hang when upstream calls fail meanwhile: four reads at 15 s."""
    missed_reads: float = 12.0
    """How many reads must be missed when nobody complains: restarts and gaps miss up to ten."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every replica whose page hangs for long enough."""
        for replica in scene.replicas:
            if replica.state is ReplicaState.BLIND and replica.reason == "page hung":
                held = scene.now - replica.since
                seen = _gateway.traffic(scene, replica.model, replica.pool)
                trouble = seen.trouble(scene.now, replica.since)
                patience = self.missed_reads * scene.interval
                if held >= (self.hold_seconds if trouble else patience):
                    yield self._finding(scene, replica, seen, trouble)

    def _finding(
        self, scene: Scene, replica: Replica, seen: _gateway.Traffic, trouble: bool
    ) -> Finding:
        evidence = [_hung(scene, replica)]
        if trouble:
            share = seen.attempt_error_share(replica.since, scene.now)
            evidence.append(
                say(
                    _gateway.ATTEMPT_ERRORS, replica.entity, replica.since, scene.now,
                    f"{share:.0%} of upstream calls to {replica.model} fail since.",
                    observed=seen.attempt_errors[-1],
                )
            )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=replica.entity,
            since=replica.since,
            at=scene.now,
            severity=Severity.CRITICAL if trouble else Severity.WARNING,
            confidence=0.9 if trouble else 0.7,
            evidence=tuple(evidence),
            text=f"The page of {replica.entity.label} has hung for"
            f" {scene.now - replica.since:.0f} s; its engine's state is not known.",
            pool=replica.pool,
            model=replica.model,
        )


def _hung(scene: Scene, replica: Replica) -> Evidence:
    return say(
        UP, replica.entity, replica.since, scene.now,
        "Connections are accepted and no read was answered in time.",
        observed=0.0, expected=1.0, lower=1.0,
    )  # fmt: skip
