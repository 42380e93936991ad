"""The mean behaviour of a pool at a given load: the live engine's formulas without its requests.

Little's law ties requests in the batch to token rate and latency; a fixed point is found by
iteration, for a whole array of moments at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.engine_model import EngineModel
from simulator.traffic import StreamSource
from vocabulary.samples import Array

_ITERATIONS = 25
_SIZES = 9
"""Sizes at which the moments of growing prompts are computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What one replica is asked for at each moment; rates are per second."""

    requests: Array
    input_tokens: Array
    cached_tokens: Array
    output_tokens: Array
    prefill_square: Array
    """Rate times the mean square of the tokens to compute, for the wait behind other prompts."""
    kv_decoding: Array
    """Rate times the mean of tokens held while decoding times tokens decoded: prompts and answers
    of one call are not independent."""
    kv_prefill: Array
    """Rate times the mean of tokens held during prefill times tokens to compute."""
    fetched_tokens: Array = field(default_factory=lambda: np.zeros(1))
    """Of the cached ones, those whose KV another replica computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Steady:
    """What one replica then does, on average, at each moment."""

    demand: Demand
    running: Array
    kv_tokens: Array
    steps: Array
    """Scheduler steps a second."""
    between_tokens: Array
    """Seconds."""
    to_first_token: Array
    """Seconds."""
    queue: Array
    """Seconds."""
    busy: Array
    """Share of time in which a step runs."""
    prefill: Array
    """Share of busy time spent on prompts."""


def demand(
    sources: Sequence[StreamSource],
    times: Array,
    replicas: int,
    *,
    prompt_factor: float = 1.0,
    output_factor: float = 1.0,
    rate_factors: Sequence[Array] | None = None,
    prompt_factors: Sequence[Array] | None = None,
) -> Demand:
    """The load of *sources* shared evenly by *replicas*; factors are one array a source."""
    zero = np.zeros(len(times))
    requests, asked, cached, made, square, decoding, filling = (zero,) * 7
    for index, source in enumerate(sources):
        rate = source.rate(times) / replicas
        if rate_factors is not None:
            rate = rate * rate_factors[index]
        grown = None if prompt_factors is None else prompt_factors[index]
        prompt, squared, held, filled = _moments(source, prompt_factor, output_factor, grown)
        requests = requests + rate
        asked = asked + rate * prompt
        cached = cached + rate * prompt * source.stream.cached
        made = made + rate * float(source.trace.output_tokens.mean() * output_factor)
        square = square + rate * squared
        decoding = decoding + rate * held
        filling = filling + rate * filled
    return Demand(requests, asked, cached, made, square, decoding, filling)


def _moments(
    source: StreamSource, prompt_factor: float, output_factor: float, grown: Array | None
) -> tuple[float, float, float, float] | Array:
    """Means over a trace: the prompt, the square of what is to compute, and what KV cache holds.

    For prompts that have *grown* they are taken at a few sizes and interpolated between them.
    """
    if grown is not None and np.ptp(grown) > 0.0:
        sizes = np.linspace(float(grown.min()), float(grown.max()), _SIZES)
        table = np.array([_moments(source, prompt_factor * one, output_factor, None)
                          for one in sizes])  # fmt: skip
        return np.array([np.interp(grown, sizes, column) for column in table.T])
    factor = prompt_factor if grown is None else prompt_factor * float(grown[0])
    prompts = np.minimum(source.trace.input_tokens * factor, source.longest)
    fresh = prompts * (1 - source.stream.cached)
    answers = source.trace.output_tokens * output_factor
    return (
        float(prompts.mean()),
        float((fresh**2).mean()),
        float(((prompts + answers / 2) * answers).mean()),
        float(((prompts - fresh / 2) * fresh).mean()),
    )


def prefilling(load: Demand) -> Demand:
    """What is asked of those that compute the prompts alone: one token an answer."""
    return replace(load, output_tokens=load.requests, kv_decoding=load.input_tokens)


def decoding(load: Demand) -> Demand:
    """What is asked of those that fetch the KV: of every prompt they compute the last token."""
    return replace(
        load,
        cached_tokens=load.input_tokens - load.requests,
        fetched_tokens=load.input_tokens - load.cached_tokens - load.requests,
        prefill_square=load.requests,
        kv_prefill=load.input_tokens,
    )


def after_fetching(found: Steady, token_bytes: int, bandwidth: float) -> Steady:
    """With the wait for the KV, alone on its link, and for the step in which it came to end."""
    each = found.demand.fetched_tokens / np.maximum(found.demand.requests, 1e-9)
    wait = each * token_bytes / bandwidth + found.busy * found.between_tokens
    return replace(found, queue=found.queue + wait, to_first_token=found.to_first_token + wait)


def steady(model: EngineModel, load: Demand, slowdown: float = 1.0) -> Steady:
    """The fixed point for replicas of *model* under *load*."""
    rate = np.maximum(load.requests, 1e-9)
    work = (load.input_tokens - load.cached_tokens) * model.per_prefill_token * slowdown
    own = work / rate
    wait = (
        load.prefill_square
        * (model.per_prefill_token * slowdown) ** 2
        / 2
        / np.maximum(0.05, 1 - work)
    )
    batch = np.ones_like(rate)
    kv = np.zeros_like(rate)
    busy = np.full_like(rate, 0.5)
    for _ in range(_ITERATIONS):
        share = np.minimum(0.9, work / np.maximum(busy, 1e-6))
        step = (
            model.base
            + model.per_request * batch / np.maximum(busy, 1e-6)
            + model.per_kv_token * kv / np.maximum(busy, 1e-6)
        ) * slowdown
        between = step / (1 - share)
        residence = load.output_tokens / rate * between + own + wait
        batch = np.minimum(rate * residence, model.max_requests)
        busy = 1 - np.exp(-batch)
        kv = between * load.kv_decoding + load.kv_prefill * model.per_prefill_token * slowdown
        kv = np.minimum(kv, 0.98 * model.kv_tokens)
    return Steady(
        load,
        batch,
        kv,
        busy / between,
        between,
        own + wait + step * (1 + busy / 2),
        busy * step / 2,
        busy,
        share,
    )
