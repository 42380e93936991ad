"""One incident, top down: what, since when, who is hit, why, what changed, what to do."""

from typing import Any

import streamlit as st

from dashboard.actions import standing
from dashboard.api import Api, ApiError
from dashboard.changes import judged, verdict_lines
from dashboard.evidence import show_evidence
from dashboard.tables import table
from dashboard.theme import SEVERITY_BADGES, STATE_BADGES
from dashboard.topology import blast_radius
from dashboard.words import (
    SEVERITY_MARKS,
    STATE_MARKS,
    UNKNOWN,
    age,
    clock,
    figure,
    headed,
    money,
    offset,
    plain,
    said,
)

title = "Incident"
icon = ":material/troubleshoot:"
order = 1
path = "incident"
in_menu = False


def render(api: Api) -> None:
    """The incident that the address names, or the one looked at last."""
    st.page_link(
        st.session_state["pages"]["incidents"], label="All incidents", icon=":material/arrow_back:"
    )
    wanted = st.query_params.get("id") or st.session_state.get("incident")
    if not wanted:
        st.info("Choose an incident in the list.", icon=":material/search:")
        return
    st.session_state["incident"] = wanted
    if st.query_params.get("id") != wanted:
        st.query_params["id"] = wanted
    try:
        one = api.get(f"/api/v1/incidents/{wanted}")
    except ApiError as error:
        st.error(f"{plain(wanted)}: {plain(error)}", icon=":material/power_off:")
        return
    if one["merged_into"]:
        st.info(
            f"This incident was merged into {plain(one['merged_into'])}.", icon=":material/merge:"
        )
    _head(one)
    _impact(one, api.get("/api/v1/status").get("as_of"))
    _acts(api, one)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _causes(one)
        show_evidence(api, one)
        _radius(api, one)
    with right:
        _actions(one)
        _changes(one, judged(api, one["changes"]))
        _similar(one)
        _activity(one)


def _head(one: dict[str, Any]) -> None:
    st.title(plain(headed(one)))
    entity, state = one["entity"], one["state"]
    colour, mark = SEVERITY_BADGES[one["severity"]], SEVERITY_MARKS[one["severity"]]
    badges = [
        f":{colour}-badge[{mark} {one['severity']}]",
        f":{STATE_BADGES[state]}-badge[{STATE_MARKS[state]} {state}]",
        f":gray-badge[{entity['kind']} {plain(entity['name'])}]",
    ]
    if one["model"]:
        badges.append(f":gray-badge[model {plain(one['model'])}]")
    badges.append(f":gray-badge[{plain(one['code'])}]")
    if one["assignee"]:
        badges.append(f":gray-badge[owner {plain(one['assignee'])}]")
    if one["silenced_until"]:
        badges.append(f":gray-badge[silenced until {clock(one['silenced_until'])}]")
    st.markdown(" ".join(badges))
    st.markdown("  \n".join(_summary(one)))


def _summary(one: dict[str, Any]) -> list[str]:
    """Why, what changed and the first step, a line each."""
    lines = []
    if one["causes"]:
        cause = one["causes"][0]
        lines.append(f"**Most likely:** {plain(cause['why'])}")
    near = min(one["changes"], key=lambda change: change["kind"] == "scale", default=None)
    lines.append(
        f"**Changed** {offset(near['offset_seconds'])}: {plain(near['what'])}"
        if near
        else "**Changed:** nothing that we saw near the onset"
    )
    safe = [card for card in one["actions"] if card["precondition_met"] is not False]
    if safe and one["state"] in {"open", "acknowledged"}:
        lines.append(f"**First step:** {plain(safe[0]['title'])} ({plain(safe[0]['card'])})")
    return lines


def _impact(one: dict[str, Any], as_of: str | None) -> None:
    impact = one["impact"]
    basis = plain(impact.get("basis") or "How this came about is not recorded.")
    burnt = impact.get("slo_budget_burnt")
    cells = st.grid(6, min_column_width=150)
    cells.metric(
        "Lasting", age(one["since"], one["resolved_at"] or as_of), border=True,
        help=f"Since {clock(one['since'])}; opened {clock(one['opened_at'])}.",
    )  # fmt: skip
    cells.metric("Requests hit", figure(impact["requests_affected"]), border=True, help=basis)
    cells.metric("Tokens lost", figure(impact["tokens_lost"]), border=True, help=basis)
    cells.metric("Burning", money(impact["usd_per_hour"], "/h"), border=True, help=basis)
    cells.metric(
        "SLO burn", figure(impact["slo_burn"], "×"), border=True,
        help="Multiple of the error budget's sustainable pace.",
    )  # fmt: skip
    cells.metric(
        "Budget burnt", figure(None if burnt is None else 100.0 * burnt, "%"), border=True,
        help="Share of a month's error budget that is gone since the onset.",
    )  # fmt: skip
    since = f"Since {clock(one['since'])}"
    for words, tenants in (("named", one["tenants"]), ("hit", impact.get("tenants_hit"))):
        if tenants:
            since += f" · tenants {words}: " + ", ".join(plain(tenant) for tenant in tenants)
    st.caption(since)
    if impact.get("forecast") and one["resolved_at"] is None:
        st.markdown(f"**If nothing is done:** {plain(impact['forecast'])}.")


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
    row.download_button(
        "Report", lambda: api.text(f"{where}/report", format="html"), f"{one['id']}.html",
        "text/html", key="report", icon=":material/download:", on_click="ignore",
        help="One HTML file with charts, to be kept, printed or sent.",
    )  # fmt: skip
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
        lines = [plain(cause["why"])]
        for evidence_id in cause["evidence_ids"][:4]:
            if evidence_id in texts:
                against = texts[evidence_id].get("speaks_against")
                lines.append(
                    ("✗ against: " if against else "✓ ") + plain(texts[evidence_id]["text"])
                )
        st.caption("  \n".join(lines))


def _changes(one: dict[str, Any], told: list[dict[str, Any]]) -> None:
    st.subheader("What changed")
    for line in dict.fromkeys(verdict_lines(told)):
        st.markdown(line)
    if not one["changes"]:
        st.write("Nothing that we saw near the onset.")
        return
    rows = [
        {
            "when": offset(change["offset_seconds"]),
            "kind": change["kind"],
            "what": change["what"],
            "where": change["entity"]["name"],
        }
        for change in one["changes"]
    ]
    st.dataframe(table(rows), hide_index=True, alt="Changes near the onset")


def _similar(one: dict[str, Any]) -> None:
    found = one.get("similar", [])
    if not found:
        return
    st.subheader("Similar before")
    for each in found:
        ended = plain(each["ended"] or "its end is not described")
        cards = f" · helped perhaps: {plain(', '.join(each['cards']))}" if each["cards"] else ""
        st.caption(
            f"{clock(each['since'])} **{plain(each['title'])}** ({plain(', '.join(each['alike']))})"
            f"  \nended by {plain(each['ended_by'] or 'nobody known')}: {ended}{cards} · "
            f"{plain(each['id'])}"
        )


def _actions(one: dict[str, Any]) -> None:
    st.subheader("What to do")
    st.caption("Nothing acts by itself: a person runs the command, or approves a plan of it.")
    if not one["actions"]:
        st.write("No action card fits.")
    fitting = [
        place for place, c in enumerate(one["actions"]) if c["precondition_met"] is not False
    ]
    for place, card in enumerate(one["actions"]):
        mark = {True: "✓", False: "✗", None: "?"}[card["precondition_met"]]
        label = f"{mark} {card['card']} {plain(card['title'])}"
        with st.expander(label, expanded=place in fitting[:1]):
            st.markdown(f"{mark} **First:** {plain(card['precondition'])}")
            st.code(card["command"], language=None, wrap_lines=True)
            st.markdown("**Dry run**")
            st.code(card["dry_run"], language=None, wrap_lines=True)
            st.markdown(f"**Then check:** {plain(card['verify'])}")
            st.markdown(f"**Undo:** {plain(card['undo'])}")
            st.markdown(f"**Risk:** {plain(card['risk'])} · needs {_needs(card['autonomy'])}")
            st.caption("  \n".join(standing(one, card["id"])))
    for link in one["links"]:
        if link["title"] != "Incident" and link["url"].startswith(("http://", "https://")):
            st.link_button(plain(link["title"]), link["url"], icon=":material/menu_book:")


def _needs(autonomy: str) -> str:
    return {"A1": "one click", "A2": "an approval", "A3": "two people"}.get(autonomy, UNKNOWN)


def _radius(api: Api, one: dict[str, Any]) -> None:
    st.subheader("Blast radius")
    dot, rows = blast_radius(one, api.get("/api/v1/topology"))
    if dot:
        st.graphviz_chart(dot, width="stretch", alt="Who is hit, from tenant to node")
        st.caption("A thick border: hit. Colours: what each replica does now.")
    with st.expander("As a table"):
        st.dataframe(table(rows), hide_index=True)


def _activity(one: dict[str, Any]) -> None:
    st.subheader("Activity")
    for line in reversed(one["activity"]):
        text = f": {plain(line['text'], 300)}" if line["text"] else ""
        st.caption(f"{clock(line['at'])} · {plain(line['who'])} **{plain(line['what'])}**{text}")
    with st.expander("Text of the page"):
        st.code(one["headline"], language=None, wrap_lines=True)
