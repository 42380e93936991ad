"""One engine process: continuous batching, chunked prefill, KV blocks, preemption, histograms.

The time of a scheduler step is linear in the batch, in the KV tokens read and in the prompt tokens
computed, the form that published serving simulators use. Steps with prefill are walked one by one;
between them decoding is walked in jumps to the next thing that happens, so that no work is done
for tokens in which nothing changes.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

import numpy as np

from simulator.adapters import Adapters
from simulator.drafting import Drafting, Owed
from simulator.engine_model import EngineModel
from simulator.front_end import FrontEnd
from simulator.requests import Leaving, Outcome, Phase, Request
from simulator.tallies import Tally


@dataclass(slots=True)
class Engine:
    """The scheduler and its counters. Time is what `advance` is told."""

    model: EngineModel
    rng: np.random.Generator
    clock: float
    tally: Tally
    slowdown: float = 1.0
    """Multiplies the time of every step: a slow kernel, a bad configuration."""
    pace: float = 1.0
    """Clock of the slowest GPU of the group over its nominal clock."""
    kv_share: float = 1.0
    """Share of the KV cache that can be used."""
    stalled: bool = False
    """True: no step ends any more, while the process and its page live on."""
    garbled: float = 0.0
    """Share of new requests whose answer is noise and runs on to what was asked for at most."""
    deaf: bool = False
    """True: that a caller has gone never reaches the scheduler, and the answer runs on."""
    leak_bytes: float = 0.0
    """Host memory that every request leaves behind."""
    kv_unread: int = 0
    """Tokens of the KV cache in use that no step reads: kept for another engine, or on their way
    from one."""
    kv_lost: int = 0
    """Tokens of the KV cache that are held for nobody until the process starts anew."""
    drafting: Drafting | None = None
    """How it speculates; None where it does not."""
    adapters: Adapters | None = None
    """Its LoRA slots; None where it serves its base model alone."""
    front_end: FrontEnd = field(default_factory=FrontEnd)
    spins: bool = True
    """Whether a stalled engine keeps its GPUs at 100 % (a collective that never ends) or at 0."""
    waiting: deque[Request] = field(default_factory=deque)
    prefilling: deque[Request] = field(default_factory=deque)
    decoding: dict[int, Request] = field(default_factory=dict)
    """By admission number, so that the newest is the last."""
    kv_used: int = 0
    steps: int = 0
    """Tokens that a request which decoded all the time would have: steps, without a draft."""
    busy_seconds: float = 0.0
    prefill_seconds: float = 0.0
    _inbox: deque[Request] = field(default_factory=deque)
    _finishing: list[tuple[int, int]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _left: list[Leaving] = field(default_factory=list)
    _noise: list[float] = field(default_factory=list)
    _owed: Owed = field(default_factory=Owed)
    _holding: bool = False
    """Nothing is admitted in the step after a preemption."""

    @property
    def running(self) -> int:
        """Requests in the batch."""
        return len(self.prefilling) + len(self.decoding)

    @property
    def queued(self) -> int:
        """Requests waiting for the scheduler, those it has just been handed included."""
        handed = sum(one.ready <= max(self.clock, one.arrived) for one in self._inbox)
        return len(self.waiting) + handed

    @property
    def kv_capacity(self) -> int:
        """Tokens the KV cache holds now."""
        return int(self.model.kv_tokens * self.kv_share)

    @property
    def kv_usage(self) -> float:
        """Share of the KV cache in use, 0 to 1."""
        return min(1.0, self.kv_used / max(1, self.kv_capacity))

    def requests(self) -> list[Request]:
        """Every request inside, running and waiting."""
        return [*self.prefilling, *self.decoding.values(), *self.waiting, *self._inbox]

    def submit(self, request: Request) -> None:
        """Take a request; its `arrived` must not lie before that of the one submitted last."""
        asked = request.input_tokens + request.output_tokens
        request.ready = self.front_end.ready(request.arrived, asked)
        if self.adapters is not None:
            request.adapter = self.adapters.use.drawn(self.rng)
        if self.garbled and self.rng.random() < self.garbled:
            request.endless = True
            request.output_tokens = max(request.output_tokens, self.tally.max_answer)
        self._inbox.append(request)

    def lose_kv(self, tokens: int) -> None:
        """Blocks are never given back."""
        lost = min(tokens, self.kv_capacity - self.kv_lost)
        self.kv_lost += lost
        self.kv_used += lost

    def leavings(self) -> list[Leaving]:
        """Those that left since the last call."""
        out, self._left = self._left, []
        return out

    def lose_everything(self, at: float) -> None:
        """The process dies: every request in it is lost."""
        for request in self.requests():
            request.phase = Phase.GONE
            self._left.append(Leaving(at, request, Outcome.LOST))
        self.waiting.clear()
        self.prefilling.clear()
        self.decoding.clear()
        self._inbox.clear()
        self._finishing.clear()
        self.kv_used = self.kv_lost = self.kv_unread = 0

    def advance(self, to: float) -> None:
        """Run until *to*; the last step may end a little later."""
        while self.clock < to:
            self._take_arrivals(to if self.stalled else self.clock)
            if self.stalled:
                self.busy_seconds += (to - self.clock) if self.spins else 0.0
                self.clock = to
                return
            self._admit()
            if self.prefilling:
                self._mixed_step()
            elif self.decoding:
                self._decode(to)
            else:
                self.clock = max(self.clock, self._woken(to))

    def _woken(self, to: float) -> float:
        """When the next request comes, *to* at the latest."""
        return min(to, self._inbox[0].ready) if self._inbox else to

    def _take_arrivals(self, until: float) -> None:
        while self._inbox and self._inbox[0].ready <= until:
            request = self._inbox.popleft()
            self.waiting.append(request)

    def _admit(self) -> None:
        if self._holding:
            self._holding = False
            if self.running:
                return
        backlog = sum(request.to_prefill for request in self.prefilling)
        while (
            self.waiting
            and self.running < self.model.max_requests
            and backlog < self.model.max_batched_tokens
        ):
            request = self.waiting[0]
            if request.abandoned:
                self.kv_used -= request.kv
                self._leave(self.waiting.popleft(), Outcome.ABORT)
                continue
            if self.adapters is not None:
                found = self.adapters.next_in_line(self.waiting, self._inside())
                if found is None:
                    return
                request = found
            if not self._fits(request):
                return
            self.waiting.remove(request)
            if self._sent_for(request):
                continue
            if self.adapters is not None:
                self.clock += self.adapters.load(request.adapter, self._inside())
            request.phase = Phase.PREFILL
            cached = request.kv  # of what was fetched; blocks of a preempted one went to others
            if not request.preemptions:
                request.admitted = self.clock
                self.tally.admitted(request, self.clock)
                cached = cached or min(request.cached_tokens, request.input_tokens - 1)
            request.to_prefill = request.input_tokens + request.generated - cached
            backlog += request.to_prefill
            self.kv_used += cached - request.kv
            request.kv = cached
            self.prefilling.append(request)

    def _fits(self, request: Request) -> bool:
        """Whether there are blocks for a waiting one; alone it always goes on."""
        needed = request.input_tokens + request.generated - request.kv
        return self.kv_used + needed <= self.kv_capacity or not self.running

    def _sent_for(self, request: Request) -> bool:  # noqa: ARG002
        """Whether its KV comes from elsewhere, and has been sent for."""
        return False

    def _inside(self) -> Iterator[Request]:
        return chain(self.prefilling, self.decoding.values())

    def _step_seconds(self, batch: int, chunk: int) -> float:
        if not self._noise:
            self._noise = np.exp(0.03 * self.rng.standard_normal(512)).tolist()
        model = self.model
        seconds = (
            model.base
            + model.per_request * batch
            + model.per_kv_token * (self.kv_used - self.kv_lost - self.kv_unread)
            + model.per_prefill_token * chunk
        )
        if self.drafting is not None:
            seconds *= self.drafting.longer
        return seconds * self.slowdown * self._noise.pop() / self.pace

    def _mixed_step(self) -> None:
        """One step that computes a chunk of prompts beside the decoding requests."""
        decoding = len(self.decoding)
        chunk = min(
            sum(request.to_prefill for request in self.prefilling),
            max(16, self.model.max_batched_tokens - decoding),
        )
        if not self._make_room(chunk + decoding):
            return
        decoding = len(self.decoding)
        seconds = self._step_seconds(decoding + len(self.prefilling), chunk)
        self._count_steps(1, seconds, decoding, chunk, self._owed.tokens_of_one_step(self.drafting))
        self.prefill_seconds += min(seconds, chunk * self.model.per_prefill_token / self.pace)
        self.kv_used += chunk
        left = chunk
        while left and self.prefilling:
            request = self.prefilling[0]
            part = min(left, request.to_prefill)
            request.to_prefill -= part
            request.kv += part
            left -= part
            if request.to_prefill == 0:
                self.prefilling.popleft()
                self._first_token(request)
        self._finish()

    def _first_token(self, request: Request) -> None:
        if not request.generated:
            request.first_token = self.clock
            request.generated = 1
            self.tally.first_token(request, self.clock)
        request.phase = Phase.DECODE
        request.since_step = self.steps
        request.finish_step = self.steps + request.output_tokens - request.generated
        number = next(self._numbers)
        self.decoding[number] = request
        heapq.heappush(self._finishing, (request.finish_step, number))

    def _decode(self, to: float) -> None:
        """Steps in which nobody comes or goes, all at once."""
        batch = len(self.decoding)
        if not self._make_room(batch):
            return
        batch = len(self.decoding)
        if not batch:
            return
        seconds = self._step_seconds(batch, 0)
        rate = 1.0 if self.drafting is None else self.drafting.tokens_a_step
        limit = self._woken(to)
        tokens = max(
            1,
            min(
                self._next_finish() - self.steps,
                int((limit - self.clock) * rate / seconds) + 1,
                max(1, (self.kv_capacity - self.kv_used) // batch),
            ),
        )
        steps = tokens if self.drafting is None else tokens / rate
        self._count_steps(steps, seconds, batch, 0, tokens)
        self._finish()

    def _count_steps(
        self, steps: float, seconds: float, decoding: int, chunk: int, tokens: int
    ) -> None:
        """Steps of *seconds* in which each of *decoding* requests gets *tokens* in all."""
        self.clock += steps * seconds
        self.busy_seconds += steps * seconds
        self.steps += tokens
        self.kv_used += tokens * decoding
        whole = self._owed.whole_steps(steps)
        self.tally.stepped(whole, seconds, decoding, chunk, tokens)
        if self.drafting is not None:
            self.tally.drafted(steps * decoding, self.drafting.tokens, tokens * decoding)

    def _next_finish(self) -> int:
        while self._finishing and self._finishing[0][1] not in self.decoding:
            heapq.heappop(self._finishing)
        return self._finishing[0][0] if self._finishing else self.steps + 1

    def _finish(self) -> None:
        while self._finishing and self._finishing[0][0] <= self.steps:
            number = heapq.heappop(self._finishing)[1]
            request = self.decoding.get(number)
            if request is None:
                continue
            if request.finish_step > self.steps:  # it runs on
                heapq.heappush(self._finishing, (request.finish_step, number))
                continue
            del self.decoding[number]
            self._settle(request)
            self._give_back(request)
            if request.abandoned:
                self._leave(request, Outcome.ABORT)
                continue
            cut = request.endless or request.ticket % 10 == 0
            # about one answer in ten runs into its limit; the ticket keeps it deterministic
            self._leave(request, Outcome.LENGTH if cut else Outcome.STOP)

    def _give_back(self, request: Request) -> None:
        """Free the blocks of one that has ended."""
        self.kv_used -= request.kv

    def _settle(self, request: Request) -> None:
        """Bring a decoding request's token counts up to this step."""
        made = min(self.steps, request.finish_step) - request.since_step
        request.generated += made
        request.kv += self.steps - request.since_step
        request.since_step = self.steps

    def _leave(self, request: Request, outcome: Outcome) -> None:
        request.phase = Phase.GONE
        self.tally.left(request, outcome, self.clock)
        self.tally.leaked_bytes += self.leak_bytes
        self._left.append(Leaving(self.clock, request, outcome))

    def _make_room(self, tokens: int) -> bool:
        """Preempt the newest until *tokens* fit; False when the step has to be planned anew."""
        if self.kv_used + tokens <= self.kv_capacity:
            return True
        if self.running > 1:
            self._preempt()
            self._holding = True
            return False
        return True  # one request alone always goes on, or nothing ever would

    def _preempt(self) -> None:
        if self.prefilling:
            victim = self.prefilling.pop()
        else:
            victim = self.decoding.pop(next(reversed(self.decoding)))
            self._settle(victim)
        self.kv_used -= victim.kv
        victim.kv = 0
        victim.phase = Phase.WAITING
        victim.preemptions += 1
        self.tally.preempted()
        self.waiting.appendleft(victim)

    def abandon(self, requests: Sequence[Request]) -> None:
        """Their callers hung up: free them as soon as a step ends."""
        if self.deaf:
            self._run_on(requests)
            return
        for request in requests:
            request.abandoned = True
        if self.stalled:
            return
        gone = [number for number, one in self.decoding.items() if one.abandoned]
        for number in gone:
            request = self.decoding.pop(number)
            self._settle(request)
            self.kv_used -= request.kv
            self._leave(request, Outcome.ABORT)
        for queue in (self.prefilling, self.waiting):
            for request in [one for one in queue if one.abandoned]:
                queue.remove(request)
                self.kv_used -= request.kv
                self._leave(request, Outcome.ABORT)

    def _run_on(self, requests: Sequence[Request]) -> None:
        """Nobody reads them any more, and they decode on to the end of their context."""
        for request in requests:
            request.output_tokens = max(1, self.model.max_context - request.input_tokens)
            if request.phase is Phase.DECODE:
                request.finish_step = request.since_step + request.output_tokens - request.generated
