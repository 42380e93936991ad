"""How published curves are measured: so many callers, each of whom asks again when answered."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simulator.engine import Engine
from simulator.engine_model import EngineModel
from simulator.requests import Leaving, Request
from simulator.tallies import Tally


@dataclass(frozen=True, slots=True)
class Shape:
    """What every caller asks for."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load generator would print."""

    tokens_per_second: float
    """Output tokens of all callers."""
    to_first_token: float
    """Mean, seconds."""
    between_tokens: float
    """Mean over requests of the time after the first token by the tokens after it, seconds."""


def measure(
    model: EngineModel,
    callers: int,
    shape: Shape,
    requests: int,
    *,
    settled: bool = True,
    seed: int = 1,
) -> Measured:
    """Let *callers* ask *requests* times in all.

    *settled* leaves out the first two rounds, which begin all at once, and the last, in which
    callers stop one by one. As many requests as callers are a static batch, which is never that.

    Raises:
        ValueError: Nothing is left to be counted.
    """
    if requests < callers or (settled and requests <= 3 * callers):
        raise ValueError(f"{requests} requests of {callers} callers leave nothing to be counted")
    left = list(_answers(model, callers, shape, requests, seed))
    begin = 0.0
    if settled:
        begin = left[2 * callers - 1].at
        left = left[2 * callers : -callers]
    took = max(1e-9, left[-1].at - begin)
    made = sum(one.request.generated for one in left)
    after = [
        (one.at - one.request.first_token) / (one.request.generated - 1)
        for one in left
        if one.request.generated > 1
    ]
    first = [one.request.first_token - one.request.arrived for one in left]
    return Measured(made / took, float(np.mean(first)), float(np.mean(after or [0.0])))


def _answers(
    model: EngineModel, callers: int, shape: Shape, requests: int, seed: int
) -> Iterator[Leaving]:
    """Everybody's answers, in order of time."""
    engine = Engine(model, np.random.default_rng(seed), 0.0, Tally(0.0, model.max_context))
    for number in range(callers):
        engine.submit(Request(number, 0.0, shape.input_tokens, shape.output_tokens, 0))
    asked = callers
    while engine.requests():
        engine.advance(engine.clock + model.base)  # a step at a time: nobody asks again late
        for leaving in engine.leavings():
            yield leaving
            if asked < requests:
                request = Request(asked, leaving.at, shape.input_tokens, shape.output_tokens, 0)
                engine.submit(request)
                asked += 1
