"""How busy the pools of a cluster would be without any fault: tick by tick, in a moment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.arrivals import Asked, asked
from simulator.cluster import ClusterSpec, PoolSpec
from simulator.cluster_traffic import traffic_of
from simulator.relay_flows import computing, passed_on
from simulator.ticks import Ticked, tick_by_tick

_TICK = 2.0


@dataclass(frozen=True, slots=True)
class PoolOutlook:
    """One pool under its usual traffic; of one replica where nothing else is said."""

    pool: str
    replicas: int
    calls: float
    """Per second, of the whole pool."""
    output_tokens: float
    """Per second, of the whole pool."""
    busy: float
    """Share of time in which a step runs."""
    running: float
    """Requests in the batch, mean."""
    running_most: float
    """The most in any tick."""
    kv_share_most: float
    """Largest share of the cache in use in any tick."""
    between_tokens: float
    """Seconds from token to token, mean over tokens; NaN without one."""
    queued: float
    """Share of time in which requests wait for room: above zero the pool is too small for its
    traffic, also when nothing is wrong."""


def outlook(spec: ClusterSpec, seed: int, start: float, seconds: float) -> list[PoolOutlook]:
    """Every pool of *spec* over *seconds* from *start* on, with the calls a world would get.

    What comes of time-outs, retries and autoscaling is not in it.
    """
    traffic = traffic_of(spec, seed)
    before = int(spec.warm_up / _TICK)
    ticks = before + max(1, int(seconds / _TICK))
    pools = [pool for pool in spec.pools if pool.replicas and traffic.of(pool=pool.name)]
    loads = [
        asked(traffic.of(pool=pool.name), start - before * _TICK, ticks, _TICK, pool.replicas)
        for pool in pools
    ]
    firsts = [pool.before or pool for pool in pools]
    asks = [load if one is pool else computing(load, one.replicas / pool.replicas)
            for one, pool, load in zip(firsts, pools, loads, strict=True)]  # fmt: skip
    table = _walked(firsts, asks)
    found = []
    for at, (told, one, pool, load) in enumerate(
        zip(_told(firsts, asks, table, before), firsts, pools, loads, strict=True)
    ):
        found.append(told)
        if pool.prefill is not None:
            computed = one.replicas / pool.replicas * table.prompt_tokens[:, at]
            passed = passed_on(load, computed, pool.prefill, pool.engine.token_bytes, _TICK).asked
            found += _told([pool], [passed], _walked([pool], [passed]), before)
    return found


def _walked(pools: Sequence[PoolSpec], loads: Sequence[Asked]) -> Ticked:
    models = [
        pool.engine if pool.drafting is None else pool.drafting.applied(pool.engine)
        for pool in pools
    ]
    return tick_by_tick(models, loads, _TICK)


def _told(
    pools: Sequence[PoolSpec], loads: Sequence[Asked], table: Ticked, before: int
) -> list[PoolOutlook]:
    """What *table* says of each pool after so many ticks."""
    found = []
    for at, (pool, load) in enumerate(zip(pools, loads, strict=True)):
        seen = slice(before, None)
        made = table.output_tokens[seen, at]
        spent = float(np.nansum(table.between_tokens[seen, at] * made))
        total = float(made.sum())
        found.append(
            PoolOutlook(
                pool.name,
                pool.replicas,
                float(load.requests[seen].sum(axis=1).mean() / _TICK * pool.replicas),
                float(made.mean() / _TICK * pool.replicas),
                float(table.busy[seen, at].mean()),
                float(table.running[seen, at].mean()),
                float(table.running[seen, at].max()),
                float(min(1.0, table.kv_tokens[seen, at].max() / pool.engine.kv_tokens)),
                spent / total if total else float("nan"),
                float((table.waiting[seen, at] > 0.5).mean()),
            )
        )
    return found
