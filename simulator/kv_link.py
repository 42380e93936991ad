"""KV cache that one engine computes and another decodes with: what is kept, and what is fetched.

As vLLM's NIXL connector does it: the engine that has computed a prompt keeps its blocks, the one
that is to decode gives the request blocks of its own, reads the others over the network, and says
so; what nobody says is fetched is given up when its lease is over.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from simulator.requests import Request


@dataclass(frozen=True, slots=True)
class Prefill:
    """Replicas apart that compute the prompts of a pool, and the way from there."""

    replicas: int
    bandwidth: float = 40e9
    """Bytes a second into one decoding replica. One port of 400 Gbit/s carries 50e9; vllm#52607
    measures 49e9 over RDMA and 0.5e9 where the transport falls back to TCP."""
    connections: int = 4
    """Transfers at one time; others wait. Queues of SGLang's connector, as it is set by default."""
    hop: float = 0.004
    """Seconds from the end of a prompt to the decoding replica: two HTTP calls of the router in
    between. Our judgement."""
    lease: float = 30.0
    """Seconds after which KV that nobody fetches is given up: `kv_lease_duration` of vLLM 0.32."""
    patience: float = 1.0
    """Seconds until a transfer that does not come is given up. UCX_RC_TIMEOUT is one second."""
    recompute: bool = True
    """Whether the decoding replica computes a prompt itself whose KV does not come
    (`kv_load_failure_policy: recompute`), or the request fails (`fail`)."""


@dataclass(slots=True, eq=False)
class Transfer:
    """The KV of one prompt on its way."""

    request: Request
    size: float
    """Bytes."""
    left: float
    began: float = 0.0
    fails_at: float = np.inf


@dataclass(slots=True)
class Inbound:
    """What one decoding engine fetches: so many transfers at a time share its link evenly."""

    link: Prefill
    token_bytes: int
    """Bytes of KV cache a token takes."""
    share: float = 1.0
    """What is left of the bandwidth."""
    failing: float = 0.0
    """Share of transfers that fail."""
    clock: float = -np.inf
    moving: list[Transfer] = field(default_factory=list)
    queued: deque[Transfer] = field(default_factory=deque)

    def requests(self) -> list[Request]:
        """Those whose KV is on its way or waits for it."""
        return [one.request for one in (*self.moving, *self.queued)]

    def fetch(self, request: Request, tokens: int, at: float, rng: np.random.Generator) -> None:
        """Send for *tokens* of the prompt of *request*."""
        self.clock = max(self.clock, at)
        size = float(tokens * self.token_bytes)
        one = Transfer(request, size, size)
        if self.failing and rng.random() < self.failing:
            one.fails_at = self.link.patience  # from when it begins
        self.queued.append(one)
        self._begin()

    def _begin(self) -> None:
        while self.queued and len(self.moving) < self.link.connections:
            one = self.queued.popleft()
            one.began = self.clock
            one.fails_at += self.clock
            self.moving.append(one)

    def _next(self) -> tuple[float, Transfer] | None:
        """The transfer that ends first, and when; a failing one takes no bandwidth."""
        if not self.moving:
            return None
        sharing = sum(one.fails_at == np.inf for one in self.moving)
        speed = self.link.bandwidth * self.share / max(1, sharing)
        ends = [
            (one.fails_at if one.fails_at < np.inf else self.clock + one.left / speed, place)
            for place, one in enumerate(self.moving)
        ]
        at, place = min(ends)
        return at, self.moving[place]

    def next_end(self) -> float:
        """When the next transfer ends; never without one."""
        found = self._next()
        return np.inf if found is None else found[0]

    def until(self, now: float) -> Iterator[tuple[float, Transfer, bool]]:
        """Every transfer that ended by *now*: when, which, and whether the KV is there."""
        while (found := self._next()) is not None and found[0] <= now:
            at, one = found
            self._move(at)
            self.moving.remove(one)
            self._begin()
            yield at, one, one.fails_at == np.inf
        self._move(now)

    def _move(self, to: float) -> None:
        sharing = [one for one in self.moving if one.fails_at == np.inf]
        if sharing and to > self.clock:
            moved = (to - self.clock) * self.link.bandwidth * self.share / len(sharing)
            for one in sharing:
                one.left = max(0.0, one.left - moved)
        self.clock = max(self.clock, to)

    def cancelled(self) -> list[Request]:
        """Drop every transfer whose caller has gone; their requests."""
        gone = [one.request for one in (*self.moving, *self.queued) if one.request.abandoned]
        if gone:
            self.moving = [one for one in self.moving if not one.request.abandoned]
            self.queued = deque(one for one in self.queued if not one.request.abandoned)
            self._begin()
        return gone

    def clear(self) -> None:
        """The process died, and its connections with it."""
        self.moving.clear()
        self.queued.clear()
