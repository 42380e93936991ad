"""Reading rows and writing evidence: what every detector does the same way."""

from collections.abc import Iterable

import numpy as np

from estimators.robust import middle_of
from vocabulary.entities import Entity
from vocabulary.findings import Evidence
from vocabulary.samples import Array, Frame
from vocabulary.scene import Scene, Watch


def newest(row: Array) -> float:
    """The last column; NaN when the present is not known."""
    return float(row[-1]) if row.size else float("nan")


def middle(row: Array) -> float:
    """Median of what is known; NaN when nothing is."""
    known = row[np.isfinite(row)]
    return middle_of(known) if known.size else float("nan")


def average(row: Array) -> float:
    """Mean of what is known; NaN when nothing is."""
    known = row[np.isfinite(row)]
    return float(known.mean()) if known.size else float("nan")


def by(frame: Frame, label: str) -> dict[str, Array]:
    """Rows by the value of *label*; rows without it are left out, of several the last stays.

    Asking a frame for one row costs a walk over all of them; a detector that asks for each
    replica makes this once instead.
    """
    return {labels[label]: row for labels, row in frame.rows() if labels.get(label)}


def span(times: Array, row: Array, start: float, end: float) -> Array:
    """The columns in [start, end]."""
    part: Array = row[(times >= start) & (times <= end)]
    return part


def without(times: Array, row: Array, spans: Iterable[tuple[float, float]]) -> Array:
    """*row* with the columns inside *spans* missing: nothing is learnt from an incident."""
    kept = row.copy()
    for start, end in spans:
        kept[(times >= start) & (times <= end)] = np.nan
    return kept


def known(value: float) -> float | None:
    """NaN as None: unknown leaves the process as null."""
    return value if np.isfinite(value) else None


def pool_of(scene: Scene, model: str) -> str:
    """The pool that serves *model*, the first by name; empty where none of ours does."""
    pools = {one.pool for one in scene.replicas if model in {one.model, one.pool}} - {""}
    return min(pools, default="")


def say(
    watch: Watch,
    entity: Entity,
    start: float,
    end: float,
    text: str,
    *,
    observed: float = float("nan"),
    expected: float = float("nan"),
    lower: float = float("nan"),
    upper: float = float("nan"),
    against: bool = False,
) -> Evidence:
    """One observation of a watched signal, in its unit."""
    return Evidence(
        signal=watch.signal.name,
        entity=entity,
        start=start,
        end=end,
        observed=known(observed),
        text=text,
        expected=known(expected),
        lower=known(lower),
        upper=known(upper),
        unit=watch.signal.unit,
        speaks_against=against,
    )
