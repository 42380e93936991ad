"""Runs of agents before they happen: steps, tools, and agents that are called by agents.

A plan is drawn whole when a run begins, from numbers of its own, so that the same run asks the same
things whatever a fault does to the answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

_TOOL_SPREAD = 0.9
_SIZE_SPREAD = 0.8
"""Lognormal spread of what a tool takes and of what it and the model say. Our judgement."""
_MOST_TOOL_TOKENS = 6000
"""Tools cut what they give back. Our judgement."""
_SECOND_TOOL = 0.3
"""Chance of one more tool called beside those there are. Our judgement."""


@dataclass(frozen=True, slots=True)
class AgentUse:
    """An application of one tenant whose calls are runs of an agent.

    Its own figures are our judgement; traces of agents that tell trees are not public.
    """

    name: str
    tenant: str
    pool: str
    rate: float
    """Runs a second, mean over a week."""
    steps: float = 6.0
    """Calls of one agent in a run, mean; the last of them answers."""
    most_steps: int = 25
    """After which the run is stopped: LangGraph's default `recursion_limit`."""
    delegates: float = 0.15
    """Chance that a step hands work to other agents instead of to tools."""
    fan_out: int = 3
    """Most agents at work for one step, side by side."""
    depth: int = 2
    """Agents below each other, the first counted: 1 calls tools alone."""
    tool_seconds: float = 2.0
    """Median of what a tool takes."""
    tool_tokens: int = 450
    """Median of what a tool adds to the prompt."""
    system_tokens: int = 1800
    """Instructions and tools, alike in every run and so in the prefix cache."""
    task_tokens: int = 350
    answer_tokens: int = 110
    """Median answer of a step: a little thought and a tool's arguments. The last is four times."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One call of a tool: how long it takes, and by how much the prompt grows."""

    seconds: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model, and what is waited for before the next."""

    answer: int
    tools: tuple[Tool, ...] = ()
    """Called at once; the slowest is waited for."""
    agents: tuple["Plan", ...] = ()
    """At work side by side; what each says at last is added to the prompt."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one agent does."""

    task: int
    """Tokens of what it is told to do."""
    steps: tuple[Step, ...]

    @property
    def calls(self) -> int:
        """Calls of the model, those of agents below it too."""
        return len(self.steps) + sum(one.calls for step in self.steps for one in step.agents)


def draw_plan(use: AgentUse, rng: np.random.Generator, level: int = 1) -> Plan:
    """A run of *use*, or of an agent that works for one; those have half as much to do."""
    mean = max(1.0, use.steps / 2 ** (level - 1))
    many = min(use.most_steps, int(rng.geometric(1.0 / mean)))
    steps = [_step(use, rng, level) for _ in range(many - 1)]
    last = Step(4 * _sized(use.answer_tokens, rng))
    return Plan(_sized(use.task_tokens, rng), (*steps, last))


def _step(use: AgentUse, rng: np.random.Generator, level: int) -> Step:
    answer = _sized(use.answer_tokens, rng)
    if level < use.depth and rng.random() < use.delegates:
        many = int(rng.integers(1, use.fan_out + 1))
        return Step(answer, agents=tuple(draw_plan(use, rng, level + 1) for _ in range(many)))
    many = int(rng.geometric(1.0 - _SECOND_TOOL))
    return Step(answer, tuple(_tool(use, rng) for _ in range(many)))


def _tool(use: AgentUse, rng: np.random.Generator) -> Tool:
    seconds = use.tool_seconds * float(rng.lognormal(0.0, _TOOL_SPREAD))
    return Tool(seconds, min(_MOST_TOOL_TOKENS, _sized(use.tool_tokens, rng)))


def _sized(median: int, rng: np.random.Generator) -> int:
    return max(1, int(median * rng.lognormal(0.0, _SIZE_SPREAD)))


@dataclass(slots=True)
class Context:
    """The prompt of one agent, which holds all that was said before."""

    system: int
    tokens: int
    known: int = field(init=False)
    """Tokens at its beginning that the prefix cache may hold."""

    def __post_init__(self) -> None:
        self.known = self.system

    def ask(self, longest: int) -> tuple[int, float]:
        """Tokens of the next prompt, and the share of them sent before.

        A prompt that has grown beyond *longest* is cut at the front, behind the instructions, and
        nothing behind the cut is where it was in the cache.
        """
        prompt = min(longest, self.tokens)
        known = self.known if self.tokens <= longest else self.system
        return prompt, min(1.0, known / prompt)

    def add(self, answer: int, found: int = 0) -> None:
        """The model said *answer* tokens, and then tools or agents *found* some."""
        self.known = self.tokens + answer
        self.tokens += answer + found


def walked(plan: Plan, use: AgentUse, longest: int) -> Iterator[tuple[int, float, int]]:
    """Prompt, its share sent before, and answer of every call of *plan*, as if all went well."""
    context = Context(use.system_tokens, use.system_tokens + plan.task)
    for step in plan.steps:
        prompt, share = context.ask(longest)
        yield prompt, share, step.answer
        found = sum(one.tokens for one in step.tools)
        for below in step.agents:
            yield from walked(below, use, longest)
            found += below.steps[-1].answer
        context.add(step.answer, found)
