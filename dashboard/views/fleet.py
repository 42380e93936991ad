"""The fleet: what every replica is doing, and how the GPUs under it are."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.api import Api
from dashboard.charts import frame_of, lines_chart
from dashboard.live import live
from dashboard.words import STATE_MARKS, UNKNOWN, age, moment

title = "Fleet"
icon = ":material/dns:"
order = 2
path = "fleet"

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
    "Temperature": "gpu_temperature",
    "Power": "gpu_power",
}
HOURS = {"15 min": 0.25, "1 h": 1.0, "6 h": 6.0, "1 day": 24.0, "7 days": 168.0}


def render(api: Api) -> None:
    """Replicas by state, GPUs, and one signal over time."""
    st.title("Fleet")
    live(_replicas, "5s")(api)
    hours = st.segmented_control(
        "Time range", list(HOURS), default="1 h", bind="query-params", key="range"
    )
    live(_charts, "10s")(api, HOURS[hours or "1 h"])
    live(_gpus, "5s")(api)


def _replicas(api: Api) -> None:
    status = api.get("/api/v1/status")
    replicas: list[dict[str, Any]] = api.get("/api/v1/replicas")["replicas"]
    if not replicas:
        st.info("No replica has been seen yet.", icon=":material/explore:")
        return
    counts = {state: sum(one["state"] == state for one in replicas) for state in STATE_MARKS}
    cells = st.columns(6)
    for cell, state in zip(
        cells, ("serving", "idle", "saturated", "loading", "stalled", "blind"), strict=True
    ):
        cell.metric(f"{STATE_MARKS[state]} {state}", counts[state], border=True)
    rows = [
        {
            "state": f"{STATE_MARKS[one['state']]} {one['state']}",
            "for": age(one["since"], status.get("as_of")),
            "replica": one["entity"]["name"],
            "pool": one["pool"],
            "model": one["model"],
            "engine": one["engine"],
            "version": one["version"] or UNKNOWN,
            "node": one["node"] or UNKNOWN,
            "GPUs": len(one["gpus"]) or UNKNOWN,
            "why": one["reason"],
        }
        for one in sorted(replicas, key=lambda r: (r["pool"], r["entity"]["name"]))
    ]
    st.dataframe(pd.DataFrame(rows).astype({"GPUs": str}), hide_index=True)


def _span(api: Api, hours: float) -> dict[str, str]:
    end = moment(api.get("/api/v1/status").get("as_of"))
    if end is None:
        return {}
    return {"from": (end - timedelta(hours=hours)).isoformat(), "to": end.isoformat()}


def _charts(api: Api, hours: float) -> None:
    window = _span(api, hours)
    if not window:
        return
    tabs = st.tabs(list(SIGNALS))
    for tab, signal in zip(tabs, SIGNALS.values(), strict=True):
        with tab:
            _line(api, signal, window)


def _names(api: Api) -> dict[str, str]:
    """What people call each replica and GPU, by id."""
    known = [*api.get("/api/v1/replicas")["replicas"], *api.get("/api/v1/gpus")["gpus"]]
    return {one["entity"]["id"]: one["entity"]["name"] for one in known}


def _line(api: Api, signal: str, window: dict[str, str]) -> None:
    answer = api.get("/api/v1/series", signal=signal, **window)
    frame = frame_of(answer, _names(api))
    if frame["value"].notna().sum() == 0:
        st.caption("No data in this range: that is not the same as zero.")
        return
    st.altair_chart(lines_chart(frame, answer.get("unit", "")))


def _gpus(api: Api) -> None:
    st.subheader("GPUs")
    gpus: list[dict[str, Any]] = api.get("/api/v1/gpus")["gpus"]
    if not gpus:
        st.info(
            "No GPU is seen. `tidegauge doctor` says why.", icon=":material/explore:",
        )  # fmt: skip
        return
    names = _names(api)
    rows = [
        {
            "GPU": one["entity"]["name"],
            "node": one["node"],
            "kind": one["model"] or UNKNOWN,
            "used by": ", ".join(names.get(r, r) for r in one["replicas"]) or "nobody we know",
        }
        for one in gpus
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    window = _span(api, 1.0)
    if window:
        tabs = st.tabs(list(GPU_SIGNALS))
        for tab, signal in zip(tabs, GPU_SIGNALS.values(), strict=True):
            with tab:
                _line(api, signal, window)
