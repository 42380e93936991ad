"""The incident list: what is wrong now, worst first."""

from typing import Any

import streamlit as st

from dashboard.api import Api, ApiError
from dashboard.live import live
from dashboard.tables import marked, table
from dashboard.words import UNKNOWN, age, figure, headed, money, plain, said

title = "Incidents"
icon = ":material/notification_important:"
order = 0
path = "incidents"
in_menu = True

RANK = {"critical": 0, "warning": 1, "info": 2}


def render(api: Api) -> None:
    """Filters, then the list."""
    st.title("Incidents")
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    states = row.segmented_control(
        "State", ["active", "resolved", "all"], default="active", bind="query-params", key="state",
        help="Active: open, acknowledged or mitigated.",
    )  # fmt: skip
    severity = row.segmented_control(
        "Severity", ["critical", "warning", "info"], bind="query-params", key="severity",
        help="Critical pages a person, warning makes a ticket, info is context.",
    )  # fmt: skip
    words = row.text_input(
        "Search", placeholder="model, pool, tenant, failure mode", bind="query-params", key="q",
        width=320,
    )  # fmt: skip
    live(_list, "5s")(api, states or "active", severity, words)


def _list(api: Api, states: str, severity: str | None, words: str) -> None:
    found = _fetch(api, states, severity, words)
    status = api.get("/api/v1/status")
    if not found:
        _empty(states, bool(severity or words), status)
        return
    found.sort(key=lambda one: (one["state"] == "resolved", RANK[one["severity"]]))
    _totals([one for one in found if one["state"] != "resolved"])
    rows = [_row(one, status.get("as_of")) for one in found]
    event = st.dataframe(
        table(rows, "severity"),
        hide_index=True,
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        key="chosen",
        alt="Incidents, the worst first",
        column_config={
            "what is wrong": st.column_config.TextColumn(width="large"),
            "requests": st.column_config.TextColumn(help="Requests hit so far."),
            "USD/h": st.column_config.TextColumn(help="Money burning an hour while it lasts."),
        },
    )
    cells, ticked = event.selection.cells, event.selection.rows
    if cells and cells[0][0] < len(found):
        _open(found[cells[0][0]]["id"])
    _acknowledge_all(api, [found[place] for place in ticked if place < len(found)])


def _open(incident_id: str) -> None:
    st.session_state["incident"] = incident_id
    st.switch_page(st.session_state["pages"]["incident"], query_params={"id": incident_id})


def _acknowledge_all(api: Api, ticked: list[dict[str, Any]]) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption("Click an incident to open it; tick several to acknowledge them together.")
    waiting = [one for one in ticked if one["state"] == "open"]
    if not waiting or not row.button(f"Acknowledge {len(waiting)}", key="ack_all", type="primary"):
        return
    try:
        for one in waiting:
            api.post(f"/api/v1/incidents/{one['id']}/ack", {"who": "console"})
    except ApiError as error:
        st.toast(plain(error), icon=":material/power_off:")
    st.rerun()


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
    hit = [one["impact"]["requests_affected"] for one in active]
    counted = [value for value in hit if value is not None]
    cells = st.grid(4, min_column_width=150)
    cells.metric("Active incidents", len(active), border=True)
    critical = sum(one["severity"] == "critical" for one in active)
    cells.metric("▲ Critical", critical, border=True)
    cells.metric(
        "Requests hit", figure(sum(counted)) if counted else UNKNOWN, border=True,
        help=f"Known for {len(counted)} of {len(active)} incidents.",
    )  # fmt: skip
    cells.metric(
        "Burning", money(sum(known), "/h") if known else UNKNOWN, border=True,
        help=f"Known for {len(known)} of {len(active)} incidents.",
    )  # fmt: skip


def _row(one: dict[str, Any], as_of: str | None) -> dict[str, str]:
    cause = one["causes"][0] if one["causes"] else None
    return {
        "severity": marked(one["severity"]),
        "what is wrong": headed(one),
        "where": one["entity"]["name"],
        "lasting": age(one["since"], one["resolved_at"] or as_of),
        "state": marked(one["state"]),
        "likely cause": said(cause["failure_mode"]) if cause else UNKNOWN,
        "requests": figure(one["impact"]["requests_affected"]),
        "USD/h": money(one["impact"]["usd_per_hour"]),
        "model": one["model"] or UNKNOWN,
        "tenants": ", ".join(one["tenants"]) or UNKNOWN,
        "owner": one.get("assignee") or UNKNOWN,
    }


def _empty(states: str, filtered: bool, status: dict[str, Any]) -> None:
    answering, known = status.get("sources_answering"), status.get("sources")
    if filtered:
        st.info("No incident matches these filters.", icon=":material/search:")
    elif not known:
        st.info(
            "Nothing is watched yet. Name a page with `tidegauge up --scrape URL`, or try the demo "
            "with `tidegauge up --demo`.", icon=":material/explore:",
        )  # fmt: skip
    elif not answering:
        st.warning(
            "No incidents are known, but no source answers: this is not green.",
            icon=":material/help:",
        )
    elif answering < known:
        st.warning(
            f"No incidents are known, but only {answering} of {known} sources answer: "
            "there is something we do not see.", icon=":material/help:",
        )  # fmt: skip
    else:
        kind = "" if states == "all" else f"{states} "
        st.success(
            f"No {kind}incidents, with {answering} of {known} sources answering.",
            icon=":material/water:",
        )
