"""Lets a freshly warmed-up cluster look as if it had been up for weeks."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from simulator.accounts import list_price
from simulator.cluster import ClusterSpec
from simulator.gateway import Gateway
from simulator.pods import Pod
from simulator.traffic import Traffic

_ROOM = 1.5
"""Counters end this much above what the mean rate would give, so that a history that is anchored
at their value never begins below zero."""
_STAGGER = 37.0
"""Seconds between the starts of two processes."""


def age(
    pods: Sequence[Pod], gateway: Gateway, traffic: Traffic, *, spec: ClusterSpec, start: float
) -> None:
    """Multiply what the warm-up counted until it fits the uptime, and move the starts back.

    Every counter of a process is multiplied by one integer, so that histograms keep their shape
    and their sums; what is in flight stays as it is.
    """
    factor = _factor(traffic, spec, start)
    born = start - spec.uptime
    for index, pod in enumerate(pods):
        pod.engine.tally.age(factor)
        pod.engine.tally.started = born - _STAGGER * index
    _spend(gateway, spec, start)
    for account in gateway.accounts.values():
        account.age(factor)
    gateway.started = born


def _spend(gateway: Gateway, spec: ClusterSpec, start: float) -> None:
    """Let budgets be used up since their period began as they were during the warm-up."""
    for tenant, purses in gateway.purses.items():
        spent = sum(
            list_price(spec.pool(pool), one.input_tokens, one.cached_tokens, one.output_tokens)
            for (who, pool), one in gateway.accounts.items()
            if who == tenant
        )
        for purse in purses:
            purse.renew(start)
            purse.spent = spent * Decimal((start - purse.began) / spec.warm_up)


def _factor(traffic: Traffic, spec: ClusterSpec, start: float) -> int:
    """How often the warm-up fits into the uptime when it fell into a quiet hour."""
    week = start - np.arange(0.0, 7 * 86_400.0, 3600.0)
    quietest = min(
        float(source.rate(np.array([start]))[0] / source.rate(week).mean())
        for source in traffic.sources
    )
    return int(_ROOM * spec.uptime / spec.warm_up / min(1.0, quietest)) + 1
