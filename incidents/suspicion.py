"""What a spending tenant's calls look like: a loop that runs away, or prompts that grow.

An agent that calls itself in circles sends all it has said before with every call, so its prompts
grow within minutes while its answers stay short, and there are more calls than usual. Prompts
that grow without more calls are history or tool output that an application appends. A program is
also more regular than people are: its calls in five minutes scatter less than chance would have
it (index of dispersion below one half; Poisson has one), which shows where it calls alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from incidents.readings import Readings
from incidents.tracking import Tracked
from vocabulary import failure_modes as f
from vocabulary import signals as s
from vocabulary.entities import EntityKind
from vocabulary.expressions import Signal
from vocabulary.failure_modes import FailureMode

MINUTES = 30
"""How much of the newest past is looked at."""
REGULAR = 0.5
"""Index of dispersion below which calls are a program's; our judgement."""
LONGER = 1.3
"""Prompt tokens a call over what is usual, from which prompts have grown; our judgement."""
MORE = 1.05
"""Calls over what is usual, from which there are more; our judgement."""


@dataclass(frozen=True, slots=True)
class Habits:
    """A tenant's calls now over what is usual; None where either is not known."""

    calls: float | None
    prompt: float | None
    """Tokens a call."""
    answer: float | None
    dispersion: float | None

    @property
    def regular(self) -> bool:
        """Whether the calls are a program's alone."""
        return self.dispersion is not None and self.dispersion < REGULAR

    @property
    def prompts_grew(self) -> bool:
        """Whether prompts grew, and more than answers did."""
        return self.prompt is not None and self.prompt >= max(LONGER, self.answer or 0.0)


def suspicions(one: Tracked, readings: Readings) -> Iterable[tuple[FailureMode, float, str]]:
    """Explanations of a tenant's spend as (mode, factor on its score, why), best first."""
    tenant = one.entity.id if one.entity.kind is EntityKind.TENANT else one.tenant
    if one.mode is not f.COST_SPIKE or not tenant:
        return
    habits = _habits(one, tenant, readings)
    more = habits.calls is not None and habits.calls >= MORE
    if habits.prompts_grew:
        looped = habits.regular or more
        yield f.RUNAWAY_AGENT, 3.0 if looped else 1.0, _why(tenant, habits)
        yield f.CONTEXT_BLOAT, 1.0 if looped else 3.0, f"each call of {tenant} carries more"
    elif habits.regular:
        yield f.RUNAWAY_AGENT, 1.2, _why(tenant, habits)


def _why(tenant: str, habits: Habits) -> str:
    parts = [
        f"{habits.calls:.1f} times the usual calls" if habits.calls is not None else "",
        f"each with {habits.prompt:.1f} times the prompt" if habits.prompt is not None else "",
        f"and {habits.answer:.1f} times the answer" if habits.answer is not None else "",
        "as regular as a program" if habits.regular else "",
    ]
    return f"{tenant} makes " + ", ".join(filter(None, parts)) if any(parts) else tenant


def _habits(one: Tracked, tenant: str, readings: Readings) -> Habits:
    calls = _times_usual(one, s.TENANT_CALL_RATE)
    prompts, answers = (
        _times_usual(one, signal) for signal in (s.TENANT_INPUT_RATE, s.TENANT_OUTPUT_RATE)
    )
    prompt = prompts / calls if prompts and calls else _growth(tenant, readings)
    answer = answers / calls if answers and calls else None
    return Habits(calls, prompt, answer, _dispersion(tenant, readings))


def _times_usual(one: Tracked, signal: Signal) -> float | None:
    """Observed over expected of the finding's own evidence on *signal*."""
    for evidence in one.evidence:
        if evidence.signal == signal.name and evidence.observed and evidence.expected:
            return evidence.observed / evidence.expected
    return None


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
