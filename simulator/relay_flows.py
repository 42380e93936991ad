"""Flows through replicas that compute prompts, a link, and replicas that decode.

What a decoding replica is asked is what was computed, when it has come over: first in, first out,
by the tokens of prompts. Requests of one stream are alike, as in `simulator.ticks`.
"""

from dataclasses import dataclass

import numpy as np

from simulator.arrivals import Asked
from simulator.kv_link import Prefill
from vocabulary.samples import Array

_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class PassedOn:
    """What comes to one decoding replica in each tick."""

    asked: Asked
    transfer: Array
    """Seconds from the end of a prompt until its KV is there, of those that came in the tick."""


def computing(load: Asked, share: float) -> Asked:
    """What one of those is asked that compute the prompts, *share* as many as decode with them."""
    each = load.output_tokens / np.maximum(load.requests, _TINY)
    held = load.held / np.maximum(load.output_tokens, _TINY) - each / 2.0
    return Asked(
        load.requests / share,
        load.fresh_tokens / share,
        load.requests / share,
        load.requests / share * np.maximum(held, 1.0),
    )


def passed_on(
    load: Asked, computed: Array, link: Prefill, token_bytes: int, width: float
) -> PassedOn:
    """What comes of *load* when so many of its prompt tokens were *computed* in each tick."""
    speed = link.bandwidth / max(1, token_bytes)  # tokens a second
    done = np.cumsum(computed)
    came = np.empty_like(done)
    so_far = 0.0
    for tick, most in enumerate(done):
        so_far = min(float(most), so_far + speed * width)
        came[tick] = so_far
    tokens = np.cumsum(load.fresh_tokens.sum(axis=1))
    asked = Asked(
        *(
            np.diff(_until(came, tokens, np.cumsum(column, axis=0)), axis=0, prepend=0.0)
            for column in (load.requests, load.requests, load.output_tokens, load.held)
        )
    )
    mean = load.fresh_tokens.sum() / max(load.requests.sum(), _TINY)
    return PassedOn(asked, link.hop + (mean + done - came) / speed)


def _until(came: Array, tokens: Array, sums: Array) -> Array:
    """By column of *sums*: how far it is when so many *tokens* came."""
    start = np.concatenate([[0.0], tokens])
    return np.stack(
        [np.interp(came, start, np.concatenate([[0.0], one])) for one in sums.T], axis=1
    )
