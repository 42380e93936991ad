"""The incident list: what is wrong now, worst first."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.api import Api
from dashboard.live import live
from dashboard.words import SEVERITY_MARKS, STATE_MARKS, UNKNOWN, age, figure, money, said

title = "Incidents"
icon = ":material/notification_important:"
order = 0
path = "incidents"

PAGE_SIZE = 50
RANK = {"critical": 0, "warning": 1, "info": 2}


def render(api: Api) -> None:
    """Filters, then the list."""
    st.title("Incidents")
    left, middle, right = st.columns([2, 2, 3])
    states = left.segmented_control(
        "State", ["active", "resolved", "all"], default="active", bind="query-params", key="state",
        help="Active: open, acknowledged or mitigated.",
    )  # fmt: skip
    severity = middle.segmented_control(
        "Severity", ["critical", "warning", "info"], bind="query-params", key="severity",
        help="Critical pages a person, warning makes a ticket, info is context.",
    )  # fmt: skip
    words = right.text_input(
        "Search", placeholder="model, pool, tenant, failure mode", bind="query-params", key="q"
    )
    live(_list, "5s")(api, states or "active", severity, words)


def _list(api: Api, states: str, severity: str | None, words: str) -> None:
    found = _fetch(api, states, severity, words)
    status = api.get("/api/v1/status")
    if not found:
        _empty(states, bool(severity or words), status)
        return
    found.sort(key=lambda one: (one["state"] == "resolved", RANK[one["severity"]]))
    active = [one for one in found if one["state"] != "resolved"]
    _totals(active)
    event = st.dataframe(
        _table(found, status.get("as_of")),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="chosen",
        column_config={
            "what is wrong": st.column_config.TextColumn(width="large"),
            "affected": st.column_config.TextColumn("requests", help="Requests hit so far."),
            "USD/h": st.column_config.TextColumn(help="Money burning an hour while it lasts."),
        },
    )
    rows = event.selection.rows
    if rows and rows[0] < len(found):
        st.session_state["incident"] = found[rows[0]]["id"]
        st.switch_page(
            st.session_state["pages"]["incident"], query_params={"id": found[rows[0]]["id"]}
        )
    st.caption("Choose a row to open it.")


def _fetch(api: Api, states: str, severity: str | None, words: str) -> list[dict[str, Any]]:
    state = "resolved" if states == "resolved" else None
    answer = api.get("/api/v1/incidents", state=state, severity=severity, q=words, limit=500)
    found: list[dict[str, Any]] = answer["incidents"]
    if states == "active":
        found = [one for one in found if one["state"] != "resolved"]
    return found


def _totals(active: list[dict[str, Any]]) -> None:
    burning = [one["impact"]["usd_per_hour"] for one in active]
    known = [float(value) for value in burning if value is not None]
    columns = st.columns(3)
    columns[0].metric("Active incidents", len(active), border=True)
    critical = sum(one["severity"] == "critical" for one in active)
    columns[1].metric("Critical", critical, border=True)
    columns[2].metric(
        "Burning", money(sum(known), "/h") if known else UNKNOWN, border=True,
        help=f"Known for {len(known)} of {len(active)} incidents.",
    )  # fmt: skip


def _table(found: list[dict[str, Any]], as_of: str | None) -> pd.DataFrame:
    rows = []
    for one in found:
        end = one["resolved_at"] or as_of
        cause = one["causes"][0] if one["causes"] else None
        rows.append({
            "severity": f"{SEVERITY_MARKS[one['severity']]} {one['severity']}",
            "state": f"{STATE_MARKS[one['state']]} {one['state']}",
            "lasting": age(one["since"], end),
            "what is wrong": one["title"],
            "where": one["entity"]["name"],
            "model": one["model"] or UNKNOWN,
            "likely cause": said(cause["failure_mode"]) if cause else UNKNOWN,
            "affected": figure(one["impact"]["requests_affected"]),
            "USD/h": money(one["impact"]["usd_per_hour"]),
            "tenants": ", ".join(one["tenants"]) or UNKNOWN,
            "owner": one.get("assignee") or UNKNOWN,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _empty(states: str, filtered: bool, status: dict[str, Any]) -> None:
    if filtered:
        st.info("No incident matches these filters.", icon=":material/search:")
    elif not status.get("sources"):
        st.info(
            "Nothing is watched yet. Name a page with `tidegauge up --scrape URL`, or try the demo "
            "with `tidegauge up --demo`.", icon=":material/explore:",
        )  # fmt: skip
    elif status.get("sources_answering"):
        st.success(
            f"No {states if states != 'all' else ''} incidents, with "
            f"{status['sources_answering']} of {status['sources']} sources answering.", icon=":material/water:",
        )  # fmt: skip
    else:
        st.warning(
            "No incidents are known, but no source answers: this is not green.",
            icon=":material/help:",
        )
