"""One pool under one load in both fidelities: request by request, and tick by tick."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.arrivals import Asked, asked
from simulator.cluster import ClusterSpec, PoolSpec
from simulator.gateway import Gateway
from simulator.pods import Pod
from simulator.relay_flows import computing, passed_on
from simulator.ticks import Ticked, tick_by_tick
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
    pods = world.pods(world.spec.pools[0].name)
    gpus = [gpu for pod in pods for gpu in pod.gpus]
    before = _counts(pods, world.gateway)
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
    made, gaps, gap_count, waits, wait_count = _counts(pods, world.gateway) - before
    running, waiting, kv_share, busy, watts = np.mean(looks, axis=0)
    return Levels(
        float(made / len(pods) / seconds), float(running), float(waiting), float(kv_share),
        float(busy), float(watts), float(gaps / gap_count), float(waits / wait_count),
    )  # fmt: skip


def _counts(pods: Sequence[Pod], gateway: Gateway) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    tallies = [pod.engine.tally for pod in pods]
    # where prompts are computed apart, an engine knows only its half of the wait
    first = [one.to_first_token for one in (gateway.accounts.values() if pods[0].pool.prefill
                                            else tallies)]  # fmt: skip
    return np.array(
        [
            sum(one.generated_tokens for one in tallies),
            sum(one.between_tokens.total for one in tallies),
            sum(one.between_tokens.count for one in tallies),
            sum(one.total for one in first),
            sum(one.count for one in first),
        ],
        dtype=np.float64,
    )


def _by_tick(world: World, seconds: float) -> Levels:
    pool = world.spec.pools[0]
    ticks = int((_SETTLING + seconds) / TICK)
    load = asked(world.traffic.sources, world.now, ticks, TICK, pool.replicas)
    found, before = _flows(pool, load)
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
        float((found.to_first_token[after, 0] * first).sum() / first.sum()) + before,
    )


def _flows(pool: PoolSpec, load: Asked) -> tuple[Ticked, float]:
    """What a replica does in each tick, and the mean seconds until a request comes there."""
    if pool.prefill is None:
        return tick_by_tick([pool.engine], [load], TICK), 0.0
    share = pool.prefill.replicas / pool.replicas
    first = tick_by_tick([pool.engine], [computing(load, share)], TICK)
    computed = share * first.prompt_tokens[:, 0]
    passed = passed_on(load, computed, pool.prefill, pool.engine.token_bytes, TICK)
    found = tick_by_tick([pool.engine], [passed.asked], TICK)
    waits = first.to_first_token[:, 0] + passed.transfer
    return found, float(np.average(waits, weights=first.first_tokens[:, 0]))
