"""A LiteLLM-like gateway: it routes, waits, retries, gives up, and books what it did.

An operation is what a user asked for once; an attempt is one call on the wire.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Protocol

import numpy as np

from simulator.cluster import PoolSpec
from simulator.counting import SECONDS_AT_GATEWAY, SECONDS_PER_TOKEN_AT_GATEWAY, Histogram
from simulator.engine import Engine
from simulator.requests import Leaving, Outcome, Request
from simulator.traffic import Arrival

_OVERHEAD = 0.012
"""Seconds the gateway itself adds to a call. Our judgement."""
_BACK_OFF = 0.5
"""Seconds before the first retry; doubles with each."""

TIMEOUT = ("Openai.Timeout", "408")
REFUSED = ("Openai.APIConnectionError", "500")
NO_REPLICA = ("Openai.ServiceUnavailableError", "503")
"""Nobody behind the route takes the call, or the route itself does not."""


class Server(Protocol):
    """What takes calls, and can be told that nobody waits for them any more."""

    def submit(self, request: Request) -> None:
        """Take a call."""
        ...

    def abandon(self, requests: Sequence[Request]) -> None:
        """Their callers hung up."""
        ...


class Backend(Protocol):
    """A replica as the route sees it."""

    @property
    def uid(self) -> str:
        """What it is known by."""
        ...

    @property
    def engine(self) -> Server:
        """What takes its calls."""
        ...

    @property
    def answers(self) -> bool:
        """Whether a connection is taken."""
        ...


@dataclass(slots=True)
class Policy:
    """How calls to one pool are made; faults change it."""

    timeout: float
    retries: int
    hangs_up: bool = True
    """Whether a time-out also ends the work behind it."""


@dataclass(slots=True)
class Operation:
    """One user's call."""

    number: int
    call: Arrival
    attempts: int = 0
    began: float = 0.0
    """When the attempt in flight was sent."""
    backend: Backend | None = None
    request: Request | None = None
    avoid: str = ""
    """Replica that was tried last; a retry goes to another where there is one."""


def list_price(pool: PoolSpec, asked: int, cached: int, answered: int) -> Decimal:
    """Dollars for so many tokens, of which *cached* of the prompt's at their own price."""
    return (
        (asked - cached) * pool.usd_per_million_input
        + cached * pool.usd_per_million_cached
        + answered * pool.usd_per_million_output
    ) / 1_000_000


def _seconds() -> Histogram:
    return Histogram(SECONDS_AT_GATEWAY)


@dataclass(slots=True)
class Account:
    """What one tenant did with one pool's model."""

    succeeded: int = 0
    failed: dict[tuple[str, str], int] = field(default_factory=dict)
    """Operations that failed, by exception class and status."""
    attempts_ok: int = 0
    attempts_failed: dict[tuple[str, str], int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    misbooked: Decimal = Decimal(0)
    """Dollars booked above (or below zero: short of) the list price of these tokens."""
    total: Histogram = field(default_factory=_seconds)
    upstream: Histogram = field(default_factory=_seconds)
    to_first_token: Histogram = field(default_factory=_seconds)
    overhead: Histogram = field(default_factory=_seconds)
    queue: Histogram = field(default_factory=_seconds)
    per_token: Histogram = field(default_factory=lambda: Histogram(SECONDS_PER_TOKEN_AT_GATEWAY))

    @property
    def operations(self) -> int:
        """Calls that have been answered, well or not."""
        return self.succeeded + sum(self.failed.values())

    def age(self, factor: int) -> None:
        """Pretend that everything so far happened *factor* times."""
        for name in (
            "succeeded",
            "attempts_ok",
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "misbooked",
        ):
            setattr(self, name, getattr(self, name) * factor)
        for failures in (self.failed, self.attempts_failed):
            failures.update({reason: number * factor for reason, number in failures.items()})
        for histogram in (
            self.total, self.upstream, self.to_first_token, self.overhead, self.queue,
            self.per_token,
        ):  # fmt: skip
            histogram.multiply(factor)


@dataclass(slots=True)
class Favour:
    """A route that deals calls out by Zipf's law, whatever the load, one replica first."""

    first: str
    """Uid of the replica that gets most."""
    exponent: float
    rng: np.random.Generator

    def pick(self, backends: Sequence[Backend]) -> Backend:
        """The replica of the next call."""
        ranked = sorted(backends, key=lambda one: (one.uid != self.first, one.uid))
        weights = 1.0 / np.arange(1, len(ranked) + 1) ** self.exponent
        chosen = int(self.rng.choice(len(ranked), p=weights / weights.sum()))
        return ranked[chosen]


@dataclass(slots=True)
class Trickle:
    """A replica on trial: a small share of its pool's calls goes there, whatever the load."""

    uid: str
    share: float
    rng: np.random.Generator

    def narrow(self, backends: Sequence[Backend]) -> Sequence[Backend]:
        """Whom the next call may go to; everybody where only one side is there."""
        tried = bool(self.rng.random() < self.share)
        return [one for one in backends if (one.uid == self.uid) is tried] or backends


@dataclass(slots=True)
class BrokenRoute:
    """A route whose endpoint picker does not answer: so many calls go no further than there."""

    share: float
    rng: np.random.Generator

    def refuses(self) -> bool:
        """Whether the next call ends here."""
        return bool(self.rng.random() < self.share)


@dataclass(slots=True)
class Gateway:
    """Calls in flight and what has been booked."""

    pools: dict[str, PoolSpec]
    routable: Callable[[str], Sequence[Backend]]
    """Replicas of a pool that Kubernetes calls ready."""
    started: float
    policies: dict[str, Policy] = field(init=False)
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    """By tenant and pool."""
    open: dict[int, Operation] = field(default_factory=dict)
    taken: int = 0
    """Operations taken since the beginning of the world, whatever became of them."""
    answered: int = 0
    in_flight: dict[str, int] = field(default_factory=dict)
    """Attempts in flight by replica: what least-busy routing goes by."""
    broken: dict[str, BrokenRoute] = field(default_factory=dict)
    """By pool: routes that fail before a replica is asked."""
    booked: dict[str, Decimal] = field(default_factory=dict)
    """By pool: what is booked over the list price, where that is not one."""
    trials: dict[str, Trickle] = field(default_factory=dict)
    """By pool: its canary."""
    _favours: dict[str, Favour] = field(default_factory=dict)
    _deadlines: list[tuple[float, int, int]] = field(default_factory=list)
    _retries: list[tuple[float, int]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.policies = {
            name: Policy(pool.timeout, pool.retries) for name, pool in self.pools.items()
        }

    def account(self, tenant: str, pool: str) -> Account:
        """The account of a tenant with a pool, opened when first used."""
        found = self.accounts.get((tenant, pool))
        if found is None:
            found = self.accounts[(tenant, pool)] = Account()
        return found

    def reset_counters(self, at: float) -> None:
        """The process was replaced: it counts from zero."""
        self.accounts = {}
        self.started = at

    def step(self, calls: Iterable[Arrival], end: float) -> None:
        """Send every call and every retry due before *end*, in order of time."""
        due: list[tuple[float, Operation]] = []
        while self._retries and self._retries[0][0] < end:
            at, number = heapq.heappop(self._retries)
            if number in self.open:
                due.append((at, self.open[number]))
        for call in calls:
            operation = Operation(next(self._numbers), call)
            self.open[operation.number] = operation
            self.taken += 1
            due.append((call.at, operation))
        due.sort(key=lambda pair: pair[0])
        for at, operation in due:
            self._send(operation, at)

    def _send(self, operation: Operation, at: float) -> None:
        call = operation.call
        policy = self.policies[call.pool]
        operation.attempts += 1
        operation.began = at
        backends = self.routable(call.pool)
        broken = self.broken.get(call.pool)
        if not backends or (broken is not None and broken.refuses()):
            self._attempt_failed(operation, NO_REPLICA, at)
            return
        backend = self._route(operation, backends)
        operation.avoid = backend.uid
        if not backend.answers:
            self._attempt_failed(operation, REFUSED, at)
            return
        request = Request(
            operation.number,
            at,
            call.input_tokens,
            call.output_tokens,
            int(call.cached * call.input_tokens),
        )
        operation.backend, operation.request = backend, request
        self.in_flight[backend.uid] = self.in_flight.get(backend.uid, 0) + 1
        backend.engine.submit(request)
        heapq.heappush(self._deadlines, (at + policy.timeout, operation.number, operation.attempts))

    def _route(self, operation: Operation, backends: Sequence[Backend]) -> Backend:
        favour = self._favours.get(operation.call.pool)
        if favour is not None:
            return favour.pick(backends)
        trial = self.trials.get(operation.call.pool)
        if trial is not None:
            backends = trial.narrow(backends)
        self._turn += 1
        turn = self._turn % len(backends)
        order = (*backends[turn:], *backends[:turn])  # equals take turns
        return min(
            order, key=lambda one: (one.uid == operation.avoid, self.in_flight.get(one.uid, 0))
        )

    def favour(self, pool: str, uid: str, exponent: float, rng: np.random.Generator) -> None:
        """Deal the calls to *pool* out by Zipf's law from now on, replica *uid* first."""
        self._favours[pool] = Favour(uid, exponent, rng)

    def treat_alike(self, pool: str) -> None:
        """Send calls to whichever replica has least in flight, as usual."""
        self._favours.pop(pool, None)

    def settle(self, leavings: Iterable[Leaving]) -> None:
        """Book what engines let go of."""
        for leaving in leavings:
            operation = self.open.get(leaving.request.ticket)
            if operation is None or operation.request is not leaving.request:
                continue  # given up before; the work went on without anybody waiting for it
            self._release(operation)
            if leaving.outcome in (Outcome.STOP, Outcome.LENGTH):
                self._succeeded(operation, leaving)
            else:
                self._attempt_failed(operation, REFUSED, leaving.at)

    def time_out(self, now: float) -> None:
        """Give up on attempts whose time has run out by *now*."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _deadline, number, attempt = heapq.heappop(self._deadlines)
            operation = self.open.get(number)
            if operation is None or operation.attempts != attempt or operation.request is None:
                continue
            self.give_up(operation, now)

    def give_up(self, operation: Operation, at: float) -> None:
        """The attempt in flight has taken too long: it has failed, and may be tried again."""
        backend, request = operation.backend, operation.request
        self._release(operation)
        if request is None or backend is None:
            return
        if self.policies[operation.call.pool].hangs_up:
            backend.engine.abandon([request])
        self._attempt_failed(operation, TIMEOUT, at)

    def leave(self, operation: Operation) -> None:
        """The caller closes the connection; nobody waits for the answer any more."""
        backend, request = operation.backend, operation.request
        self._release(operation)
        if backend is not None and request is not None:
            backend.engine.abandon([request])
        self._close(operation)

    def hang_up_on_zombies(self, engines: Iterable[Engine]) -> None:
        """Close the connections of attempts that were given up: their work ends too."""
        awaited = {id(one.request) for one in self.open.values() if one.request is not None}
        for engine in engines:
            engine.abandon([one for one in engine.requests() if id(one) not in awaited])

    def _release(self, operation: Operation) -> None:
        if operation.backend is not None:
            self.in_flight[operation.backend.uid] -= 1
        operation.backend = operation.request = None

    def _attempt_failed(self, operation: Operation, why: tuple[str, str], at: float) -> None:
        call = operation.call
        account = self.account(call.tenant, call.pool)
        account.attempts_failed[why] = account.attempts_failed.get(why, 0) + 1
        policy = self.policies[call.pool]
        if operation.attempts <= policy.retries:
            pause = _BACK_OFF * 2 ** min(4, operation.attempts - 1)
            heapq.heappush(self._retries, (at + pause, operation.number))
            return
        account.failed[why] = account.failed.get(why, 0) + 1
        account.total.observe(at - call.at + _OVERHEAD)
        self._close(operation)

    def _succeeded(self, operation: Operation, leaving: Leaving) -> None:
        call, request = operation.call, leaving.request
        account = self.account(call.tenant, call.pool)
        account.succeeded += 1
        account.attempts_ok += 1
        account.input_tokens += request.input_tokens
        account.output_tokens += request.generated
        cached = min(request.cached_tokens, request.input_tokens - 1)
        account.cached_tokens += cached
        wrong = self.booked.get(call.pool, Decimal(1)) - 1
        if wrong:
            pool = self.pools[call.pool]
            due = list_price(pool, request.input_tokens, cached, request.generated)
            account.misbooked += wrong * due
        account.total.observe(leaving.at - call.at + _OVERHEAD)
        account.upstream.observe(leaving.at - operation.began)
        account.to_first_token.observe(request.first_token - operation.began)
        account.overhead.observe(_OVERHEAD)
        account.queue.observe(_OVERHEAD / 4)
        account.per_token.observe((leaving.at - operation.began) / max(1, request.generated))
        self._close(operation)

    def _close(self, operation: Operation) -> None:
        self.answered += 1
        del self.open[operation.number]
