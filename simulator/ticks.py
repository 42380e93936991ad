"""Tick by tick: replicas as flows of requests, the coarser of the simulator's two fidelities.

The other one walks every request. Here a replica is a few numbers for each stream (requests in the
batch and in the queue, prompt tokens to be computed) and a tick moves them by the formulas of the
engine: the time of a step, the tokens a step may take, the room in the cache. Requests of one
stream are alike and leave at random; none is timed out, retried or moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
class _Replicas:
    """Constants of one replica a pool, and where each stands.

    Rows are pools; columns of those that have some are the pool's streams.
    """

    base: Array
    per_request: Array
    per_kv_token: Array
    per_prompt: Array
    budget: Array
    most: Array
    room: Array
    """Tokens the cache holds when it is called full."""
    answer: Array
    held: Array
    fresh: Array
    prompt_size: Array
    """`fresh` of all streams of a pool, by how often they ask."""
    batch: Array
    queue: Array
    prompt: Array
    left: Array
    """Requests that left in the tick before: their room is taken at once."""

    def tick(self, came: Array, width: float) -> tuple[Array, ...]:
        """Let one tick pass; the rows of `Ticked`."""
        ahead = self.prompt
        taken, starved = self._admit(came)
        inside = self.batch + taken / 2.0
        count, kv = inside.sum(axis=1), (inside * self.held).sum(axis=1)
        busy = np.minimum(1.0, count)
        some = np.maximum(busy, _TINY)
        step = self.base + (self.per_request * count + self.per_kv_token * kv) / some
        time = busy * width * np.where(starved, 1.0 - _THRASH, 1.0)
        steps = np.maximum(
            (time - self.prompt * self.per_prompt) / step,
            time / (step + self.budget * self.per_prompt),
        )
        computed = np.minimum(self.prompt, np.maximum(0.0, time - steps * step) / self.per_prompt)
        decoding = 1.0 - np.minimum(
            1.0, self._reading(computed, step, width) / np.maximum(count, _TINY)
        )
        ends = (steps / some * decoding)[:, np.newaxis] / self.answer
        batch, mean = _decayed(self.batch, taken, ends)
        self.left = self.batch + taken - batch
        self.batch, self.prompt = batch, self.prompt - computed
        made, running = (self.left * self.answer).sum(axis=1), mean.sum(axis=1)
        own = self._fresh_of(taken) * self.per_prompt
        first = ahead * (self.per_prompt + step / self.budget) + own + step * (1.0 + busy / 2.0)
        between = running * decoding * width / np.where(made > _TINY, made, np.nan)
        worked = -np.expm1(-running)  # those inside one of many replicas come and go at random
        return (
            running,
            self.queue.sum(axis=1),
            (mean * self.held).sum(axis=1),
            worked,
            np.minimum(1.0, computed * self.per_prompt / np.maximum(worked * width, _TINY)),
            computed,
            made,
            taken.sum(axis=1),
            between,
            first,
        )

    def _admit(self, came: Array) -> tuple[Array, Array]:
        """Who leaves the queue, and whether it is the cache that keeps the others."""
        self.queue = self.queue + came
        asking = np.maximum(self.queue.sum(axis=1), _TINY)
        each = np.maximum((self.queue * self.held).sum(axis=1) / asking, 1.0)
        staying = self.batch - self.left
        seats = self.most - staying.sum(axis=1)
        blocks = (self.room - (staying * self.held).sum(axis=1)) / each
        share = np.clip(np.minimum(seats, blocks) / asking, 0.0, 1.0)[:, np.newaxis]
        taken = self.queue * share
        self.queue = self.queue - taken
        self.prompt = self.prompt + (taken * self.fresh).sum(axis=1)
        return taken, (share[:, 0] < 1.0) & (blocks < seats)

    def _fresh_of(self, taken: Array) -> Array:
        count = taken.sum(axis=1)
        some = np.where(count[:, np.newaxis] > _TINY, taken, 1.0)
        return np.asarray((some * self.fresh).sum(axis=1) / some.sum(axis=1))

    def _reading(self, computed: Array, step: Array, width: float) -> Array:
        """Requests whose prompt is being computed, mean over the tick; one after the other."""
        many = computed / self.prompt_size
        drained = computed * (self.per_prompt + step / self.budget) / width
        rest = (self.prompt - computed) / self.prompt_size
        return np.asarray(rest + (many + np.minimum(1.0, many)) / 2.0 * drained)


def _decayed(batch: Array, taken: Array, ends: Array) -> tuple[Array, Array]:
    """The batch after a tick and its mean, when each leaves *ends* times a tick at random.

    Those taken come evenly over the tick.
    """
    ends = np.maximum(ends, _SLOWEST)
    present = -np.expm1(-ends) / ends
    after = batch * np.exp(-ends) + taken * present
    return after, batch * present + taken * (1.0 - present) / ends


def tick_by_tick(models: Sequence[EngineModel], pools: Sequence[Asked], width: float) -> Ticked:
    """Walk one replica of each of *models* through what its pool is asked, in ticks of *width* s.

    A tick should be shorter than an answer takes: one or two seconds.
    """
    most = max(one.requests.shape[1] for one in pools)
    came = np.stack([_padded(one.requests, most) for one in pools], axis=1)
    replicas = _replicas(models, pools, most)
    rows = [replicas.tick(one, width) for one in came]
    table = Ticked(*(np.array(column) for column in zip(*rows, strict=True)))
    _add_queueing(table, came.sum(axis=2), width)
    return table


def _add_queueing(table: Ticked, came: Array, width: float) -> None:
    """First in, first out: those who leave the queue are those who came so many calls ago."""
    times = width * np.arange(1, len(came) + 1)
    for pool in np.flatnonzero(table.waiting.any(axis=0)):
        arrived, gone = np.cumsum(came[:, pool]), np.cumsum(table.first_tokens[:, pool])
        table.to_first_token[:, pool] += np.maximum(0.0, times - np.interp(gone, arrived, times))


def _padded(values: Array, most: int) -> Array:
    return np.pad(values, ((0, 0), (0, most - values.shape[1])))


def _replicas(models: Sequence[EngineModel], pools: Sequence[Asked], most: int) -> _Replicas:
    def each(name: str) -> Array:
        return np.array([float(getattr(model, name)) for model in models])

    def mean(name: str, over: str) -> Array:
        """Of a stream; one where it asks for nothing."""
        found = np.ones((len(pools), most))
        for row, one in zip(found, pools, strict=True):
            total, by = getattr(one, name).sum(axis=0), getattr(one, over).sum(axis=0)
            row[: len(by)] = np.where(by > 0.0, total / np.maximum(by, _TINY), 1.0)
        return np.maximum(found, 1.0)

    nothing = np.zeros((len(pools), most))
    size = [one.fresh_tokens.sum() / max(one.requests.sum(), _TINY) for one in pools]
    return _Replicas(
        base=each("base"),
        per_request=each("per_request"),
        per_kv_token=each("per_kv_token"),
        per_prompt=each("per_prefill_token"),
        budget=each("max_batched_tokens"),
        most=each("max_requests"),
        room=_FULL * each("kv_tokens"),
        answer=mean("output_tokens", "requests"),
        held=mean("held", "output_tokens"),
        fresh=mean("fresh_tokens", "requests"),
        prompt_size=np.maximum(size, 1.0),
        batch=nothing,
        queue=nothing,
        prompt=np.zeros(len(pools)),
        left=nothing,
    )
