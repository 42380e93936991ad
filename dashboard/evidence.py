"""Evidence of an incident: each statement with the chart that shows it."""

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard.api import Api
from dashboard.charts import evidence_chart, read
from dashboard.words import figure, moment, plain, said

CHARTS_SHOWN = 6
_BEFORE = timedelta(minutes=20)
"""How much of the time before the onset a chart shows at least."""


def show_evidence(api: Api, incident: dict[str, Any]) -> None:
    """The first few pieces with their charts, what each expected, and the query behind it."""
    st.subheader("Evidence")
    if not incident["evidence"]:
        st.write("No evidence was recorded.")
    for evidence in incident["evidence"][:CHARTS_SHOWN]:
        with st.container(border=True):
            st.markdown(f"**{plain(said(evidence['signal']))}**: {plain(evidence['text'])}")
            _chart(api, incident, evidence)
            st.caption(plain(_compared(evidence)))
            if evidence["promql"]:
                with st.expander("PromQL"):
                    st.code(evidence["promql"], language=None, wrap_lines=True)
    more = incident["evidence"][CHARTS_SHOWN:]
    if more:
        with st.expander(f"{len(more)} more"):
            for evidence in more:
                st.caption(f"{plain(said(evidence['signal']))}: {plain(evidence['text'])}")


def _compared(evidence: dict[str, Any]) -> str:
    """Seen against expected, in the same unit; what is not known is left out."""
    unit = evidence.get("unit") or ""
    parts = [f"{evidence['entity']['name']}: seen {figure(evidence['observed'], unit)}"]
    if evidence["expected"] is not None:
        parts.append(f"expected {figure(evidence['expected'], unit)}")
    low, high = evidence["lower"], evidence["upper"]
    if low is not None and high is not None:
        parts.append(f"usual range {figure(low, unit)} to {figure(high, unit)}")
    elif high is not None:
        parts.append(f"usually at most {figure(high, unit)}")
    elif low:
        parts.append(f"usually at least {figure(low, unit)}")
    return " · ".join(parts)


def _chart(api: Api, incident: dict[str, Any], evidence: dict[str, Any]) -> None:
    start, end = moment(evidence["from"]), moment(evidence["to"])
    since = moment(incident["since"])
    over = moment(incident["resolved_at"]) or moment(api.get("/api/v1/status").get("as_of"))
    if start is None or end is None or since is None or over is None:
        return
    first, last = min(start, since), max(end, over)
    margin = max(_BEFORE, (last - first) / 4)
    answer = api.get(
        "/api/v1/series",
        **{
            "signal": evidence["signal"],
            "entity": _about(incident, evidence["entity"]),
            "from": (first - margin).isoformat(),
            "to": (last + timedelta(minutes=5)).isoformat(),
        },
    )
    known = (evidence["entity"], incident["entity"], *incident["entities"])
    reading = read(answer, {one["id"]: one["name"] for one in known})
    if reading.empty:
        st.caption("No data in this span: that is not the same as zero.")
        return
    chart = evidence_chart(reading, evidence, incident["changes"], (since, over))
    st.altair_chart(chart, alt=f"{said(evidence['signal'])}: {evidence['text']}")


def _about(incident: dict[str, Any], entity: dict[str, str]) -> str:
    """Whose series to ask for: a replica is shown among its siblings of the same pool."""
    if entity["kind"] == "replica" and incident["pool"]:
        return f"pool/{incident['pool']}"
    return f"{entity['kind']}/{entity['id']}"
