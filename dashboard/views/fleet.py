"""The fleet: what every replica is doing, how the GPUs under it are, and what was changed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard.api import Api
from dashboard.charts import lines_chart, read
from dashboard.live import live
from dashboard.tables import marked, table
from dashboard.words import STATE_MARKS, UNKNOWN, age, clock, moment, plain

title = "Fleet"
icon = ":material/dns:"
order = 2
path = "fleet"
in_menu = True

SIGNALS = {
    "Tokens generated": "output_tokens_per_second",
    "Requests running": "requests_running",
    "Requests waiting": "requests_waiting",
    "Time between tokens": "inter_token_latency_mean",
    "Time to first token": "time_to_first_token_mean",
    "KV cache in use": "kv_cache_utilization",
}
GPU_SIGNALS = {
    "Utilisation": "gpu_utilization",
    "SM clock": "gpu_sm_clock",
    "Memory": "gpu_memory_used",
    "Temperature": "gpu_temperature",
    "Power": "gpu_power",
}
HOURS = {"15 min": 0.25, "1 h": 1.0, "6 h": 6.0, "1 day": 24.0, "7 days": 168.0}
STATES = ("serving", "idle", "saturated", "loading", "stalled", "blind")

Thing = Mapping[str, Any]


def render(api: Api) -> None:
    """Replicas by state, one signal over time, GPUs, changes; the search narrows all of them."""
    st.title("Fleet")
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    hours = row.segmented_control(
        "Time range", list(HOURS), default="1 h", bind="query-params", key="range"
    )
    words = row.text_input(
        "Search", placeholder="replica, pool, node, version", bind="query-params", key="find",
        width=320,
    )  # fmt: skip
    span = HOURS[hours or "1 h"]
    live(_replicas, "5s")(api, words)
    _charts(api, words, SIGNALS, span, "signal")
    live(_gpus, "5s")(api, words)
    _charts(api, words, GPU_SIGNALS, span, "gpu_signal")
    live(_changes, "10s")(api, span)


def _wanted(words: str, *texts: Any) -> bool:
    text = " ".join(str(one) for one in texts).lower()
    return all(word in text for word in words.lower().split())


def _found_replicas(api: Api, words: str) -> list[Thing]:
    return [
        one
        for one in api.get("/api/v1/replicas")["replicas"]
        if _wanted(words, one["entity"]["name"], one["pool"], one["node"], one["version"])
    ]


def _found_gpus(api: Api, words: str) -> list[Thing]:
    names = _names(api)
    return [
        one
        for one in api.get("/api/v1/gpus")["gpus"]
        if _wanted(
            words, one["entity"]["name"], one["node"], *(names.get(r, r) for r in one["replicas"])
        )
    ]


def _names(api: Api) -> dict[str, str]:
    """What people call each replica and GPU, by id."""
    known = [*api.get("/api/v1/replicas")["replicas"], *api.get("/api/v1/gpus")["gpus"]]
    return {one["entity"]["id"]: one["entity"]["name"] for one in known}


def _replicas(api: Api, words: str) -> None:
    as_of = api.get("/api/v1/status").get("as_of")
    replicas = _found_replicas(api, words)
    if not replicas:
        if words:
            st.info("No replica matches this search.", icon=":material/search:")
        else:
            st.info(
                "No replica has been seen yet. `tidegauge doctor` says what answers and what not.",
                icon=":material/explore:",
            )
        return
    cells = st.grid(6, min_column_width=110)
    for state in STATES:
        count = sum(one["state"] == state for one in replicas)
        cells.metric(f"{STATE_MARKS[state]} {state}", count, border=True)
    rows = [
        {
            "state": marked(one["state"]),
            "replica": one["entity"]["name"],
            "for": age(one["since"], as_of),
            "why": one["reason"],
            "pool": one["pool"],
            "model": one["model"],
            "engine": f"{one['engine']} {one['version']}".strip() or UNKNOWN,
            "node": one["node"] or UNKNOWN,
            "GPUs": str(len(one["gpus"]) or UNKNOWN),
        }
        for one in sorted(replicas, key=lambda r: (r["pool"], r["entity"]["name"]))
    ]
    st.dataframe(
        table(rows, "state"), hide_index=True, alt="Replicas and what they are doing",
        column_config={"why": st.column_config.TextColumn(width="medium")},
    )  # fmt: skip


def _charts(api: Api, words: str, signals: Mapping[str, str], hours: float, key: str) -> None:
    """One signal at a time: the others are asked for when they are looked at."""
    chosen = st.segmented_control(
        "Signal", list(signals), default=next(iter(signals)), key=key, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    signal = signals[chosen or next(iter(signals))]
    live(_line, "10s")(api, words, signal, hours)


def _line(api: Api, words: str, signal: str, hours: float) -> None:
    end = moment(api.get("/api/v1/status").get("as_of"))
    if end is None:
        return
    window = {"from": (end - timedelta(hours=hours)).isoformat(), "to": end.isoformat()}
    answer = api.get("/api/v1/series", signal=signal, **window)
    if words:
        ids = {
            one["entity"]["id"] for one in (*_found_replicas(api, words), *_found_gpus(api, words))
        }
        answer = {
            **answer,
            "series": [one for one in answer["series"] if ids & set(one["labels"].values())],
        }
    reading = read(answer, _names(api))
    if reading.empty:
        st.caption("No data in this range: that is not the same as zero.")
        return
    changes = api.get("/api/v1/changes", limit=200, **window)["changes"]
    st.altair_chart(lines_chart(reading, changes), alt=str(answer.get("meaning", signal)))
    marks = "; dotted lines are changes" if changes else ""
    st.caption(f"{plain(answer.get('meaning', ''))} Point at a line to see whose it is{marks}.")


def _gpus(api: Api, words: str) -> None:
    st.subheader("GPUs")
    gpus = _found_gpus(api, words)
    if not gpus:
        st.info("No GPU is seen here. `tidegauge doctor` says why.", icon=":material/explore:")
        return
    names = _names(api)
    divided = any(one.get("shares") for one in gpus)
    rows = [
        {
            "GPU": one["entity"]["name"],
            "node": one["node"],
            "kind": one["model"] or UNKNOWN,
            "used by": ", ".join(names.get(r, r) for r in one["replicas"]) or "nobody we know",
            **({"whose time": _times(one["shares"])} if divided else {}),
        }
        for one in gpus
    ]
    st.dataframe(table(rows), hide_index=True, alt="GPUs and who uses them")


def _times(shares: Sequence[Thing]) -> str:
    """Whose time of a GPU it is, the largest part first."""
    known = [one for one in shares if one["time"]]
    return (
        ", ".join(
            f"{one['pod'] or one['owner']} {one['time']:.0%}"
            for one in sorted(known, key=lambda one: -one["time"])
        )
        or UNKNOWN
    )


def _changes(api: Api, hours: float) -> None:
    st.subheader("Changes")
    end = moment(api.get("/api/v1/status").get("as_of"))
    if end is None:
        return
    start = (end - timedelta(hours=hours)).isoformat()
    changes = api.get("/api/v1/changes", **{"from": start, "limit": 200})["changes"]
    if not changes:
        st.caption("Nothing was changed in this range, as far as we saw.")
        return
    rows = [
        {
            "at": clock(one["at"]), "kind": one["kind"], "what": one["what"],
            "where": one["entity"]["name"], "pool": one["pool"] or UNKNOWN,
        }
        for one in changes
    ]  # fmt: skip
    st.dataframe(table(rows), hide_index=True, alt="What was changed, the newest first")
