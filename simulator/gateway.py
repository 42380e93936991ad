"""A LiteLLM-like gateway: it routes, waits, retries, gives up, and books what it did.

An operation is what a user asked for once; an attempt is one call on the wire. When the last retry
has failed it goes on to the fallbacks of its pool, and what comes of that is booked where it was
answered, as LiteLLM does: its calls, tokens and dollars are the fallback's. Fallbacks of a fallback
are not followed.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import numpy as np

from simulator.accounts import Account, Detour, Reason, list_price
from simulator.allowances import Allowance, Purse, period_start
from simulator.calls import Answer, Arrival
from simulator.cluster import PoolSpec
from simulator.engine import Engine
from simulator.requests import Leaving, Outcome, Request
from simulator.routing import Backend, BrokenRoute, Favour, Policy, Trickle

_OVERHEAD = 0.012
"""Seconds the gateway itself adds to a call. Our judgement."""
_BACK_OFF = 0.5
"""Seconds before the first retry; doubles with each."""

TIMEOUT = ("Openai.Timeout", "408")
REFUSED = ("Openai.APIConnectionError", "500")
NO_REPLICA = ("Openai.ServiceUnavailableError", "503")
"""Nobody behind the route takes the call, or the route itself does not."""
OVER_BUDGET = "BudgetExceededError"
"""The team or the key has spent what it may: no replica is asked."""


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
    pool: str = ""
    """Whom it is sent to now: the pool that the call asks for, or one of its fallbacks."""
    tries: int = 0
    """Attempts there."""
    fallbacks: list[str] = field(default_factory=list)
    """Pools that may still be asked."""
    why: Reason = ("", "")
    """What ended its last attempt at the pool it asked for."""


@dataclass(slots=True)
class Gateway:
    """Calls in flight and what has been booked."""

    pools: dict[str, PoolSpec]
    routable: Callable[[str], Sequence[Backend]]
    """Replicas of a pool that Kubernetes calls ready."""
    started: float
    allowances: tuple[Allowance, ...] = ()
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
    detours: dict[Detour, int] = field(default_factory=dict)
    """How many calls fell back, and what came of it."""
    purses: dict[str, list[Purse]] = field(init=False)
    """By tenant: what is left of its budgets."""
    trials: dict[str, Trickle] = field(default_factory=dict)
    """By pool: its canary."""
    _favours: dict[str, Favour] = field(default_factory=dict)
    _deadlines: list[tuple[float, int, int]] = field(default_factory=list)
    _retries: list[tuple[float, int]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.policies = {
            name: Policy(pool.timeout, pool.retries, fallbacks=pool.fallbacks)
            for name, pool in self.pools.items()
        }
        self.purses = {one.tenant: [] for one in self.allowances}
        for one in self.allowances:
            self.purses[one.tenant].append(Purse(one, period_start(one, self.started)))

    def account(self, tenant: str, pool: str) -> Account:
        """The account of a tenant with a pool, opened when first used."""
        found = self.accounts.get((tenant, pool))
        if found is None:
            found = self.accounts[(tenant, pool)] = Account()
        return found

    def reset_counters(self, at: float) -> None:
        """The process was replaced: it counts from zero."""
        self.accounts, self.detours = {}, {}
        self.started = at

    def step(self, calls: Iterable[Arrival], end: float) -> None:
        """Send every call and every retry due before *end*, in order of time."""
        due: list[tuple[float, Operation]] = []
        while self._retries and self._retries[0][0] < end:
            at, number = heapq.heappop(self._retries)
            if number in self.open:
                due.append((at, self.open[number]))
        for call in calls:
            operation = Operation(next(self._numbers), call, pool=call.pool)
            self.open[operation.number] = operation
            self.taken += 1
            spent = next((p for p in self.purses.get(call.tenant, ()) if p.refuses(call.at)), None)
            if spent is None:
                due.append((call.at, operation))
            else:
                self._fail(operation, (OVER_BUDGET, str(spent.allowance.status)), call.at)
        due.sort(key=lambda pair: pair[0])
        for at, operation in due:
            self._send(operation, at)

    def _send(self, operation: Operation, at: float) -> None:
        call = operation.call
        policy = self.policies[operation.pool]
        operation.attempts += 1
        operation.tries += 1
        operation.began = at
        backends = self.routable(operation.pool)
        broken = self.broken.get(operation.pool)
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
        favour = self._favours.get(operation.pool)
        if favour is not None:
            return favour.pick(backends)
        trial = self.trials.get(operation.pool)
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
        if self.policies[operation.pool].hangs_up:
            backend.engine.abandon([request])
        self._attempt_failed(operation, TIMEOUT, at)

    def leave(self, operation: Operation, at: float) -> None:
        """The caller closes the connection; nobody waits for the answer any more."""
        backend, request = operation.backend, operation.request
        self._release(operation)
        if backend is not None and request is not None:
            backend.engine.abandon([request])
        self._close(operation, Answer(operation.call, at, error="aborted"))

    def hang_up_on_zombies(self, engines: Iterable[Engine]) -> None:
        """Close the connections of attempts that were given up: their work ends too."""
        awaited = {id(one.request) for one in self.open.values() if one.request is not None}
        for engine in engines:
            engine.abandon([one for one in engine.requests() if id(one) not in awaited])

    def _release(self, operation: Operation) -> None:
        if operation.backend is not None:
            self.in_flight[operation.backend.uid] -= 1
        operation.backend = operation.request = None

    def _attempt_failed(self, operation: Operation, why: Reason, at: float) -> None:
        account = self.account(operation.call.tenant, operation.pool)
        account.attempts_failed[why] = account.attempts_failed.get(why, 0) + 1
        if operation.tries <= self.policies[operation.pool].retries:
            pause = _BACK_OFF * 2 ** min(4, operation.tries - 1)
            heapq.heappush(self._retries, (at + pause, operation.number))
        else:
            self._fall_back(operation, why, at)

    def _fall_back(self, operation: Operation, why: Reason, at: float) -> None:
        """The pool it was sent to failed it for good: on to the next one, if there is one."""
        if operation.pool == operation.call.pool:
            operation.why = why
            operation.fallbacks = self._fallbacks(operation.call)
        else:
            self._count_detour(operation, worked=False)
        if not operation.fallbacks:
            self._fail(operation, why, at)
            return
        operation.pool, operation.tries = operation.fallbacks.pop(0), 0
        heapq.heappush(self._retries, (at + _OVERHEAD, operation.number))

    def _fallbacks(self, call: Arrival) -> list[str]:
        """Pools that may be asked in another's place, without those whose context is too short."""
        tokens = call.input_tokens + call.output_tokens
        return [
            name
            for name in self.policies[call.pool].fallbacks
            if tokens <= self.pools[name].engine.max_context
        ]

    def _count_detour(self, operation: Operation, *, worked: bool) -> None:
        call = operation.call
        detour = Detour(call.tenant, call.pool, operation.pool, operation.why, worked)
        self.detours[detour] = self.detours.get(detour, 0) + 1

    def _fail(self, operation: Operation, why: Reason, at: float) -> None:
        call = operation.call
        account = self.account(call.tenant, call.pool)
        account.failed[why] = account.failed.get(why, 0) + 1
        account.total.observe(at - call.at + _OVERHEAD)
        self._close(operation, Answer(call, at + _OVERHEAD, error=why[0]))

    def _succeeded(self, operation: Operation, leaving: Leaving) -> None:
        call, request, pool = operation.call, leaving.request, self.pools[operation.pool]
        if operation.pool != call.pool:
            self._count_detour(operation, worked=True)
        account = self.account(call.tenant, operation.pool)
        cached = min(request.cached_tokens, request.input_tokens - 1)
        tokens = (request.input_tokens, cached, request.generated)
        account.succeeded += 1
        account.attempts_ok += 1
        account.input_tokens += request.input_tokens
        account.output_tokens += request.generated
        account.cached_tokens += cached
        self._charge(account, operation, tokens, leaving.at)
        account.total.observe(leaving.at - call.at + _OVERHEAD)
        account.upstream.observe(leaving.at - operation.began)
        account.to_first_token.observe(request.first_token - operation.began)
        account.overhead.observe(_OVERHEAD)
        account.queue.observe(_OVERHEAD / 4)
        account.per_token.observe((leaving.at - operation.began) / max(1, request.generated))
        self._close(operation, Answer(call, leaving.at + _OVERHEAD, pool.model, *tokens))

    def _charge(
        self, account: Account, operation: Operation, tokens: tuple[int, int, int], at: float
    ) -> None:
        """Book what is booked over the list price, and take all of it out of the purses."""
        wrong = self.booked.get(operation.pool, Decimal(1)) - 1
        purses = self.purses.get(operation.call.tenant, ())
        if not wrong and not purses:
            return
        due = list_price(self.pools[operation.pool], *tokens)
        account.misbooked += wrong * due
        for purse in purses:
            purse.charge((1 + wrong) * due, at)

    def _close(self, operation: Operation, answer: Answer) -> None:
        self.answered += 1
        del self.open[operation.number]
        if operation.call.asker is not None:
            operation.call.asker.hear(answer)
