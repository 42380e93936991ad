"""How long a tenant's prompts are beside those that it usually sends."""

import numpy as np

from detectors._evidence import middle, span
from vocabulary import signals
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

PROMPTS = Watch(signals.TENANT_PROMPT_LENGTH, 14_400.0, 60.0, every=60.0)
SETTLED = 1200.0
"""Seconds before now that teach nothing of what is usual."""


def usual(scene: Scene, tenant: str) -> float:
    """Tokens of a prompt to the model that gets the longest ones; NaN for somebody new.

    Calls that move to another model bring their prompts along, so that no model is judged alone.
    """
    frame = scene.frame(PROMPTS)
    before = (float(frame.times[0]), scene.now - SETTLED)
    known = [
        middle(span(frame.times, row, *before)) for _, row in frame.where(tenant=tenant).rows()
    ]
    return max((one for one in known if np.isfinite(one)), default=float("nan"))


def growth(scene: Scene, tenant: str, model: str) -> Array:
    """Prompts of *tenant* to *model*, minute by minute, over its usual ones."""
    frame = scene.frame(PROMPTS)
    row = frame.row(tenant=tenant, model=model)
    return row / usual(scene, tenant) if row is not None else np.full(len(frame.times), np.nan)
