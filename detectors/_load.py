"""Latency and load of one model's replicas, side by side, for comparing like with like."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectors._evidence import without
from vocabulary import signals
from vocabulary.entities import Replica
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 14_400.0
STEP = 60.0


def _watch(signal: signals.Signal) -> Watch:
    return Watch(signal, LOOKBACK, STEP, every=STEP)


ITL = _watch(signals.ITL_MEAN)
TOKENS = _watch(signals.STEP_TOKEN_RATE)
RUNNING = _watch(signals.RUNNING)
KV_USAGE = _watch(signals.KV_USAGE)
INPUT = _watch(signals.INPUT_TOKEN_RATE)
PREEMPTIONS = _watch(signals.PREEMPTION_RATE)
WATCHES = (ITL, TOKENS, RUNNING, KV_USAGE, INPUT, PREEMPTIONS)
LOADS = (RUNNING, KV_USAGE, INPUT)
"""What makes a token slower: the batch, the context it carries, the prompts that share a step."""


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """Seconds between tokens of one replica, and its load, column by column."""

    replica: Replica
    seconds: Array
    """NaN where nothing was decoded, where the replica was warming up, and where it preempted:
    recomputing is another failure's story."""
    loads: Array
    """Shape (T, K)."""


def paces(scene: Scene, members: list[Replica], warm_up: float) -> tuple[Array, list[Pace]]:
    """Times, and the pace of every member that decoded anything; same loads for all."""
    rows = {watch: _rows(scene, watch) for watch in WATCHES}
    times = scene.frame(ITL).times
    blank = np.full(len(times), np.nan)
    used = [
        watch
        for watch in LOADS
        if any(np.isfinite(rows[watch].get(_key(one), blank)).any() for one in members)
    ]
    found = []
    for one in members:
        running = rows[RUNNING].get(_key(one), blank)
        seconds = _seconds(rows, _key(one), running, blank)
        seconds = np.where(rows[PREEMPTIONS].get(_key(one), blank) > 0.02, np.nan, seconds)
        warm = [(at, at + warm_up) for at in _starts(scene, one)]
        seconds = without(times, seconds, warm)
        loads = np.column_stack([rows[watch].get(_key(one), blank) for watch in used] or [blank])
        if used and np.isfinite(seconds).any():
            found.append(Pace(one, seconds, loads))
    return times, found


def _seconds(
    rows: Mapping[Watch, Mapping[tuple[str, str], Array]],
    key: tuple[str, str],
    running: Array,
    blank: Array,
) -> Array:
    """Seconds between tokens; batch over token rate (Little's law) where no histogram says so."""
    measured = rows[ITL].get(key, blank)
    if np.isfinite(measured).any():
        return measured
    tokens = rows[TOKENS].get(key, blank)
    with np.errstate(divide="ignore", invalid="ignore"):
        derived: Array = np.where((tokens > 0.0) & (running > 0.0), running / tokens, np.nan)
    return derived


def _key(replica: Replica) -> tuple[str, str]:
    """Replica and model: another model in the same process is another baseline."""
    return (replica.entity.id, replica.model)


def _rows(scene: Scene, watch: Watch) -> dict[tuple[str, str], Array]:
    return {
        (labels.get("replica", ""), labels.get("model", "")): row
        for labels, row in scene.frame(watch).rows()
    }


def _starts(scene: Scene, replica: Replica) -> list[float]:
    """When this replica began or began anew, as far as that lies in view."""
    begun = [
        change.at
        for change in scene.changes
        if change.entity == replica.entity and change.kind in {"restart", "model"}
    ]
    return [replica.first_seen, *begun]
