"""Changes that only measurements show: an Xid that came, a GPU driver that was replaced."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import identity
from service.kubernetes.nodes import driver_words
from vocabulary import metrics as m
from vocabulary.entities import Change
from vocabulary.samples import Sample

_Counts = dict[tuple[str, str, str], float]
"""(GPU, code, node) → how often it came, by the observer who saw most."""


@dataclass(slots=True)
class SampleChanges:
    """Compares each round's samples with the last round's.

    What an Xid counter shows at the first round came before us, or was told by an earlier life.
    """

    drivers: dict[str, str] = field(default_factory=dict)
    """Node → driver of its GPUs."""
    revision: int = 0
    """Grows whenever `drivers` has changed."""
    _xids: _Counts | None = None

    def take(self, samples: Sequence[Sample]) -> list[Change]:
        """What changed in this round."""
        return [*self._new_drivers(samples), *self._new_xids(samples)]

    def memory(self) -> dict[str, Any]:
        """What must survive a restart: a driver is replaced while no agent runs."""
        return dict(self.drivers)

    def restore(self, memory: Mapping[str, Any]) -> None:
        """The reverse of memory."""
        self.drivers = {str(node): str(driver) for node, driver in memory.items()}

    def _new_drivers(self, samples: Sequence[Sample]) -> list[Change]:
        changes = []
        for one in samples:
            if one.series.name != m.GPU_INFO.name or math.isnan(one.value):
                continue
            node, driver = one.series.label("node"), one.series.label("driver")
            old = self.drivers.get(node, "")
            if not node or not driver or old == driver:
                continue
            self.drivers[node] = driver
            self.revision += 1
            if old:
                what = driver_words(old, driver)
                changes.append(Change(one.at, "driver", identity.node(node), what))
        return changes

    def _new_xids(self, samples: Sequence[Sample]) -> list[Change]:
        """Several observers see one Xid: the largest count is the nearest to the truth."""
        now: _Counts = {}
        at = 0.0
        for one in samples:
            if one.series.name == m.GPU_XID_EVENTS.name and not math.isnan(one.value):
                key = (one.series.label("gpu"), one.series.label("xid"), one.series.label("node"))
                now[key] = max(now.get(key, 0.0), one.value)
                at = max(at, one.at)
        before = self._xids
        if before is None:
            if any(one.series.name == m.GPU_INFO.name for one in samples) or now:
                self._xids = now
            return []
        changes = []
        for (gpu, code, node), count in now.items():
            known = before.get((gpu, code, node), 0.0)
            fresh = count - known if count >= known else count
            if fresh > 0.0:
                times = f", {fresh:g} times" if fresh > 1.0 else ""
                what = f"Xid {code} on {node or 'a node'}{times}"
                changes.append(Change(at, "xid", identity.gpu(gpu), what))
        self._xids = {**before, **now}
        return changes
