"""Engines that do one half of a request: one computes prompts, the other decodes with their KV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from simulator.engine import Engine
from simulator.kv_link import Inbound
from simulator.requests import Outcome, Phase, Request


class Prompt(NamedTuple):
    """A prompt that one engine computed for another to decode with."""

    engine: "Prefilling"
    request: Request
    """What the engine that computed it was asked."""


@dataclass(slots=True)
class Prefilling(Engine):
    """Computes prompts, and keeps their KV until whoever decodes with it has fetched it."""

    lease: float = 30.0
    """Seconds for which a prompt is kept that nobody says anything about any more."""
    unheard: float = 0.0
    """Share of the words "I have it" that never arrive."""
    kept: dict[Request, float] = field(default_factory=dict)
    """By request: when its KV is given up."""

    def release(self, request: Request) -> None:
        """Somebody says that the KV of *request* has been fetched, or is not needed any more."""
        if request not in self.kept:
            return
        if self.unheard and self.rng.random() < self.unheard:
            self.lapse(request, self.clock)
        else:
            self._let_go(request)

    def lapse(self, request: Request, at: float) -> None:
        """From *at* on nobody renews the lease of *request*."""
        if request in self.kept:
            self.kept[request] = at + self.lease

    def expire(self, now: float) -> None:
        """Give up what nobody has fetched in time."""
        for request in [one for one, until in self.kept.items() if until <= now]:
            self._let_go(request)
            self.tally.transfers_expired += 1

    def lose_everything(self, at: float) -> None:
        self.kept.clear()
        Engine.lose_everything(self, at)

    def _give_back(self, request: Request) -> None:
        if request.abandoned:
            self.kv_used -= request.kv
            return
        self.kept[request] = np.inf
        self.kv_unread += request.kv

    def _let_go(self, request: Request) -> None:
        del self.kept[request]
        self.kv_used -= request.kv
        self.kv_unread -= request.kv


@dataclass(slots=True, kw_only=True)
class Decoding(Engine):
    """Gives a request blocks, fetches its prompt's KV, and decodes with it.

    A request that does not say where its KV waits is computed here.
    """

    inbound: Inbound
    ranks: int = 1
    """GPUs of the group, each of which fetches its part."""
    done: list[tuple[float, Request, bool]] = field(default_factory=list)
    """When which prompt's transfer ended, and whether it came, until somebody has told."""

    def requests(self) -> list[Request]:
        return [*Engine.requests(self), *self.inbound.requests()]

    @property
    def queued(self) -> int:
        """Requests that wait: also for their KV, as vLLM counts."""
        return super(Decoding, self).queued + self.deferred

    @property
    def deferred(self) -> int:
        """Requests that wait for their KV."""
        return len(self.inbound.moving) + len(self.inbound.queued)

    def take_done(self) -> list[tuple[float, Request, bool]]:
        """Transfers that ended since the last call."""
        out, self.done = self.done, []
        return out

    def lose_everything(self, at: float) -> None:
        Engine.lose_everything(self, at)
        self.inbound.clear()

    def abandon(self, requests: Sequence[Request]) -> None:
        Engine.abandon(self, requests)
        if self.stalled:
            return
        for request in self.inbound.cancelled():
            self._dismiss(request, Outcome.ABORT)

    def _take_arrivals(self, until: float) -> None:
        Engine._take_arrivals(self, until)
        came = []
        for at, one, fine in self.inbound.until(self.clock):
            request = one.request
            self.done.append((at, request, fine))
            self.kv_unread -= request.kv
            if fine:
                self.tally.transferred(at - one.began, one.size, self.ranks)
            else:
                self.tally.transfers_failed += self.ranks
                request.fetched = 0
                if not self.inbound.link.recompute:
                    self.kv_unread += request.kv
                    self._dismiss(request, Outcome.ERROR)
                    continue
                self.kv_used -= request.kv
                request.kv = 0
            came.append(request)
        self.waiting.extendleft(reversed(came))

    def _dismiss(self, request: Request, outcome: Outcome) -> None:
        """One that has blocks and no KV leaves."""
        self.kv_used -= request.kv
        self.kv_unread -= request.kv
        self._leave(request, outcome)

    def _woken(self, to: float) -> float:
        return min(Engine._woken(self, to), self.inbound.next_end())

    def _fits(self, request: Request) -> bool:
        if request.kv:  # its KV is here
            return True
        needed = self.kv_used + request.input_tokens + request.generated
        return needed <= self.kv_capacity or not (self.running or self.inbound.moving)

    def _sent_for(self, request: Request) -> bool:
        if not request.remote:
            return False
        request.remote = False
        request.kv = request.input_tokens - 1
        request.fetched = request.kv - min(request.cached_tokens, request.kv)
        if not request.fetched:
            request.kv = 0
            self.done.append((self.clock, request, True))
            return False
        request.phase = Phase.WAITING
        self.kv_used += request.kv
        self.kv_unread += request.kv
        self.inbound.fetch(request, request.fetched, self.clock, self.rng)
        return True
