"""Latency and load of one model's replicas, side by side, for comparing like with like."""

from dataclasses import dataclass

import numpy as np

from detectors._evidence import by, without
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Entity, Replica
from vocabulary.expressions import Signal
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
STEP = 60.0


def _watch(signal: Signal) -> Watch:
    return Watch(signal, LOOKBACK, STEP, every=STEP)


ITL = _watch(signals.ITL_MEAN)
TOKENS = _watch(signals.STEP_TOKEN_RATE)
RUNNING = _watch(signals.RUNNING_MEAN)
BATCH = _watch(signals.BATCH_PER_STEP)
KV_USAGE = _watch(signals.KV_USAGE_MEAN)
PROMPTS = _watch(signals.PROMPT_PER_STEP)
INPUT = _watch(signals.INPUT_TOKEN_RATE)
PREEMPTIONS = _watch(signals.PREEMPTION_RATE)
WATCHES = (ITL, TOKENS, RUNNING, BATCH, KV_USAGE, PROMPTS, INPUT, PREEMPTIONS)
LOADS = ((BATCH, RUNNING), (KV_USAGE,), (PROMPTS, INPUT))
"""What makes a token slower: the batch, the context it carries, the prompts that share a step;
each by the best measure there is. Tokens over steps is what a step really held; a gauge read
every 15 s misses most of it, and a noisy load makes every busy hour look like a regression."""


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """Seconds between tokens of one replica, and its load, column by column."""

    entity: Entity
    known: Replica | None
    """The replica, while the fleet still knows it; replaced ones leave their past behind."""
    seconds: Array
    """NaN where nothing was decoded, where the replica was warming up, and where it preempted:
    recomputing is another failure's story."""
    loads: Array
    """Shape (T, K)."""


def paces(scene: Scene, pool: str, model: str, warm_up: float) -> tuple[Array, list[Pace]]:
    """Times, and the pace of every replica of *model* in *pool* that decoded anything in view.

    The model is part of the question: another model in the same pool is another baseline.
    """
    frames = {watch: scene.frame(watch).where(pool=pool, model=model) for watch in WATCHES}
    rows = {watch: by(frame, "replica") for watch, frame in frames.items()}
    times = scene.frame(ITL).times
    blank = np.full(len(times), np.nan)
    names = sorted(set(rows[RUNNING]) | set(rows[ITL]))
    measured = {watch for watch in WATCHES if not frames[watch].empty}
    used = [best for load in LOADS for best in [one for one in load if one in measured][:1]]
    found = []
    for name in names if used else ():
        known = scene.replica(name)
        entity = known.entity if known else identity.replica(name)
        running = rows[RUNNING].get(name, blank)
        seconds = _seconds(rows[ITL].get(name, blank), rows[TOKENS].get(name, blank), running)
        seconds = np.where(rows[PREEMPTIONS].get(name, blank) > 0.02, np.nan, seconds)
        warm = [(at, at + warm_up) for at in _starts(scene, entity, known, times, running)]
        seconds = without(times, seconds, warm)
        if np.isfinite(seconds).any():
            loads = np.column_stack([rows[watch].get(name, blank) for watch in used])
            found.append(Pace(entity, known, seconds, loads))
    return times, found


def _seconds(measured: Array, tokens: Array, running: Array) -> Array:
    """Seconds between tokens; batch over token rate (Little's law) where no histogram says so."""
    if np.isfinite(measured).any():
        return measured
    with np.errstate(divide="ignore", invalid="ignore"):
        derived: Array = np.where((tokens > 0.0) & (running > 0.0), running / tokens, np.nan)
    return derived


def _starts(
    scene: Scene, entity: Entity, known: Replica | None, times: Array, running: Array
) -> list[float]:
    """When this replica began or began anew, as far as that lies in view."""
    begun = [
        change.at
        for change in scene.changes
        if change.entity == entity and change.kind in {"restart", "model"}
    ]
    if known is not None:
        return [known.first_seen, *begun]
    seen = np.flatnonzero(np.isfinite(running))
    born_in_view = seen.size and seen[0] > 1
    return [float(times[seen[0]]), *begun] if born_in_view else begun
