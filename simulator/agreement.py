"""One pool under one load in both fidelities: request by request, and tick by tick."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.arrivals import asked
from simulator.cluster import ClusterSpec
from simulator.pods import Pod
from simulator.ticks import tick_by_tick
from simulator.world import World

_PATIENCE = 3600.0
"""Seconds the gateway waits: flows know no time-outs."""
_SETTLING = 300.0
"""Seconds left out at the beginning, in which an empty pool fills."""
_LOOK = 5.0
TICK = 1.0
"""Seconds of a tick."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Means over a stretch of time and over the replicas of the pool."""

    output_tokens: float
    """Per second and replica."""
    running: float
    waiting: float
    kv_share: float
    busy: float
    """Share of time, as the GPUs' utilisation says."""
    watts: float
    """Of one GPU."""
    between_tokens: float
    """Seconds, mean over tokens."""
    to_first_token: float
    """Seconds, mean over requests that got one."""


def alone(spec: ClusterSpec, pool: str, factor: float) -> ClusterSpec:
    """Only *pool* of *spec*, asked *factor* times as much, and nobody gives up or adds replicas."""
    return replace(
        spec,
        pools=(replace(spec.pool(pool), scaling=None, timeout=_PATIENCE),),
        streams=tuple(
            replace(one, rate=one.rate * factor) for one in spec.streams if one.pool == pool
        ),
        warm_up=spec.tick,
    )


def both(
    spec: ClusterSpec, seed: int, start: float, seconds: float
) -> tuple[Levels, Levels, World]:
    """Levels of the one pool of *spec* request by request and tick by tick, after settling.

    Both answer the same calls. The world is where the first way left it.
    """
    world = World(seed, start, spec)
    flows = _by_tick(world, seconds)
    return _by_request(world, seconds), flows, world


def _by_request(world: World, seconds: float) -> Levels:
    world.advance(world.now + _SETTLING)
    pods = world.pods()
    gpus = [gpu for pod in pods for gpu in pod.gpus]
    before = _counts(pods)
    looks = []
    for _look in range(int(seconds / _LOOK)):
        world.advance(world.now + _LOOK)
        looks.append(
            (
                np.mean([pod.engine.running for pod in pods]),
                np.mean([pod.engine.queued for pod in pods]),
                np.mean([pod.engine.kv_usage for pod in pods]),
                np.mean(world.bank.utilization[gpus]),
                np.mean(world.bank.power[gpus]),
            )
        )
    made, gaps, gap_count, waits, wait_count = _counts(pods) - before
    running, waiting, kv_share, busy, watts = np.mean(looks, axis=0)
    return Levels(
        float(made / len(pods) / seconds), float(running), float(waiting), float(kv_share),
        float(busy), float(watts), float(gaps / gap_count), float(waits / wait_count),
    )  # fmt: skip


def _counts(pods: Sequence[Pod]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    tallies = [pod.engine.tally for pod in pods]
    return np.array(
        [
            sum(one.generated_tokens for one in tallies),
            sum(one.between_tokens.total for one in tallies),
            sum(one.between_tokens.count for one in tallies),
            sum(one.to_first_token.total for one in tallies),
            sum(one.to_first_token.count for one in tallies),
        ],
        dtype=np.float64,
    )


def _by_tick(world: World, seconds: float) -> Levels:
    pool = world.spec.pools[0]
    ticks = int((_SETTLING + seconds) / TICK)
    load = asked(world.traffic.sources, world.now, ticks, TICK, pool.replicas)
    found = tick_by_tick([pool.engine], [load], TICK)
    after = slice(int(_SETTLING / TICK), None)
    busy, prefill = found.busy[after, 0], found.prefill[after, 0]
    watts = world.bank.drive(world.pods()[0].gpus[0], busy, prefill, held=True)
    made, first = found.output_tokens[after, 0], found.first_tokens[after, 0]
    return Levels(
        float(made.sum() / seconds),
        float(found.running[after].mean()),
        float(found.waiting[after].mean()),
        float(found.kv_tokens[after].mean() / pool.engine.kv_tokens),
        float(busy.mean()),
        float(watts.mean()),
        float(np.nansum(found.between_tokens[after, 0] * made) / made.sum()),
        float((found.to_first_token[after, 0] * first).sum() / first.sum()),
    )
