"""What detectors of GPU faults share: Xids that speak for a mode, the driver's advice, who is hit.

An event is over when it is over: it speaks for a quarter of an hour (kube-prometheus keeps alerts
on hardware events firing as long) and then falls silent, unless the device's state still says so.
The driver's own recovery action comes before any table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors._evidence import say
from fleet import identity
from fleet.xids import Xid, XidCatalogue
from vocabulary import signals
from vocabulary.entities import Entity, EntityKind, Replica, ReplicaState
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Evidence, Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

XID = Watch(signals.GPU_XID, 1800.0, 30.0)
RECOVERY = Watch(signals.GPU_RECOVERY, 900.0, 30.0)
DEVICES = Watch(signals.TARGET_UP, 1800.0, 15.0)
"""Whether devices answer, as their targets `nvml/UUID` tell."""

EVENT_SECONDS = 900.0
DEVICE = "nvml/"
_WORKS = frozenset({ReplicaState.IDLE, ReplicaState.SERVING, ReplicaState.SATURATED})


@dataclass(frozen=True, slots=True)
class Event:
    """One Xid that a GPU raised lately."""

    gpu: str
    node: str
    xid: Xid
    since: float
    """When it was first seen in view."""

    def evidence(self, scene: Scene) -> Evidence:
        """The event as an observation."""
        text = f"{self.xid.text}; NVIDIA's catalogue says: {self.xid.nvidia or 'nothing'}."
        entity = entity_of(scene, self.gpu, self.node)
        return say(XID, entity, self.since, scene.now, text[:300], observed=1.0, upper=0.0)


def xid_events(scene: Scene, catalogue: XidCatalogue, mode: FailureMode) -> dict[str, list[Event]]:
    """GPU → its Xids of the last quarter of an hour that speak for *mode*."""
    frame = scene.frame(XID)
    found: dict[str, list[Event]] = {}
    for labels, row in frame.rows():
        xid = catalogue.of(labels.get("xid", ""))
        seen = np.flatnonzero(row > 0.0)
        lately = seen.size and frame.times[seen[-1]] > scene.now - EVENT_SECONDS + 600.0
        if xid.mode == mode.word and lately and labels.get("gpu"):
            event = Event(labels["gpu"], labels.get("node", ""), xid, float(frame.times[seen[0]]))
            found.setdefault(event.gpu, []).append(event)
    return {gpu: sorted(events, key=lambda one: one.since) for gpu, events in found.items()}


def advice(scene: Scene) -> dict[str, tuple[str, Array]]:
    """GPU → what its driver asks for now, and the row that says so."""
    found: dict[str, tuple[str, Array]] = {}
    for labels, row in scene.frame(RECOVERY).rows():
        if row[-1] > 0.0 and labels.get("gpu"):
            found[labels["gpu"]] = (labels.get("action", ""), row)
    return found


def devices(scene: Scene, verdict: str) -> Iterable[tuple[str, str, Array]]:
    """(uuid, node, row) of every device that bears *verdict* in view."""
    for labels, row in scene.frame(DEVICES).rows():
        target = labels.get("target", "")
        if target.startswith(DEVICE) and labels.get("verdict") == verdict:
            yield target.removeprefix(DEVICE), labels.get("node", ""), row


def entity_of(scene: Scene, gpu: str, node: str) -> Entity:
    """A GPU by its uuid, called as the fleet calls it."""
    known = next((one.entity for one in scene.gpus if one.entity.id == gpu), None)
    return known or identity.gpu(gpu, f"{node} {gpu}" if node else "")


def holders(scene: Scene, gpus: Iterable[str]) -> list[Replica]:
    """Replicas that hold any of *gpus*."""
    wanted = set(gpus)
    named = {name for one in scene.gpus if one.entity.id in wanted for name in one.replicas}
    return [
        one for one in scene.replicas if one.entity.id in named or wanted.intersection(one.gpus)
    ]


def finding(
    mode: FailureMode,
    scene: Scene,
    entity: Entity,
    since: float,
    evidence: Sequence[Evidence],
    text: str,
    *,
    gpus: Sequence[str],
    confidence: float,
    severity: Severity | None = None,
) -> Finding:
    """What a GPU's trouble is to those who use it.

    Pools are redundant, so one board is a ticket; it is a page where a pool that holds it has
    nobody left who works.
    """
    hit = holders(scene, gpus)
    told = advice(scene)
    said = [told[gpu][0] for gpu in gpus if gpu in told]
    extra: list[Evidence] = []
    if said and all(action == "none" for action in said):
        calm = "The driver asks for no recovery action."
        extra.append(say(RECOVERY, entity, since, scene.now, calm, observed=0.0, against=True))
    elif said:
        actions = ", ".join(sorted({one for one in said if one != "none"}))
        text = f"{text.rstrip('.')}; the driver asks for {actions.replace('_', ' ')}."
    first = hit[0] if hit else None
    return Finding(
        failure_mode=mode,
        entity=entity,
        since=min(since, scene.now),
        at=scene.now,
        severity=severity or _severity(scene, hit),
        confidence=confidence,
        evidence=(*evidence, *extra)[:20],
        text=text[:290],
        pool=first.pool if first else "",
        model=first.model if first else "",
        related=(*(one.entity for one in hit[:40]), *_named(scene, entity, gpus)),
    )


def _named(scene: Scene, entity: Entity, gpus: Sequence[str]) -> Iterable[Entity]:
    """The GPUs themselves, where the finding is about more than one of them."""
    if entity.kind is not EntityKind.GPU:
        yield from (entity_of(scene, gpu, "") for gpu in gpus[:10])


def _severity(scene: Scene, hit: Sequence[Replica]) -> Severity:
    for pool in {one.pool for one in hit if one.pool}:
        if not any(one.pool == pool and one.state in _WORKS for one in scene.replicas):
            return Severity.CRITICAL
    return Severity.WARNING
