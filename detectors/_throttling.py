"""Which clock-event reasons are a fault, and which of them hold a GPU down now."""

from vocabulary import signals
from vocabulary.scene import Scene, Watch

THROTTLED = Watch(signals.GPU_THROTTLED, 900.0, 60.0)
HARMFUL = ("thermal", "brake", "hw_slowdown")
"""Parts of the names of reasons that are a fault. Idle, application clocks and the software power
cap hold clocks down on healthy GPUs at full load."""


def faulty_reasons(scene: Scene, gpu: str) -> list[str]:
    """Faulty reasons that hold this GPU's clocks down now, by name."""
    return sorted(
        labels["reason"]
        for labels, row in scene.frame(THROTTLED).where(gpu=gpu).rows()
        if row[-1] > 0.0 and any(part in labels.get("reason", "") for part in HARMFUL)
    )
