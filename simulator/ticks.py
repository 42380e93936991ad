"""Tick by tick: replicas as flows of requests, the coarser of the simulator's two fidelities.

The other one walks every request. Here a replica is a few numbers for each stream (requests in the
batch and in the queue, prompt tokens to be computed) and a tick moves them by the formulas of the
engine: the time of a step, the tokens a step may take, the room in the cache. Requests of one
stream are alike and leave at random; none is timed out, retried or moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, nan
from operator import mul

import numpy as np

from simulator.arrivals import Asked
from simulator.engine_model import EngineModel
from vocabulary.samples import Array

_FULL = 0.98
"""Share of the KV cache in use when requests wait for blocks."""
_THRASH = 0.06
"""Share of time lost to preemption and recompute while they do. Measured on the engine."""
_TINY = 1e-9
_SLOWEST = 1e-5
"""Departures a request and tick below which the difference of means would be rounding alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticked:
    """What one replica of each pool did in each tick; all of shape (ticks, pools)."""

    running: Array
    """Requests in the batch, mean over the tick."""
    waiting: Array
    """Requests that wait for room, at the end of the tick."""
    kv_tokens: Array
    busy: Array
    """Share of the tick in which a step ran."""
    prefill: Array
    """Share of busy time spent on prompts."""
    prompt_tokens: Array
    """Prompt tokens computed."""
    output_tokens: Array
    first_tokens: Array
    """Requests that left the queue."""
    between_tokens: Array
    """Seconds from token to token; NaN without one."""
    to_first_token: Array
    """Seconds, of those that left the queue."""


@dataclass(slots=True, eq=False)
class _Replica:
    """One replica of a pool: its constants, and where it stands.

    Lists have one number for each stream. They are two or three numbers long, and each tick needs
    the one before: plain floats take a fifth of the time that arrays of this size do.
    """

    model: EngineModel
    answer: list[float]
    held: list[float]
    fresh: list[float]
    prompt_size: float
    """`fresh` of all streams, by how often they ask."""
    batch: list[float]
    queue: list[float]
    left: list[float]
    """Requests that left in the tick before: their room is taken at once."""
    prompt: float = 0.0

    def tick(self, came: Sequence[float], width: float) -> tuple[float, ...]:
        """Let one tick pass; the row of `Ticked`."""
        model, ahead = self.model, self.prompt
        per_prompt, budget = model.per_prefill_token, model.max_batched_tokens
        taken, starved = self._admit(came)
        inside = [one + new / 2.0 for one, new in zip(self.batch, taken, strict=True)]
        count = sum(inside)
        busy = min(1.0, count)
        some = max(busy, _TINY)
        held = model.per_kv_token * _dot(inside, self.held)
        step = model.base + (model.per_request * count + held) / some
        time = busy * width * (1.0 - _THRASH if starved else 1.0)
        steps = max((time - self.prompt * per_prompt) / step, time / (step + budget * per_prompt))
        computed = min(self.prompt, max(0.0, time - steps * step) / per_prompt)
        each = per_prompt + step / budget
        reading = self._reading(computed, each, width)
        decoding = 1.0 - min(1.0, reading / max(count, _TINY))
        running, kv = self._decode(taken, steps / some * decoding)
        self.prompt -= computed
        made = _dot(self.left, self.answer)
        own = self._fresh_of(taken) * per_prompt
        worked = -expm1(-running)  # those inside one of many replicas come and go at random
        return (
            running,
            sum(self.queue),
            kv,
            worked,
            min(1.0, computed * per_prompt / max(worked * width, _TINY)),
            computed,
            made,
            sum(taken),
            running * decoding * width / made if made > _TINY else nan,
            ahead * each + own + step * (1.0 + busy / 2.0),
        )

    def _admit(self, came: Sequence[float]) -> tuple[list[float], bool]:
        """Who leaves the queue, and whether it is the cache that keeps the others."""
        queue = [one + new for one, new in zip(self.queue, came, strict=True)]
        asking = max(sum(queue), _TINY)
        each = max(_dot(queue, self.held) / asking, 1.0)
        staying = [one - gone for one, gone in zip(self.batch, self.left, strict=True)]
        seats = self.model.max_requests - sum(staying)
        blocks = (_FULL * self.model.kv_tokens - _dot(staying, self.held)) / each
        share = min(max(min(seats, blocks) / asking, 0.0), 1.0)
        taken = [one * share for one in queue]
        self.queue = [one - gone for one, gone in zip(queue, taken, strict=True)]
        self.prompt += _dot(taken, self.fresh)
        return taken, share < 1.0 and blocks < seats

    def _decode(self, taken: list[float], answered: float) -> tuple[float, float]:
        """Requests and their tokens in the cache, mean over a tick with *answered* tokens each.

        Each leaves at random, and those taken come evenly over the tick.
        """
        running = kv = 0.0
        for place, new in enumerate(taken):
            ends = max(answered / self.answer[place], _SLOWEST)
            present = -expm1(-ends) / ends
            before = self.batch[place]
            after = before * exp(-ends) + new * present
            mean = before * present + new * (1.0 - present) / ends
            self.left[place] = before + new - after
            self.batch[place] = after
            running += mean
            kv += mean * self.held[place]
        return running, kv

    def _fresh_of(self, taken: list[float]) -> float:
        count = sum(taken)
        if count > _TINY:
            return _dot(taken, self.fresh) / count
        return sum(self.fresh) / len(self.fresh)

    def _reading(self, computed: float, each: float, width: float) -> float:
        """Requests whose prompt is being computed, mean over the tick; one after the other."""
        many = computed / self.prompt_size
        drained = computed * each / width
        rest = (self.prompt - computed) / self.prompt_size
        return rest + (many + min(1.0, many)) / 2.0 * drained


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return float(sum(map(mul, first, second)))


def tick_by_tick(models: Sequence[EngineModel], pools: Sequence[Asked], width: float) -> Ticked:
    """Walk one replica of each of *models* through what its pool is asked, in ticks of *width* s.

    A tick should be shorter than an answer takes: one or two seconds.
    """
    walked = [
        [replica.tick(came, width) for came in pool.requests.tolist()]
        for replica, pool in zip(map(_replica, models, pools), pools, strict=True)
    ]
    table = Ticked(*np.ascontiguousarray(np.array(walked).transpose(2, 1, 0)))
    _add_queueing(table, np.stack([one.requests.sum(axis=1) for one in pools], axis=1), width)
    return table


def _add_queueing(table: Ticked, came: Array, width: float) -> None:
    """First in, first out: those who leave the queue are those who came so many calls ago."""
    times = width * np.arange(1, len(came) + 1)
    for pool in np.flatnonzero(table.waiting.any(axis=0)):
        arrived, gone = np.cumsum(came[:, pool]), np.cumsum(table.first_tokens[:, pool])
        table.to_first_token[:, pool] += np.maximum(0.0, times - np.interp(gone, arrived, times))


def _replica(model: EngineModel, pool: Asked) -> _Replica:
    def mean(name: str, over: str) -> list[float]:
        """Of each stream; one where it asks for nothing."""
        total, by = getattr(pool, name).sum(axis=0), getattr(pool, over).sum(axis=0)
        found = np.where(by > 0.0, total / np.maximum(by, _TINY), 1.0)
        return [float(one) for one in np.maximum(found, 1.0)]

    streams = pool.requests.shape[1]
    return _Replica(
        model,
        answer=mean("output_tokens", "requests"),
        held=mean("held", "output_tokens"),
        fresh=mean("fresh_tokens", "requests"),
        prompt_size=max(float(pool.fresh_tokens.sum()) / max(pool.requests.sum(), _TINY), 1.0),
        batch=[0.0] * streams,
        queue=[0.0] * streams,
        left=[0.0] * streams,
    )
