"""What was changed in the last day, and whether it made its pool better or worse."""

from typing import Any

import streamlit as st

from dashboard.api import Api
from dashboard.changes import verdict_lines, verdict_of
from dashboard.live import live
from dashboard.tables import table
from dashboard.words import UNKNOWN, clock, plain

title = "Changes"
icon = ":material/published_with_changes:"
order = 4
path = "changes"
in_menu = True

ACTS = "rollout,config,scale,model,driver,node,price"


def render(api: Api) -> None:
    """Filters, the acts that were judged, then every change."""
    st.title("Changes")
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    shown = row.segmented_control(
        "Show", ["acts", "everything"], default="acts", bind="query-params", key="show",
        help="Acts are what somebody did; everything adds restarts, probes and the like.",
    )  # fmt: skip
    pool = row.text_input(
        "Pool", placeholder="namespace/name", bind="query-params", key="pool", width=320
    )
    live(_list, "30s")(api, ACTS if shown != "everything" else None, pool)


def _list(api: Api, kinds: str | None, pool: str) -> None:
    found: list[dict[str, Any]] = api.get("/api/v1/changes", kind=kinds, pool=pool)["changes"]
    if not found:
        st.info("No change is known of the last day.", icon=":material/search:")
        return
    lines = verdict_lines(found)
    if lines:
        st.subheader("What they did")
        for line in dict.fromkeys(lines):
            st.markdown(line)
        st.caption(
            "Compared at equal batch, context, prompts and cache hits; 99 % intervals. "
            "Scaling and another model are not judged."
        )
    rows = [
        {
            "when": clock(one["at"]),
            "kind": one["kind"],
            "what": one["what"],
            "where": one["entity"]["name"],
            "pool": one["pool"] or UNKNOWN,
            "verdict": verdict_of(one) or UNKNOWN,
        }
        for one in found
    ]
    st.dataframe(table(rows), hide_index=True, alt="Changes, the newest first")
    st.caption(plain(f"{len(found)} changes"))
