"""Charts: a series with its expected band, the incident's span and the changes near it."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from dashboard.theme import CHANGE, EXPECTED, INCIDENT, OBSERVED, SERIES

HEIGHT = 220


def frame_of(answer: Mapping[str, Any], names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The API's series as rows of time, value and a name; gaps stay gaps.

    *names* maps entity ids to what people call them; a series about a replica or a GPU bears that
    name alone.
    """
    rows = []
    for one in answer.get("series", []):
        shown = _name(one.get("labels", {}), names or {})
        rows += [
            {"time": at, "value": value, "series": shown}
            for at, value in zip(answer["times"], one["values"], strict=True)
        ]
    frame = pd.DataFrame(rows, columns=["time", "value", "series"])
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    frame["value"] = pd.to_numeric(frame["value"])
    return frame


def _name(labels: Mapping[str, str], names: Mapping[str, str]) -> str:
    for kind in ("replica", "gpu"):
        if kind in labels:
            rest = [labels[key] for key in ("reason", "xid") if key in labels]
            return " ".join([names.get(labels[kind], labels[kind]), *rest])
    return " ".join(labels[key] for key in sorted(labels)) or "all"


def evidence_chart(
    frame: pd.DataFrame, evidence: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]
) -> alt.LayerChart:
    """One signal: what was seen, what was expected, since when, and what was changed near it."""
    unit = evidence.get("unit") or ""
    x = alt.X("time:T", title=None, axis=alt.Axis(format="%H:%M", labelOverlap=True))
    y = alt.Y("value:Q", title=unit, scale=alt.Scale(zero=False))
    layers: list[Any] = []
    lower, upper = evidence.get("lower"), evidence.get("upper")
    if len(frame) and lower is not None and upper is not None:
        band = pd.DataFrame(
            {
                "start": [frame["time"].min()],
                "end": [frame["time"].max()],
                "low": [lower],
                "high": [upper],
            }
        )
        layers.append(
            alt.Chart(band)
            .mark_rect(opacity=0.25, color=EXPECTED)
            .encode(x="start:T", x2="end:T", y=alt.Y("low:Q", title=unit), y2="high:Q")
        )
    if len(frame) and evidence.get("expected") is not None:
        rule = pd.DataFrame({"value": [evidence["expected"]]})
        layers.append(
            alt.Chart(rule).mark_rule(strokeDash=[6, 4], color=EXPECTED, size=2).encode(y="value:Q")
        )
    layers.append(_span(evidence))
    marks = [one for one in changes if abs(one["offset_seconds"]) < 7200]
    if marks:
        layers.append(_change_rules(marks))
    line = alt.Chart(frame).mark_line(color=OBSERVED, strokeWidth=2, interpolate="linear")
    layers.append(line.encode(x=x, y=y, detail="series:N", tooltip=_tooltip(unit)))
    return alt.layer(*layers).properties(height=HEIGHT)


def lines_chart(frame: pd.DataFrame, unit: str, zero: bool = True) -> alt.Chart:
    """Several series of one signal."""
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(format="%d %b %H:%M", labelOverlap=True)),
            y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=zero)),
            color=alt.Color(
                "series:N", title=None, scale=alt.Scale(range=list(SERIES)),
                legend=alt.Legend(orient="bottom", columns=3, labelLimit=260),
            ),
            tooltip=_tooltip(unit),
        )
        .properties(height=HEIGHT + 60)
    )  # fmt: skip


def _span(evidence: Mapping[str, Any]) -> alt.Chart:
    span = pd.DataFrame({
        "start": pd.to_datetime([evidence["from"]], utc=True),
        "end": pd.to_datetime([evidence["to"]], utc=True),
    })  # fmt: skip
    return alt.Chart(span).mark_rect(opacity=0.12, color=INCIDENT).encode(x="start:T", x2="end:T")


def _change_rules(changes: Sequence[Mapping[str, Any]]) -> alt.Chart:
    marks = pd.DataFrame({
        "time": pd.to_datetime([one["at"] for one in changes], utc=True),
        "what": [f"{one['kind']}: {one['what']}" for one in changes],
    })  # fmt: skip
    return (
        alt.Chart(marks)
        .mark_rule(color=CHANGE, size=2, strokeDash=[2, 2])
        .encode(x="time:T", tooltip=["what:N", "time:T"])
    )


def _tooltip(unit: str) -> list[Any]:
    return [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("time:T", title="time", format="%d %b %H:%M:%S"),
        alt.Tooltip("value:Q", title=unit or "value", format=".4g"),
    ]
