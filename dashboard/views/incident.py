"""One incident, top down: what, since when, who is hit, why, what changed, what to do."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.api import Api, ApiError
from dashboard.charts import evidence_chart, frame_of
from dashboard.theme import SEVERITY_COLOURS
from dashboard.topology import blast_radius
from dashboard.words import (
    SEVERITY_MARKS,
    STATE_MARKS,
    UNKNOWN,
    age,
    clock,
    figure,
    moment,
    money,
    plain,
    said,
    span,
)

title = "Incident"
icon = ":material/troubleshoot:"
order = 1
path = "incident"

CHARTS_SHOWN = 6


def render(api: Api) -> None:
    """The incident that the address names, or the one looked at last."""
    wanted = st.query_params.get("id") or st.session_state.get("incident")
    if not wanted:
        _choose(api)
        return
    st.session_state["incident"] = wanted
    if st.query_params.get("id") != wanted:
        st.query_params["id"] = wanted
    try:
        one = api.get(f"/api/v1/incidents/{wanted}")
    except ApiError as error:
        st.error(f"{plain(wanted)}: {plain(error)}", icon=":material/power_off:")
        st.page_link(
            st.session_state["pages"]["incidents"],
            label="Back to the list",
            icon=":material/notification_important:",
        )
        return
    if one["merged_into"]:
        st.info(
            f"This incident was merged into {plain(one['merged_into'])}.", icon=":material/merge:"
        )
    status = api.get("/api/v1/status")
    _head(one, status.get("as_of"))
    _acts(api, one)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _causes(one)
        _evidence(api, one)
    with right:
        _changes(one)
        _actions(one)
        _radius(one)
        _activity(one)


def _choose(api: Api) -> None:
    st.title("Incident")
    newest = api.get("/api/v1/incidents", limit=1)["incidents"]
    if not newest:
        st.info("There are no incidents yet.", icon=":material/water:")
        return
    st.write("Choose one in the list, or open the newest.")
    if st.button("Open the newest", type="primary"):
        st.query_params["id"] = newest[0]["id"]
        st.session_state["incident"] = newest[0]["id"]
        st.rerun()


def _head(one: dict[str, Any], as_of: str | None) -> None:
    colour = SEVERITY_COLOURS[one["severity"]]
    st.title(plain(one["title"]))
    badges = [
        f":{colour}-badge[{SEVERITY_MARKS[one['severity']]} {one['severity']}]",
        f":gray-badge[{STATE_MARKS[one['state']]} {one['state']}]",
        f":gray-badge[{plain(one['code'])}]",
    ]
    if one["assignee"]:
        badges.append(f":gray-badge[owner {plain(one['assignee'])}]")
    if one["silenced_until"]:
        badges.append(f":gray-badge[silenced until {clock(one['silenced_until'])}]")
    st.markdown(" ".join(badges))
    st.markdown(plain(one["headline"], 1200))
    impact = one["impact"]
    basis = plain(impact.get("basis") or "")
    cells = st.columns(5)
    cells[0].metric(
        "Lasting", age(one["since"], one["resolved_at"] or as_of), border=True,
        help=f"Since {clock(one['since'])}; opened {clock(one['opened_at'])}.",
    )  # fmt: skip
    cells[1].metric("Requests hit", figure(impact["requests_affected"]), border=True, help=basis)
    cells[2].metric("Tokens lost", figure(impact["tokens_lost"]), border=True, help=basis)
    cells[3].metric("Burning", money(impact["usd_per_hour"], "/h"), border=True, help=basis)
    cells[4].metric(
        "SLO burn", figure(impact["slo_burn"], "×"), border=True,
        help="Multiple of the error budget's sustainable pace.",
    )  # fmt: skip
    if one["tenants"]:
        st.caption("Tenants hit: " + ", ".join(plain(tenant) for tenant in one["tenants"]))


def _acts(api: Api, one: dict[str, Any]) -> None:
    row = st.container(horizontal=True)
    open_ = one["state"] != "resolved"
    where = f"/api/v1/incidents/{one['id']}"
    if row.button("Acknowledge", disabled=one["state"] != "open", shortcut="a", key="ack"):
        _act(api, f"{where}/ack", {})
    with row.popover("Assign", disabled=not open_), st.form("assign", border=False):
        who = st.text_input("To whom")
        if st.form_submit_button("Assign") and who:
            _act(api, f"{where}/assign", {"assignee": who})
    with row.popover("Silence", disabled=not open_), st.form("silence", border=False):
        minutes = st.number_input("Minutes", 5, 1440, 60, 5)
        why = st.text_input("Why")
        st.caption(
            f"Stops notifications of this incident alone, on {plain(one['entity']['name'])}."
        )
        if st.form_submit_button("Silence"):
            _act(api, f"{where}/silence", {"seconds": minutes * 60, "reason": why})
    with row.popover("Resolve", disabled=not open_), st.form("resolve", border=False):
        why = st.text_input("What ended it")
        if st.form_submit_button("Resolve"):
            _act(api, f"{where}/resolve", {"reason": why})
    with row.popover("Note"), st.form("note", border=False):
        text = st.text_area("Note")
        if st.form_submit_button("Save") and text:
            _act(api, f"{where}/note", {"text": text})


def _act(api: Api, url: str, body: dict[str, Any]) -> None:
    try:
        api.post(url, {"who": "console", **body})
    except ApiError as error:
        st.toast(plain(error), icon=":material/power_off:")
        return
    st.rerun()


def _causes(one: dict[str, Any]) -> None:
    st.subheader("Why we think so")
    if not one["causes"]:
        st.write("No cause is known yet.")
    texts = {evidence["id"]: evidence for evidence in one["evidence"]}
    for place, cause in enumerate(one["causes"], 1):
        st.progress(
            min(1.0, max(0.0, cause["score"])),
            text=f"{place}. **{plain(said(cause['failure_mode']))}** on "
            f"{plain(cause['entity']['name'])}: {cause['score']:.0%}",
        )
        st.markdown(plain(cause["why"]))
        for evidence_id in cause["evidence_ids"][:4]:
            if evidence_id in texts:
                against = texts[evidence_id].get("speaks_against")
                st.caption(("✗ against: " if against else "✓ ") + plain(texts[evidence_id]["text"]))


def _evidence(api: Api, one: dict[str, Any]) -> None:
    st.subheader("Evidence")
    if not one["evidence"]:
        st.write("No evidence was recorded.")
    for evidence in one["evidence"][:CHARTS_SHOWN]:
        with st.container(border=True):
            st.markdown(f"**{plain(said(evidence['signal']))}**: {plain(evidence['text'])}")
            _chart(api, one, evidence)
            st.caption(
                f"seen {figure(evidence['observed'], evidence.get('unit') or '')}"
                f" · expected {figure(evidence['expected'], evidence.get('unit') or '')}"
                + (
                    f" · usual range {figure(evidence['lower'])} to {figure(evidence['upper'])}"
                    if evidence["lower"] is not None and evidence["upper"] is not None
                    else ""
                )
            )
            if evidence["promql"]:
                with st.expander("PromQL"):
                    st.code(evidence["promql"], language=None, wrap_lines=True)
    if len(one["evidence"]) > CHARTS_SHOWN:
        st.caption(f"{len(one['evidence']) - CHARTS_SHOWN} more in the report.")


def _chart(api: Api, one: dict[str, Any], evidence: dict[str, Any]) -> None:
    start, end = moment(evidence["from"]), moment(evidence["to"])
    if start is None or end is None:
        return
    margin = max(timedelta(minutes=20), (end - start) / 2)
    last = moment(one["resolved_at"]) or moment(one["updated_at"]) or end
    answer = api.get(
        "/api/v1/series",
        **{
            "signal": evidence["signal"],
            "entity": f"{evidence['entity']['kind']}/{evidence['entity']['id']}",
            "from": (start - margin).isoformat(),
            "to": (max(end, last) + timedelta(minutes=5)).isoformat(),
        },
    )
    frame = frame_of(answer)
    if frame["value"].notna().sum() == 0:
        st.caption("No data in this span: that is not the same as zero.")
        return
    st.altair_chart(evidence_chart(frame, evidence, one["changes"]))


def _changes(one: dict[str, Any]) -> None:
    st.subheader("What changed")
    if not one["changes"]:
        st.write("Nothing that we saw near the onset.")
        return
    rows = [
        {
            "when": _offset(change["offset_seconds"]),
            "kind": change["kind"],
            "what": change["what"],
            "where": change["entity"]["name"],
        }
        for change in one["changes"]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _offset(seconds: float) -> str:
    return f"{span(abs(seconds))} {'before' if seconds <= 0 else 'after'} onset"


def _actions(one: dict[str, Any]) -> None:
    st.subheader("What to do")
    st.caption("Nothing here acts by itself: copy the command, check the dry run first.")
    if not one["actions"]:
        st.write("No action card fits.")
    for place, card in enumerate(one["actions"]):
        with st.expander(f"{card['card']} {plain(card['title'])}", expanded=place == 0):
            met = card.get("precondition_met")
            mark = {True: "✓", False: "✗", None: "?"}[met]
            st.markdown(f"{mark} **First:** {plain(card['precondition'])}")
            st.code(card["command"], language=None, wrap_lines=True)
            st.markdown("**Dry run**")
            st.code(card["dry_run"], language=None, wrap_lines=True)
            st.markdown(f"**Then check:** {plain(card['verify'])}")
            st.markdown(f"**Undo:** {plain(card['undo'])}")
            st.markdown(f"**Risk:** {plain(card['risk'])} · needs {_needs(card['autonomy'])}")


def _needs(autonomy: str) -> str:
    return {"A1": "one click", "A2": "an approval", "A3": "two people"}.get(autonomy, UNKNOWN)


def _radius(one: dict[str, Any]) -> None:
    st.subheader("Blast radius")
    dot, rows = blast_radius(one)
    if dot:
        st.graphviz_chart(dot)
    with st.expander("As a table"):
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def _activity(one: dict[str, Any]) -> None:
    st.subheader("Activity")
    rows = [
        {"at": clock(line["at"]), "who": line["who"], "what": line["what"], "text": line["text"]}
        for line in reversed(one["activity"])
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
