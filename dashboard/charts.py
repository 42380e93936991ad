"""Charts: a series with its expected band, the incident's span and the changes near it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import altair as alt
import pandas as pd

from dashboard.theme import CHANGE, EXPECTED, INCIDENT, OBSERVED, SERIES, SIBLING
from dashboard.words import scale

HEIGHT = 220
FEW = len(SERIES)
"""Up to so many lines each has a colour of its own; more share that of their group."""
_PARTS = {
    "seen": OBSERVED, "siblings": SIBLING, "expected": EXPECTED, "incident": INCIDENT,
    "change": CHANGE,
}  # fmt: skip
_SPAN = 7200.0
"""Seconds around the onset within which a change is marked on an evidence chart."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer of the API, ready to be drawn."""

    frame: pd.DataFrame
    """Rows of time, value, series, group and entity; gaps stay gaps."""
    unit: str
    """As a person reads it."""
    factor: float
    """What the API's values were multiplied by to be in that unit."""

    @property
    def empty(self) -> bool:
        """Whether nothing at all was measured."""
        return not bool(self.frame["value"].notna().any())


def read(answer: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Reading:
    """The API's series with names that people use.

    *names* maps entity ids to what people call them. A series about a replica or a GPU bears that
    name alone, and belongs to the group of its pool or node.
    """
    series = answer.get("series", [])
    largest = max((abs(v) for one in series for v in one["values"] if v is not None), default=0.0)
    factor, unit = scale(answer.get("unit") or "", largest)
    parts = []
    for one in series:
        shown, group, entity = _named(one.get("labels", {}), names or {})
        values = pd.to_numeric(pd.Series(one["values"], dtype=object)) * factor
        times = pd.to_datetime(list(answer["times"]), utc=True)
        columns = {"time": times, "value": values, "series": shown, "group": group}
        parts.append(pd.DataFrame({**columns, "entity": entity}))
    empty = pd.DataFrame(columns=["time", "value", "series", "group", "entity"])
    return Reading(pd.concat(parts, ignore_index=True) if parts else empty, unit, factor)


def _named(labels: Mapping[str, str], names: Mapping[str, str]) -> tuple[str, str, str]:
    for kind, owner in (("replica", "pool"), ("gpu", "node")):
        if kind in labels:
            rest = [labels[key] for key in ("reason", "xid") if key in labels]
            name = names.get(labels[kind], labels[kind])
            return " ".join([name, *rest]), labels.get(owner, name), labels[kind]
    if "tenant" in labels:
        tenant, model = labels["tenant"], labels.get("model")
        return (f"{tenant} on {model}" if model else tenant), tenant, tenant
    name = " ".join(labels[key] for key in sorted(labels)) or "all"
    return name, name, name


def evidence_chart(
    reading: Reading,
    evidence: Mapping[str, Any],
    changes: Sequence[Mapping[str, Any]],
    span: tuple[datetime, datetime],
) -> alt.LayerChart:
    """One signal: what was seen, what was expected, since when, and what was changed near it.

    The lines of the evidence's own entity stand out; those of its siblings stay in the back.
    """
    frame, unit = reading.frame, reading.unit
    own = frame["entity"] == evidence["entity"]["id"]
    if not own.any():
        own |= True
    layers: list[Any] = [_incident(span), *_expected(evidence, reading)]
    marks = [one for one in changes if abs(one["offset_seconds"]) < _SPAN]
    layers += [_change_rules(marks)] if marks else []
    for part, rows, width in (("siblings", frame[~own], 1.2), ("seen", frame[own], 2.2)):
        if len(rows):
            layers.append(_lines(rows, unit, part, width))
    return alt.layer(*layers).properties(height=HEIGHT)


def _lines(frame: pd.DataFrame, unit: str, part: str, width: float) -> alt.Chart:
    drawn = alt.Chart(frame.assign(part=part)).mark_line(
        strokeWidth=width, opacity=0.55 if part == "siblings" else 1.0
    )
    return drawn.encode(
        x=alt.X("time:T", title=None, axis=alt.Axis(format="%H:%M", labelOverlap=True)),
        y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=False)),
        detail=["entity:N", "series:N"], color=_part(), tooltip=_tooltip(unit),
    )  # fmt: skip


def _part() -> alt.Color:
    """The colour of the column `part`; all parts of an evidence chart share one legend."""
    return alt.Color(
        "part:N",
        scale=alt.Scale(domain=list(_PARTS), range=list(_PARTS.values())),
        legend=alt.Legend(
            orient="bottom", title=None, symbolType="square", symbolOpacity=1, columns=5
        ),
    )


def _expected(evidence: Mapping[str, Any], reading: Reading) -> list[Any]:
    """The usual range as a band where both bounds are known, else a dashed line at what is."""
    low, high, usual = (
        None if evidence[name] is None else evidence[name] * reading.factor
        for name in ("lower", "upper", "expected")
    )
    layers: list[Any] = []
    lines = [usual]
    if low is not None and high is not None:
        band = alt.Chart(
            pd.DataFrame({"low": [low], "high": [high], "part": "expected"})
        ).mark_rect(opacity=0.22)
        y = alt.Y("low:Q", title=reading.unit)
        layers.append(band.encode(y=y, y2="high:Q", color=_part()))
    else:
        lines += [low or None, high]  # counts are never below zero: that bound says nothing
    known = [value for value in lines if value is not None]
    if known:
        rule = alt.Chart(pd.DataFrame({"value": known, "part": "expected"})).mark_rule(
            strokeDash=[6, 4], size=2
        )
        y = alt.Y("value:Q", title=reading.unit)
        layers.append(rule.encode(y=y, color=_part()))
    return layers


def lines_chart(reading: Reading, changes: Sequence[Mapping[str, Any]] = ()) -> alt.LayerChart:
    """Several series of one signal. Many lines share the colour of their pool or node."""
    frame, unit = reading.frame, reading.unit
    names = frame.groupby("series", sort=True)["group"].first()
    by = "series" if len(names) <= FEW else "group"
    shown = sorted(set(names.index if by == "series" else names))
    pointed = alt.selection_point(fields=["entity", "series"], on="pointerover", empty=False)
    span = frame["time"].max() - frame["time"].min()
    days = "%d %b %H:%M" if span > pd.Timedelta(hours=20) else "%H:%M"
    lines = alt.Chart(frame).mark_line().encode(
        x=alt.X("time:T", title=None, axis=alt.Axis(format=days, labelOverlap=True)),
        y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=True)),
        detail=["entity:N", "series:N"],
        color=alt.Color(
            f"{by}:N", title=None, scale=alt.Scale(domain=shown, range=list(SERIES)),
            legend=alt.Legend(orient="bottom", columns=3, labelLimit=240),
        ),
        strokeWidth=alt.condition(pointed, alt.value(3.5), alt.value(1.6)),
        tooltip=_tooltip(unit),
    ).add_params(pointed)  # fmt: skip
    inside = [
        one for one in changes
        if frame["time"].min() <= pd.Timestamp(one["at"]) <= frame["time"].max()
    ]  # fmt: skip
    layers = [_bare_rules(inside), lines] if inside else [lines]
    return alt.layer(*layers).properties(height=HEIGHT + 60)


def _incident(span: tuple[datetime, datetime]) -> alt.Chart:
    data = pd.DataFrame({"start": [span[0]], "end": [span[1]], "part": "incident"})
    return alt.Chart(data).mark_rect(opacity=0.13).encode(x="start:T", x2="end:T", color=_part())


def _marks(changes: Sequence[Mapping[str, Any]]) -> alt.Chart:
    marks = pd.DataFrame({
        "time": pd.to_datetime([one["at"] for one in changes], utc=True),
        "what": [f"{one['kind']}: {one['what']}" for one in changes], "part": "change",
    })  # fmt: skip
    tooltip = [alt.Tooltip("what:N", title="changed"), alt.Tooltip("time:T", format="%H:%M:%S")]
    return alt.Chart(marks).encode(x="time:T", tooltip=tooltip)


def _change_rules(changes: Sequence[Mapping[str, Any]]) -> alt.Chart:
    rules = _marks(changes).mark_rule(size=2, strokeDash=[2, 3])
    return rules.encode(color=_part())


def _bare_rules(changes: Sequence[Mapping[str, Any]]) -> alt.Chart:
    return _marks(changes).mark_rule(size=1.5, strokeDash=[2, 3], color=CHANGE)


def _tooltip(unit: str) -> list[Any]:
    return [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("time:T", title="time", format="%d %b %H:%M:%S"),
        alt.Tooltip("value:Q", title=unit or "value", format=".4g"),
    ]
