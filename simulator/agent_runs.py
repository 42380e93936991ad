"""Agents at work: each run is a tree of calls, in which one waits for the answer to the other.

What an agent asks next depends on when it was answered: a slow engine makes runs longer and calls
rarer, which open traffic never is, and a failed call ends its run.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count

import numpy as np

from simulator import spans
from simulator.agent_plans import AgentUse, Context, Plan, draw_plan, walked
from simulator.calls import Answer, Arrival
from simulator.spans import Place, SpanLog
from simulator.traces import Trace
from simulator.traffic import Stream, StreamSource, Tenant, noise_table

_KNOWN_RUNS = 1000
"""Runs that the mean of a stream of runs is taken over."""
_TRIES_AGAIN = 5.0
"""Seconds after which an endless run asks again what has failed. Our judgement."""
_SEED = 14
"""First number of every generator here, so that nothing else draws from the same."""


@dataclass(slots=True, eq=False)
class Run:
    """One tree under way."""

    source: "AgentSource"
    rng: np.random.Generator
    began: float
    endless: bool = False
    """Whether its first agent finds no end, and does all it did once more."""
    over: bool = False
    trace: bytes = field(init=False)
    open: "list[Invocation]" = field(default_factory=list)
    """Agents at work, outermost first."""

    def __post_init__(self) -> None:
        self.trace = self.rng.bytes(16)

    @property
    def talk(self) -> str:
        """Id of its conversation."""
        return self.trace.hex()[:16]

    def place(self, above: bytes = b"") -> Place:
        """Where its next span stands."""
        return Place(self.trace, self.rng.bytes(8), above)

    def end(self, at: float, error: str = "") -> None:
        """Nothing more is asked; agents still at work are broken off, the innermost first."""
        self.over = True
        while self.open:
            self.open[-1].close(at, error)
        tenant, top = self.source.use.tenant, Place(self.trace, self.trace[:8])
        self.source.log.add(spans.workflow(top, tenant, self.talk, (self.began, at), error))


@dataclass(slots=True, eq=False)
class Invocation:
    """One agent in a run: it asks, hears, waits for tools or other agents, and asks again."""

    run: Run
    plan: Plan
    began: float
    above: "Invocation | None" = None
    place: Place = field(init=False)
    context: Context = field(init=False)
    step: int = 0
    at_work: int = 0
    """Agents below it that it waits for."""
    found: int = 0
    """Tokens that those have said."""

    def __post_init__(self) -> None:
        use = self.run.source.use
        self.context = Context(use.system_tokens, use.system_tokens + self.plan.task)
        above = self.run.trace[:8] if self.above is None else self.above.place.span
        self.place = self.run.place(above)
        self.run.open.append(self)
        self.run.source.schedule(self.began, self)

    def ask(self, at: float) -> Arrival:
        """Its next call."""
        source = self.run.source
        prompt, share = self.context.ask(round(source.longest / source.prompt_factor))
        answer = self.plan.steps[self.step].answer
        return Arrival(
            at,
            source.use.tenant,
            source.use.pool,
            max(1, min(source.longest, int(prompt * source.prompt_factor))),
            max(1, int(answer * source.output_factor)),
            share * source.cached_factor,
            self,
        )

    def hear(self, answer: Answer) -> None:
        """The call has been answered, or has failed for good."""
        run = self.run
        run.source.log.add(spans.chat(run.place(self.place.span), answer))
        if run.over:
            return
        if answer.error:
            self._failed(answer)
            return
        step, last = self.plan.steps[self.step], self.step == len(self.plan.steps) - 1
        if last and not (run.endless and self.above is None):
            self.finish(answer.at, answer.output_tokens)
            return
        self.step = 0 if last else self.step + 1
        self.context.add(answer.output_tokens, sum(one.tokens for one in step.tools))
        if step.agents:
            self.at_work, self.found = len(step.agents), 0
            for plan in step.agents:
                Invocation(run, plan, answer.at, self)
            return
        for one in step.tools:
            place = run.place(self.place.span)
            run.source.log.add(spans.tool(place, run.source.use.tenant, answer.at, one.seconds))
        wait = max((one.seconds for one in step.tools), default=0.0)
        run.source.schedule(answer.at + wait, self)

    def _failed(self, answer: Answer) -> None:
        """Its run fails with it, unless it is one that finds no end: that asks once more."""
        if self.run.endless:
            self.run.source.schedule(answer.at + _TRIES_AGAIN, self)
        else:
            self.run.end(answer.at, answer.error)

    def finish(self, at: float, said: int) -> None:
        """It has said its last; whoever waits for it goes on."""
        self.close(at)
        if self.above is None:
            self.run.end(at)
            return
        self.above.at_work -= 1
        self.above.found += said
        if self.above.at_work == 0:
            self.above.context.tokens += self.above.found
            self.run.source.schedule(at, self.above)

    def close(self, at: float, error: str = "") -> None:
        """Its span ends."""
        self.run.open.remove(self)
        source = self.run.source
        name = source.use.name if self.above is None else f"{source.use.name}-worker"
        named, times = (name, self.run.talk), (self.began, at)
        source.log.add(spans.agent(self.place, source.use.tenant, named, times, error))


@dataclass(slots=True, kw_only=True)
class AgentSource(StreamSource):
    """Runs of one agent, in the rhythm of its tenant.

    Whoever bends the rate, prompts, answers or cache of a stream bends these too: what it asks on
    average stands in the same fields as a stream's.
    """

    use: AgentUse
    log: SpanLog
    seed: Sequence[int]
    """What the numbers of its runs are drawn from."""
    calls: float
    """Calls of a run, mean."""
    endless: list[Run] = field(default_factory=list)
    """Runs that find no end."""
    _waiting: list[tuple[float, int, Invocation]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _order: "count[int]" = field(default_factory=count)

    def begin(self, at: float, *, endless: bool = False) -> Run:
        """A run that begins *at*."""
        rng = np.random.default_rng([*self.seed, next(self._numbers)])
        run = Run(self, rng, at, endless)
        Invocation(run, draw_plan(self.use, rng), at)
        if endless:
            self.endless.append(run)
        return run

    def stop(self, at: float) -> None:
        """Somebody ends the runs that find no end."""
        for run in self.endless:
            run.end(at, "CancelledError")
        self.endless.clear()

    def schedule(self, at: float, invocation: Invocation) -> None:
        """*invocation* asks *at*, or as soon after as anybody looks."""
        heapq.heappush(self._waiting, (at, next(self._order), invocation))

    def until(self, start: float, end: float) -> Iterator[Arrival]:
        """The calls in [start, end)."""
        runs = self.rate_at(start) / self.calls
        if runs > 0.0:
            at = start + self.due / runs
            while at < end:
                self.position = (self.position + 1) % len(self.trace)
                self.begin(at)
                at += float(self.trace.gaps[self.position]) / runs
            self.due = (at - end) * runs
        while self._waiting and self._waiting[0][0] < end:
            at, _, invocation = heapq.heappop(self._waiting)
            if not invocation.run.over:
                yield invocation.ask(max(start, at))


def agent_source(
    use: AgentUse, tenant: Tenant, longest: int, log: SpanLog, seed: int, index: int
) -> AgentSource:
    """Runs of *use*, the *index*th source of its cluster; *longest* prompt its pool takes."""
    trace, cached, calls = _usual(use, longest)
    stream = Stream(use.tenant, use.pool, use.name, use.rate * calls, cached)
    start = int(np.random.default_rng([_SEED, seed, index]).integers(len(trace)))
    noise = noise_table(seed, index)
    return AgentSource(
        stream, tenant, trace, noise, start, longest,
        use=use, log=log, seed=(_SEED, seed, index), calls=calls,
    )  # fmt: skip


@cache
def _usual(use: AgentUse, longest: int) -> tuple[Trace, float, float]:
    """The calls of many runs, the share of their prompts sent before, and calls a run.

    Gaps are those of runs, which begin at random.
    """
    rng = np.random.default_rng(_SEED)
    plans = [draw_plan(use, rng) for _ in range(_KNOWN_RUNS)]
    rows = np.array([row for plan in plans for row in walked(plan, use, longest)])
    prompts, shares, answers = rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2].astype(np.int64)
    gaps = rng.exponential(1.0, len(rows))
    cached = float((prompts * shares).sum() / prompts.sum())
    trace = Trace(use.name, gaps / gaps.mean(), prompts, answers)
    return trace, cached, len(rows) / _KNOWN_RUNS
