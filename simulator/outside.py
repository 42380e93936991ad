"""Models that somebody else serves: a provider takes calls, answers in its own time, or refuses."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from simulator.cluster import ClusterSpec
from simulator.gateway import Gateway
from simulator.requests import Leaving, Outcome, Phase, Request
from simulator.routing import Backend

PROVIDER = "provider"
"""What a pool is served by that has neither replicas nor pages: somebody else's model."""
_FIRST_TOKEN = 0.6
_BETWEEN_TOKENS = 0.014
_SPREAD = 0.25
"""Seconds to the first token and from one to the next, and their lognormal spread from call to
call. Our judgement, after what public dashboards of hosted models of the largest size show."""
_REFUSAL = 0.15
"""Seconds until a refusal is back. Our judgement."""


@dataclass(slots=True)
class Provider:
    """One hosted model. It has no batch and no queue that we could see, and as much room as it
    wants to give us.
    """  # noqa: D205 - one sentence does not hold it

    name: str
    rng: np.random.Generator
    refused: float = 0.0
    """Share of calls that it refuses or fails."""
    _inside: dict[int, Request] = field(default_factory=dict)
    _due: list[tuple[float, int, Outcome]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    @property
    def uid(self) -> str:
        """What the gateway counts calls in flight by."""
        return self.name

    @property
    def answers(self) -> bool:
        """Its front door always takes the connection."""
        return True

    @property
    def engine(self) -> "Provider":
        """It is all that is seen of what is behind it."""
        return self

    def submit(self, request: Request) -> None:
        """Take a call, and decide what becomes of it."""
        number, lasts = next(self._numbers), _REFUSAL
        outcome = Outcome.LOST if self.rng.random() < self.refused else Outcome.STOP
        if outcome is Outcome.STOP:
            slow = float(self.rng.lognormal(0.0, _SPREAD))
            request.first_token = request.arrived + _FIRST_TOKEN * slow
            lasts = (_FIRST_TOKEN + _BETWEEN_TOKENS * request.output_tokens) * slow
        request.phase = Phase.DECODE
        self._inside[number] = request
        heapq.heappush(self._due, (request.arrived + lasts, number, outcome))

    def abandon(self, requests: Sequence[Request]) -> None:
        """Their callers hung up."""
        gone = {id(one) for one in requests}
        self._inside = {n: one for n, one in self._inside.items() if id(one) not in gone}

    def until(self, now: float) -> Iterable[Leaving]:
        """What it has answered by *now*."""
        while self._due and self._due[0][0] <= now:
            at, number, outcome = heapq.heappop(self._due)
            request = self._inside.pop(number, None)
            if request is not None:
                request.generated = request.output_tokens if outcome is Outcome.STOP else 0
                request.phase = Phase.GONE
                yield Leaving(at, request, outcome)


class Outside:
    """Every provider that the cluster's gateway calls, by the name of its route."""

    def __init__(self, spec: ClusterSpec, seed: int) -> None:
        self.providers = {
            pool.name: Provider(pool.name, np.random.default_rng([seed, 6, number]))
            for number, pool in enumerate(spec.pools)
            if pool.server == PROVIDER
        }

    def beside(self, own: Callable[[str], Sequence[Backend]]) -> Callable[[str], Sequence[Backend]]:
        """Who takes the calls of a route: its provider, or the replicas that *own* names."""

        def takers(route: str) -> Sequence[Backend]:
            provider = self.providers.get(route)
            return own(route) if provider is None else [provider]

        return takers

    def settle(self, gateway: Gateway, now: float) -> None:
        """Hand over what providers answered by *now*."""
        for provider in self.providers.values():
            gateway.settle(provider.until(now))
