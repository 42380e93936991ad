"""What `tidegauge detect FILE` says: causal anomaly scores and events for any table with a time."""

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from estimators.averages import averages, before, gain_of
from estimators.live_engine import scored
from estimators.point_anomaly import PointAnomaly
from vocabulary.errors import ConfigError
from vocabulary.incidents import rfc3339
from vocabulary.samples import Array

if TYPE_CHECKING:
    import pandas as pd

TIME_NAMES = ("time", "timestamp", "@timestamp", "_time", "datetime", "date", "ts", "t", "epoch")
"""Names that are taken for the time column, in this order."""
ECHO = 0.85
"""Share of the peak's score below which a row no longer belongs to an event; our judgement."""
EVENT_GAP_SECONDS = 1800.0
"""Alarms closer than this (or three rows) are one event: one page, not two."""
LEVEL_HALF_LIFE = 16.0
"""Rows over which the level is averaged that tells up from down."""
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From this magnitude on, an epoch is in nanoseconds, microseconds, milliseconds."""


def detect_file(
    path: Path,
    time_column: str | None = None,
    value_columns: tuple[str, ...] = (),
    scorer: PointAnomaly | None = None,
) -> dict[str, Any]:
    """Score every row of every value column.

    Gives `{"columns": {name: {"scores": […], "events": […]}}}`: one score per row in the order of
    the file, higher is more anomalous, None where not enough is known; events with `start`, `end`
    and `peak` (RFC 3339 UTC), the `score` at the peak, and `direction` (`up` or `down`).

    Raises:
        ConfigError: The file cannot be read as a table, or a column is not what is needed.
    """
    table = read_table(path)
    name = time_column_of(table, path, time_column)
    times = parse_times(table[name], path, name)
    order = np.argsort(times, kind="stable")
    judge = scorer or PointAnomaly()
    step = usual_step(times[order][: judge.warm_up])
    columns = {
        column: _score(judge, times, values, order, step)
        for column, values in value_columns_of(table, path, name, value_columns).items()
    }
    return {"columns": columns}


def usual_step(times: Array) -> float:
    """Median distance of rows, seconds; a minute when no two differ.

    Given the first rows only, so that later ones change nothing said of earlier ones.
    """
    gaps = np.diff(times)
    return float(np.median(gaps[gaps > 0.0])) if (gaps > 0.0).any() else 60.0


def read_table(path: Path) -> "pd.DataFrame":
    """A CSV, TSV or Parquet file as a table.

    Raises:
        ConfigError: It is not there, is no such file, or holds no rows.
    """
    import pandas as pd

    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give the path of a CSV or Parquet file")
    try:
        if path.suffix in {".parquet", ".pq"}:
            table = pd.read_parquet(path)
        else:
            separator = "\t" if ".tsv" in path.suffixes else ","
            table = pd.read_csv(path, sep=separator, skipinitialspace=True)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not readable as a CSV or Parquet table ({_first_line(error)}); a CSV needs a"
            " header line, Parquet the suffix .parquet"
        ) from error
    if table.empty:
        raise ConfigError(f"{path}: holds no rows")
    table.columns = [str(column).strip() for column in table.columns]
    return table


def parse_times(column: "pd.Series[Any]", path: Path, name: str) -> Array:
    """Unix seconds from epochs (seconds, milli-, micro- or nanoseconds) or ISO 8601.

    Raises:
        ConfigError: A row holds neither; it is named.
    """
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(column):
        numbers = np.full(len(column), np.nan)
    if np.isfinite(numbers).all():
        largest = float(np.abs(numbers).max())
        return numbers / next((unit for least, unit in _UNITS if largest >= least), 1.0)
    if pd.api.types.is_numeric_dtype(column):
        raise _no_time(column, path, name, int(np.flatnonzero(~np.isfinite(numbers))[0]))
    texts = column if pd.api.types.is_datetime64_any_dtype(column) else column.astype(str)
    moments = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
    bad = np.flatnonzero(moments.isna().to_numpy())
    if bad.size:
        raise _no_time(column, path, name, int(bad[0]))
    return np.asarray(moments.dt.as_unit("us").astype("int64"), dtype=np.float64) / 1e6


def _no_time(column: "pd.Series[Any]", path: Path, name: str, row: int) -> ConfigError:
    """What to say of a row that holds no time."""
    return ConfigError(
        f"{path}: column {name!r}, row {row + 1}: {str(column.iloc[row])[:40]!r} is neither epoch"
        " seconds nor ISO 8601; mend the row, or name another column with --time-column"
    )


def time_column_of(table: "pd.DataFrame", path: Path, wanted: str | None) -> str:
    """The name of the time column: *wanted*, or the one that looks like it.

    Raises:
        ConfigError: There is none, or *wanted* is not there.
    """
    import pandas as pd

    names = list(map(str, table.columns))
    if wanted is not None:
        return existing(wanted, names, path, "--time-column")
    by_name = {name.lower(): name for name in reversed(names)}
    for known in TIME_NAMES:
        if known in by_name:
            return by_name[known]
    for name in names:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            return name
        if table[name].dtype == object or pd.api.types.is_string_dtype(table[name]):
            texts = table[name].head(20).astype(str)
            head = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
            if head.notna().all():
                return name
    raise ConfigError(
        f"{path}: no time column found among {_listed(names)}; name it with --time-column"
    )


def value_columns_of(
    table: "pd.DataFrame", path: Path, time_column: str, wanted: tuple[str, ...]
) -> dict[str, Array]:
    """The value columns as numbers, NaN where a row holds none: *wanted*, or all numeric ones.

    Raises:
        ConfigError: A column is not there or holds no number.
    """
    import pandas as pd

    names = list(map(str, table.columns))
    chosen = [existing(name, names, path, "--value-column") for name in wanted]
    if not chosen:
        chosen = [
            name
            for name in names
            if name != time_column
            and pd.api.types.is_numeric_dtype(table[name])
            and not pd.api.types.is_bool_dtype(table[name])
        ]
    if not chosen:
        raise ConfigError(
            f"{path}: no numeric column besides {time_column!r}; name one with --value-column"
        )
    found = {}
    for name in chosen:
        numbers = pd.to_numeric(table[name], errors="coerce")
        values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.where(np.isfinite(values), values, np.nan)
        if wanted and not np.isfinite(values).any():
            raise ConfigError(
                f"{path}: column {name!r} holds no number; name another with --value-column"
            )
        found[name] = values
    return found


def _score(
    judge: PointAnomaly, times: Array, values: Array, order: "np.ndarray[Any, Any]", step: float
) -> dict[str, Any]:
    ordered = values[order]
    scores = scored(judge, times[order], ordered, step)
    shown = np.full(len(scores), np.nan)
    shown[order] = scores
    return {
        "scores": [round(score, 4) if np.isfinite(score) else None for score in shown.tolist()],
        "events": _events(judge, times[order], ordered, scores, step),
    }


def _events(
    judge: PointAnomaly, times: Array, values: Array, scores: Array, step: float
) -> list[dict[str, Any]]:
    alarms = np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) >= judge.alarm)
    if not alarms.size:
        return []
    apart = max(EVENT_GAP_SECONDS, 3.0 * step)
    breaks = np.flatnonzero(np.diff(times[alarms]) > apart) + 1
    deviation = _deviation(values)
    events = []
    for part in np.split(alarms, breaks):
        peak = int(part[np.argmax(scores[part])])
        # up to the peak: afterwards a series returns, and that is a move the other way
        moved = deviation[max(0, int(part[0]) - 1) : peak + 1].sum()
        events.append(
            {
                "start": rfc3339(float(times[part[0]])),
                "end": rfc3339(float(times[_last(part, scores)])),
                "peak": rfc3339(float(times[peak])),
                "score": round(float(scores[peak]), 4),
                "direction": "down" if moved < 0.0 else "up",
            }
        )
    return events


def _deviation(values: Array) -> Array:
    """How far each row lies above (+) or below (-) the average of the known rows before it."""
    known = np.isfinite(values)
    carried = values[known][np.maximum(np.cumsum(known) - 1, 0)].clip(-1e30, 1e30)
    apart = (carried - carried[0]).astype(np.float32)
    level = averages(apart, np.zeros((), np.float32), gain_of(LEVEL_HALF_LIFE))
    return np.asarray(apart - before(level, np.zeros((), np.float32)), np.float64)


def _last(part: npt.NDArray[np.intp], scores: Array) -> int:
    """Last row of an event: what comes after only echoes in averages that still remember it."""
    high = part[scores[part] >= ECHO * scores[part].max()]
    return int(high[-1])


def existing(name: str, names: list[str], path: Path, flag: str) -> str:
    """*name*, if the table has such a column; *flag* is where it was asked for.

    Raises:
        ConfigError: It has not.
    """
    if name not in names:
        raise ConfigError(f"{path}: no column {name!r} ({flag}); there are {_listed(names)}")
    return name


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return shown + (", …" if len(names) > 12 else "")


def _first_line(error: Exception | Hashable) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
