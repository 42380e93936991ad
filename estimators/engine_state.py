"""Columns of figures, one a series: what the live engine remembers, and moving parts of it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from estimators import tails, whitening

TINY = np.float32(1e-9)
"""The least size of a band where nobody says which movement means anything."""
State = dict[str, npt.NDArray[Any]]
"""By name, the last axis is the series."""


def fresh(bands: int, count: int) -> State:
    """*count* series of which nothing is known yet."""

    def zeros(kind: Any, *rows: int) -> npt.NDArray[Any]:
        return np.zeros((*rows, count), kind)

    state = {
        "reference": zeros(np.float64),
        "averages": zeros(np.float32, bands),
        "sizes": zeros(np.float32, bands),
        "shape": zeros(np.float32, whitening.pairs(bands)),
        "whitener": zeros(np.int16, whitening.pairs(bands)),
        "length": zeros(np.float32) + np.float32(1.0),
        "least": zeros(np.float32) + TINY,
        "edge": zeros(np.float32, 2) + np.float32(tails.FIRST_EDGE),
        "slope": zeros(np.float32, 2) + np.float32(tails.FIRST_SLOPE),
        "beyond": zeros(np.uint16, 2),
        "far": zeros(np.uint16, 2),
        "before": zeros(np.float32, 2),
        "record": zeros(np.int32),
        "age": zeros(np.int32),
        "looked": zeros(np.int32),
        "seen": zeros(np.int32),
        "patience": zeros(np.uint8),
        "family": zeros(np.uint16),
    }
    state["whitener"][:] = whitening.unmixed(bands)[:, None]
    return state


def gathered(state: State, slots: npt.NDArray[np.intp] | slice) -> State:
    """Some series: a view of neighbours, a copy of others."""
    return {name: part[..., slots] for name, part in state.items()}


def scattered(state: State, slots: npt.NDArray[np.intp] | slice, part: State) -> None:
    """Put back what `gathered` copied."""
    if isinstance(slots, slice):
        return
    for name, whole in state.items():
        whole[..., slots] = part[name]
