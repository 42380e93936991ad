"""R22: find out why a target is not read, and mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from remediations._kubernetes import workload
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.entities import EntityKind
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene
from vocabulary.signals import TARGET_UP


@dataclass(frozen=True, slots=True)
class RepairTelemetry(Remediation):
    """Read the page by hand and look at what should lead to it; nothing is changed yet."""

    card: ClassVar[str] = "R22"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.TARGETS_GONE,
        f.TARGET_HUNG,
        f.METRIC_RENAMED,
        f.FAILURES_UNDERCOUNTED,
        f.STICKY_GPU_TELEMETRY,
        f.PIPELINE_DROPS,
        f.DOUBLE_COUNTING,
    )
    order: ClassVar[int] = 30
    order_for: ClassVar[Mapping[FailureMode, int]] = {
        f.METRIC_RENAMED: 10,
        f.STICKY_GPU_TELEMETRY: 40,
    }

    deadline_seconds: int = 5
    """How long the page may take."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """The first look, and what usually is at fault."""
        replica = _fleet.hit(incident, scene) or next(iter(_fleet.pool_of(incident, scene)), None)
        url, verify = self._target(incident), until(TARGET_UP, "pool", incident.pool, "== 1", 5)
        look = "tidegauge doctor"
        if replica is not None:
            url = url or replica.target
            verify = until(TARGET_UP, "replica", replica.entity.id, "== 1", 5)
            known = workload(replica)
            if known is not None:
                look = (
                    f"kubectl get endpointslices,networkpolicies {known.in_namespace} && "
                    f"kubectl get pods --output=wide {known.in_namespace}"
                )
        seconds = self.deadline_seconds
        page = f"curl -sS --max-time {seconds} --output /dev/null {_shell.word(url)}" if url else ""
        return _fleet.action(
            incident,
            self.card,
            "Repair telemetry",
            Autonomy.ONE_CLICK,
            precondition="none: it only looks; until it is mended nothing here counts as green",
            met=True,
            command=" ; ".join(filter(None, (page, look))),
            dry_run="It reads only.",
            verify=verify,
            undo="Take back what you changed of target, label, policy or exporter.",
            risk="None by looking.",
        )

    def _target(self, incident: Incident) -> str:
        """The page's URL where a target itself is in trouble; never one that would be a flag."""
        found = (one.id for one in incident.entities if one.kind is EntityKind.TARGET)
        return next((url for url in found if url.startswith(("http://", "https://"))), "")
