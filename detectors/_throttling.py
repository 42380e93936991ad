"""Which clock-event reasons are a fault, and which of them hold a GPU down now."""

from vocabulary import signals
from vocabulary.scene import Scene, Watch

THROTTLED = Watch(signals.GPU_THROTTLED, 900.0, 60.0)
HARMFUL = ("thermal", "brake", "hw_slowdown")
"""Parts of the names of reasons that are a fault. Idle, application clocks and the software power
cap hold clocks down on healthy GPUs at full load."""


def faulty_reasons(scene: Scene) -> dict[str, list[str]]:
    """GPU uuid → faulty reasons that hold its clocks down now, for those GPUs alone."""
    found: dict[str, list[str]] = {}
    for labels, row in scene.frame(THROTTLED).rows():
        reason = labels.get("reason", "")
        if row[-1] > 0.0 and labels.get("gpu") and any(part in reason for part in HARMFUL):
            found.setdefault(labels["gpu"], []).append(reason)
    return {gpu: sorted(reasons) for gpu, reasons in found.items()}
