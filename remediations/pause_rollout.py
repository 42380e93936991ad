"""R24: stop a rollout half-way before it reaches the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _calls, _fleet
from remediations._kubernetes import workload
from remediations._watching import until, watched
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy, Goal
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import ENGINE_START


@dataclass(frozen=True, slots=True)
class PauseRollout(Remediation):
    """No more pods of the new revision, none taken back."""

    card: ClassVar[str] = "R24"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.THROUGHPUT_REGRESSION,
        f.ENGINE_DEAD,
        f.ENGINE_STALLED,
        f.ERROR_BURST,
        f.LATENCY_BURN,
        f.KV_EXHAUSTION,
        f.STREAMS_CUT,
        f.GARBAGE_OUTPUT,
        f.SHRUNK_KV_CACHE,
        f.SPECULATION_DECAY,
    )
    order: ClassVar[int] = 12
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.THROUGHPUT_REGRESSION: 10,
        f.STREAMS_CUT: 10,
        f.ENGINE_DEAD: 25,
        f.ENGINE_STALLED: 25,
        f.KV_EXHAUSTION: 40,
        f.GARBAGE_OUTPUT: 25,
        f.SHRUNK_KV_CACHE: 38,
    }

    recent_minutes: float = 60.0
    """How long ago a rollout may have begun to be still going on; large models take that long."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When a rollout began lately."""
        change = _fleet.blamed_change(incident, frozenset({"rollout"}))
        pool = _fleet.pool_of(incident, scene)
        known = workload(pool[0]) if pool else None
        if change is None or known is None or scene.now - change.at > self.recent_minutes * 60.0:
            return None
        versions = sorted({one.version for one in pool if one.version})
        where = f"{known.deployment_word} {known.in_namespace}"
        return _fleet.action(
            incident,
            self.card,
            f"Pause the rollout of {pool[0].pool}",
            Autonomy.ONE_CLICK,
            precondition=f"a rollout is going on: {len(versions)} versions are seen "
            f"({', '.join(versions) or 'none named'})",
            met=None if not versions else len(versions) > 1,
            command=f"kubectl rollout pause {where}",
            dry_run=f"kubectl has no dry run of this; kubectl rollout status {where} --watch=false",
            verify=until(ENGINE_START, "pool", pool[0].pool, "shows no newer start", 10),
            undo=f"kubectl rollout resume {where}",
            risk="Two versions serve side by side until it is resumed or undone.",
            call=_calls.pause_rollout(known),
            check=watched(ENGINE_START, "pool", pool[0].pool, Goal.NOT_HIGHER, 10, lasting=True),
        )
