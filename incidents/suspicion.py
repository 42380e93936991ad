"""What the calls of tenants look like: a loop that runs away, prompts that grow, or a hog.

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
from vocabulary.entities import Entity, EntityKind
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

HOG_SHARE = 0.5
HOG_GROWTH = 0.2
"""Of a pool's calls or tokens, what a hog has and what of it is new: more than all others, and
more than the hour of the day moves."""
HOG_MORE = 1.5
"""Its own calls or tokens over before: nobody is a hog because the others went away."""
HOG_FACTOR = 1.3
"""On the score of the shortage that it explains; our judgement."""
SQUEEZED = frozenset(
    {f.CAPACITY_SHORTAGE, f.KV_EXHAUSTION, f.LATENCY_BURN, f.PREFIX_CACHE_COLLAPSE}
)
"""What a hog does to a pool."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Another explanation of a finding than its detector's."""

    mode: FailureMode
    entity: Entity
    factor: float
    """On the score that the finding itself has."""
    why: str


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


def suspicions(one: Tracked, readings: Readings) -> Iterable[Suspicion]:
    """Explanations of a tenant's spend or of a pool's shortage, best first."""
    tenant = one.entity.id if one.entity.kind is EntityKind.TENANT else one.tenant
    if one.mode in SQUEEZED:
        yield from _hogs(one, readings)
    elif one.mode is f.COST_SPIKE and tenant:
        yield from _loops(one, tenant, readings)


def _loops(one: Tracked, tenant: str, readings: Readings) -> Iterable[Suspicion]:
    habits = _habits(one, tenant, readings)
    more = habits.calls is not None and habits.calls >= MORE
    if habits.prompts_grew:
        looped = habits.regular or more
        loop, bloat = (3.0, 1.0) if looped else (1.0, 3.0)
        yield Suspicion(f.RUNAWAY_AGENT, one.entity, loop, _why(tenant, habits))
        told = f"each call of {tenant} carries more"
        yield Suspicion(f.CONTEXT_BLOAT, one.entity, bloat, told)
    elif habits.regular:
        yield Suspicion(f.RUNAWAY_AGENT, one.entity, 1.2, _why(tenant, habits))


def _hogs(one: Tracked, readings: Readings) -> Iterable[Suspicion]:
    """The tenant that came to have most of the finding's pool since shortly before it began."""
    models = {one.model, one.pool, one.pool.rpartition("/")[2]} - {""}
    best: tuple[float, float, str] | None = None
    for signals in ((s.TENANT_CALL_RATE,), (s.TENANT_INPUT_RATE, s.TENANT_OUTPUT_RATE)):
        times, parts = readings.parts(signals, "tenant", models)
        past = times < one.since - 300.0
        lately = times > max(one.since, readings.scene.now - 600.0)
        total = sum(parts.values(), np.zeros(len(times)))
        if len(parts) < 2 or not total[past].any() or not total[lately].any():
            continue
        for tenant, row in sorted(parts.items()):
            before, after = (float(row[at].sum() / total[at].sum()) for at in (past, lately))
            more = float(row[lately].mean()) >= HOG_MORE * float(row[past].mean())
            if after >= HOG_SHARE and after - before >= HOG_GROWTH and more:
                best = max(filter(None, (best, (after, before, tenant))))
    if best is not None:
        after, before, tenant = best
        told = f"{tenant} has {after:.0%} of it, {before:.0%} before, and calls more than it did"
        yield Suspicion(f.TENANT_HOG, Entity(EntityKind.TENANT, tenant), HOG_FACTOR, told)


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
