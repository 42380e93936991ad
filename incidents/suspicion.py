"""What a spending tenant's calls look like: a loop that runs away, or prompts that grow.

A program that calls itself over and over is more regular than people are: its calls per five
minutes scatter less than chance would have it (index of dispersion below one half; Poisson has
one), and its prompts grow, since each call carries the history of those before it.
"""

from collections.abc import Iterable

import numpy as np

from incidents.readings import Readings
from incidents.tracking import Tracked
from vocabulary import failure_modes as f
from vocabulary import signals as s
from vocabulary.entities import EntityKind
from vocabulary.failure_modes import FailureMode

MINUTES = 30
"""How much of the newest past is looked at."""
REGULAR = 0.5
"""Index of dispersion below which calls are a program's; our judgement."""
GROWN = 1.3
"""Prompt tokens a call, last third over first third, from which prompts grow; our judgement."""


def suspicions(one: Tracked, readings: Readings) -> Iterable[tuple[FailureMode, float, str]]:
    """Explanations of a tenant's spend as (mode, factor on its score, why)."""
    tenant = one.entity.id if one.entity.kind is EntityKind.TENANT else one.tenant
    if one.mode is not f.COST_SPIKE or not tenant:
        return
    dispersion = _dispersion(tenant, readings)
    growth = _growth(tenant, readings)
    regular = dispersion is not None and dispersion < REGULAR
    grows = growth is not None and growth >= GROWN
    if regular and grows:
        why = (
            f"{tenant} calls like a program: {dispersion:.2f} of the scatter of chance, and each "
            f"call carries {growth:.1f} times the prompt of {MINUTES} min ago"
        )
        yield f.RUNAWAY_AGENT, 3.0, why
    elif grows:
        yield f.CONTEXT_BLOAT, 1.5, f"prompts of {tenant} grew {growth:.1f}-fold in {MINUTES} min"
    elif regular:
        why = f"{tenant} calls like a program: {dispersion:.2f} of the scatter of chance"
        yield f.RUNAWAY_AGENT, 1.2, why


def _dispersion(tenant: str, readings: Readings) -> float | None:
    """Variance over mean of calls per five minutes; None with too few calls to tell."""
    found = readings.series(s.TENANT_OPERATION_RATE, "tenant", tenant)
    if found is None:
        return None
    counts = found[1][-MINUTES:] * 300.0
    counts = counts[~np.isnan(counts)]
    if len(counts) < MINUTES // 2 or float(np.mean(counts)) < 5.0:
        return None
    # Windows overlap, so a slow drift is taken out before the scatter is judged.
    drift = np.polyval(np.polyfit(np.arange(len(counts)), counts, 1), np.arange(len(counts)))
    return float(np.var(counts - drift) / np.mean(counts))


def _growth(tenant: str, readings: Readings) -> float | None:
    """Prompt tokens a call, newest third of the last half hour over its first third."""
    tokens = readings.series(s.TENANT_INPUT_RATE, "tenant", tenant)
    calls = readings.series(s.TENANT_CALL_RATE, "tenant", tenant)
    if tokens is None or calls is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        per_call = tokens[1][-MINUTES:] / calls[1][-MINUTES:]
    per_call = per_call[np.isfinite(per_call)]
    third = len(per_call) // 3
    if third < 3:
        return None
    before, after = float(np.median(per_call[:third])), float(np.median(per_call[-third:]))
    return after / before if before > 0.0 else None
