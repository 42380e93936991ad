"""What the next shift must know, and where work is being done."""

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard.api import Api, ApiError
from dashboard.changes import verdict_lines
from dashboard.tables import marked, table
from dashboard.words import UNKNOWN, clock, moment, money, plain, said

title = "Hand-over"
icon = ":material/sync_alt:"
order = 5
path = "handover"
in_menu = True

SHIFTS = {"4 h": 4.0, "8 h": 8.0, "12 h": 12.0, "24 h": 24.0}


def render(api: Api) -> None:
    """The hand-over of the chosen span, then maintenance."""
    st.title("Hand-over")
    span = st.segmented_control(
        "Since", list(SHIFTS), default="8 h", bind="query-params", key="shift"
    )
    now = moment(api.get("/api/v1/status").get("now"))
    since = None if now is None else (now - timedelta(hours=SHIFTS[span or "8 h"])).isoformat()
    told = api.get("/api/v1/handover", since=since)
    _owed(told)
    _incidents("Open", told["open"], "Nothing is open.")
    _incidents("Ended in this time", told["ended"], "Nothing ended.")
    st.subheader("Changed")
    for line in dict.fromkeys(verdict_lines(told["changes"])):
        st.markdown(line)
    rows = [
        {"when": clock(one["at"]), "kind": one["kind"], "what": one["what"]}
        for one in told["changes"]
    ]
    _table(rows, "Nothing changed that we saw.")
    _quiet(told)
    _maintenance(api, told["maintenance"])


def _owed(told: dict[str, Any]) -> None:
    st.subheader("Owed")
    for one in told["owed"]:
        where = f"**{plain(one['incident'])}**: " if one["incident"] else ""
        st.markdown(f"- {where}{plain(one['text'])}")
    if not told["owed"]:
        st.write("Nothing.")


def _incidents(heading: str, found: list[dict[str, Any]], nothing: str) -> None:
    st.subheader(heading)
    rows = [
        {
            "severity": marked(one["severity"]),
            "what": one["title"],
            "state": marked(one["state"]),
            "since": clock(one["since"]),
            "new": "new" if one["new"] else "",
            "owner": one["owner"] or UNKNOWN,
            "USD/h": money(one["usd_per_hour"]),
            "likely cause": said(one["cause"]) if one["cause"] else UNKNOWN,
            "id": one["id"],
        }
        for one in found
    ]
    _table(rows, nothing, "severity")


def _table(rows: list[dict[str, Any]], nothing: str, coloured: str = "") -> None:
    if rows:
        st.dataframe(table(rows, coloured), hide_index=True)
    else:
        st.write(nothing)


def _quiet(told: dict[str, Any]) -> None:
    st.subheader("Silenced")
    rows = [
        {"incident": one["incident"], "until": clock(one["until"]), "who": one["who"],
         "why": one["reason"]}
        for one in told["silenced"]
    ]  # fmt: skip
    _table(rows, "Nothing is silenced.")


def _maintenance(api: Api, windows: list[dict[str, Any]]) -> None:
    st.subheader("Maintenance")
    st.caption("What is found inside a window is recorded, and nobody is told of it.")
    for one in windows:
        row = st.container(horizontal=True, vertical_alignment="center")
        where = ", ".join(f"{name} {value}" for name, value in one["scope"].items() if value)
        row.markdown(
            f"**{plain(where)}** {plain(one['state'])}, {clock(one['starts_at'])} to "
            f"{clock(one['ends_at'])}, {plain(one['who'])}: {plain(one['reason'])}"
        )
        if row.button("End now", key=f"end {one['id']}"):
            _post(api, f"/api/v1/maintenance/{one['id']}/end", {})
            st.rerun()
    with st.expander("Open a window", key="window"):
        _form(api)


def _form(api: Api) -> None:
    cells = st.grid(3, min_column_width=180)
    scope = {
        "pool": cells.text_input("Pool", placeholder="namespace/name"),
        "node": cells.text_input("Node"),
        "entity": cells.text_input("Entity", placeholder="gpu/GPU-1"),
        "failure_mode": cells.text_input("Failure mode", placeholder="any"),
    }
    minutes = cells.number_input("Minutes", 5, 20160, 60, 5)
    reason = cells.text_input("Reason", key="window reason")
    body = {"scope": scope, "seconds": minutes * 60, "reason": reason}
    row = st.container(horizontal=True)
    if row.button("Preview", key="preview"):
        told = _post(api, "/api/v1/maintenance/preview", body)
        if told:
            st.info(
                f"Covers {told['replicas_inside']} of {told['replicas_known']} replicas and "
                f"{len(told['incidents'])} incidents that go on. Who was told of one stays told.",
                icon=":material/visibility:",
            )
    opens = row.button("Open", key="open window", type="primary")
    if opens and _post(api, "/api/v1/maintenance", {**body, "who": "console"}):
        st.rerun()


def _post(api: Api, where: str, body: dict[str, Any]) -> Any:
    try:
        return api.post(where, body)
    except ApiError as error:
        st.error(plain(error), icon=":material/block:")
        return None
