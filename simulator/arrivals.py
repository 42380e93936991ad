"""What streams ask of a replica in each tick: the same calls as one by one, counted at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.traffic import StreamSource
from vocabulary.samples import Array


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Sums over the calls of each tick; all of shape (ticks, streams)."""

    requests: Array
    fresh_tokens: Array
    """Prompt tokens that the prefix cache does not hold."""
    output_tokens: Array
    held: Array
    """Tokens in the KV cache while an answer is made, times the tokens of the answer."""


def asked(
    sources: Sequence[StreamSource], start: float, ticks: int, width: float, replicas: int
) -> Asked:
    """The calls of *sources* from *start* on, shared evenly by *replicas*, one column a stream.

    They are those that `StreamSource.until` would give, but that a rate holds for one tick; the
    sources themselves do not move. Voices of one stream share its column.
    """
    streams = list(dict.fromkeys(id(one.stream) for one in sources))
    sums = np.zeros((4, ticks, len(streams)))
    for source in sources:
        at, *added = _calls(source, start, ticks, width)
        tick = np.minimum((at / width).astype(np.int64), ticks - 1)
        column = streams.index(id(source.stream))
        for table, weights in zip(sums, (None, *added), strict=True):
            table[:, column] += np.bincount(tick, weights=weights, minlength=ticks)
    return Asked(*(sums / replicas))


def _calls(source: StreamSource, start: float, ticks: int, width: float) -> tuple[Array, ...]:
    """When each call comes, seconds after *start*, and what it adds to the sums."""
    edges = np.asarray(start + width * np.arange(ticks), dtype=np.float64)
    flow = np.concatenate([[0.0], np.cumsum(source.rate(edges) * source.rate_factor * width)])
    trace, length = source.trace, len(source.trace)
    turns = int(flow[-1] // length) + 2
    order = (source.position + np.arange(turns * length)) % length
    due = np.concatenate([[source.due], source.due + np.cumsum(trace.gaps[order[1:]])])
    many = int(np.searchsorted(due, flow[-1]))
    order, due = order[:many], due[:many]
    at = np.interp(due, flow, width * np.arange(ticks + 1))
    prompts = np.minimum(source.longest, trace.input_tokens[order] * source.prompt_factor)
    fresh = prompts * (1.0 - source.stream.cached * source.cached_factor)
    answers = np.maximum(1.0, trace.output_tokens[order] * source.output_factor)
    return at, fresh, answers, (prompts + answers / 2.0) * answers
