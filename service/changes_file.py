"""What `tidegauge changes FILE` says: when a level changed, and by how much."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from estimators.step_changes import Change, StepChanges
from service.detect_file import (
    existing,
    parse_times,
    read_table,
    time_column_of,
    usual_step,
    value_columns_of,
)
from vocabulary.errors import ConfigError
from vocabulary.incidents import rfc3339
from vocabulary.samples import Array

FIRST_ROWS = 50
"""The usual step is that of these rows."""


def changes_file(
    path: Path,
    time_column: str | None = None,
    value_columns: tuple[str, ...] = (),
    covariates: tuple[str, ...] = (),
    finder: StepChanges | None = None,
    told: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Find the changes of level in every value column, at equal *covariates* where given.

    Gives `{"columns": {name: {"changes": […], "withdrawn": […]}}}`. A change has `index` (row of
    the file at which the new level begins), `time`, `before` and `after` (at the load of before),
    `effect`, `interval` (99 %), `p_value`, and `detected_at`, the time of the first row at which it
    could be said. `withdrawn` are changes of a history of runs whose level did not hold, with
    `withdrawn_at`. *told* hears, before each column, how many of how many are done.

    Raises:
        ConfigError: The file cannot be read as a table, or a column is not what is needed.
    """
    table = read_table(path)
    name = time_column_of(table, path, time_column)
    times = parse_times(table[name], path, name)
    order = np.argsort(times, kind="stable")
    loads = _loads(path, table, name, covariates)
    wanted = value_columns_of(table, path, name, value_columns)
    columns = {key: numbers for key, numbers in wanted.items() if key not in covariates}
    if not columns:
        raise ConfigError(f"{path}: no value column is left besides the covariates")
    judge = finder or StepChanges()
    step = usual_step(times[order][:FIRST_ROWS])
    said = {}
    for done, (key, values) in enumerate(columns.items()):
        if told:
            told(done, len(columns))
        found = judge.find(values[order], step, None if loads is None else loads[order])
        said[key] = {
            "changes": [_shown(one, times, order) for one in found if one.withdrawn is None],
            "withdrawn": [_shown(one, times, order) for one in found if one.withdrawn is not None],
        }
    return {"columns": said}


def _loads(path: Path, table: Any, time_column: str, covariates: tuple[str, ...]) -> Array | None:
    if not covariates:
        return None
    names = [str(column) for column in table.columns]
    for name in covariates:
        existing(name, names, path, "--covariate")
    return np.column_stack(list(value_columns_of(table, path, time_column, covariates).values()))


def _shown(change: Change, times: Array, order: "np.ndarray[Any, Any]") -> dict[str, Any]:
    shown: dict[str, Any] = {
        "index": int(order[change.index]),
        "time": rfc3339(float(times[order[change.index]])),
        "before": _number(change.before),
        "after": _number(change.after),
        "effect": _number(change.effect),
        "interval": [_number(change.lower), _number(change.upper)],
        "p_value": float(f"{change.p_value:.3g}"),
        "detected_at": rfc3339(float(times[order[change.detected]])),
    }
    if change.withdrawn is not None:
        shown["withdrawn_at"] = rfc3339(float(times[order[change.withdrawn]]))
    return shown


def _number(value: float) -> float:
    """Six significant digits: more would be noise."""
    return float(f"{value:.6g}")
