"""A node offers fewer GPUs than it has: its device plugin or its driver is broken."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from detectors import _told
from detectors._evidence import say
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.scene import Scene, Watch

ALLOCATED = Watch(signals.GPU_ALLOCATION, 600.0, 60.0)
_COUNTS = re.compile(r"(\d{1,6}) of its (\d{1,6}) GPUs")


@dataclass(frozen=True, slots=True)
class DevicePluginBroken(Detector):
    """What pods can be given of a node is less than what its plugin registered.

    Pods that run keep their GPUs; the next one finds no node. A node that is gone offers nothing
    either, and that is another failure.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.DEVICE_PLUGIN_BROKEN
    watches: ClassVar[tuple[Watch, ...]] = (ALLOCATED,)

    hold_seconds: float = 600.0
    """How long it must last: a plugin that is rolled out offers nothing while it restarts."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every node that offers too little; more than one of them is a page."""
        gone = _told.lost_nodes(scene)
        short = []
        for name, (since, said) in sorted(_told.newest_offers(scene).items()):
            counts = _COUNTS.match(said.rest)
            if counts is None or name in gone or scene.now - since < self.hold_seconds:
                continue
            offered, there = int(counts[1]), int(counts[2])
            if offered < there:
                short.append((name, since, offered, there))
        for name, since, offered, there in short:
            yield self._finding(scene, name, since, (offered, there), alone=len(short) == 1)

    def _finding(
        self, scene: Scene, name: str, since: float, counts: tuple[int, int], *, alone: bool
    ) -> Finding:
        entity, (offered, there) = identity.node(name), counts
        text = f"{name} offers {offered} of its {there} GPUs to pods; those that run keep theirs."
        evidence = say(
            ALLOCATED, entity, since, scene.now, text,
            observed=float(offered), expected=float(there), lower=float(there),
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING if alone else Severity.CRITICAL,
            confidence=0.9,
            evidence=(evidence,),
            text=text[:290],
            related=tuple(one.entity for one in scene.replicas if one.node == name)[:40],
        )
