"""Money: what is spent now, by whom, on which model, and what is not priced."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.api import Api
from dashboard.charts import frame_of, lines_chart
from dashboard.live import live
from dashboard.words import UNKNOWN, figure, moment, money

title = "Cost"
icon = ":material/payments:"
order = 3
path = "cost"

DAYS = {"6 h": 0.25, "1 day": 1.0, "7 days": 7.0, "14 days": 14.0}


def render(api: Api) -> None:
    """Spend over time, then totals."""
    st.title("Cost")
    days = st.segmented_control(
        "Time range", list(DAYS), default="1 day", bind="query-params", key="days"
    )
    live(_spend, "10s")(api, DAYS[days or "1 day"])


def _spend(api: Api, days: float) -> None:
    end = moment(api.get("/api/v1/status").get("as_of"))
    if end is None:
        st.info("Nothing has been measured yet.", icon=":material/explore:")
        return
    window = {"from": (end - timedelta(days=days)).isoformat(), "to": end.isoformat()}
    st.subheader("Dollars an hour, by tenant")
    _line(api, "tenant_usd_per_hour", window)
    st.subheader("Dollars an hour, by model")
    _line(api, "pool_usd_per_hour", window)
    st.subheader("GPU time paid for, by pool")
    _line(api, "capacity_usd_per_hour", window)
    _totals(api, window)
    _budgets(api)


def _line(api: Api, signal: str, window: dict[str, str]) -> None:
    answer = api.get("/api/v1/series", signal=signal, **window)
    frame = frame_of(answer)
    if frame["value"].notna().sum() == 0:
        st.caption("No priced usage in this range: that is not the same as free.")
        return
    st.altair_chart(lines_chart(frame, answer.get("unit", "")))


def _totals(api: Api, window: dict[str, str]) -> None:
    st.subheader("Totals of the range")
    rows: list[dict[str, Any]] = api.get("/api/v1/usage", by="tenant", **window)["usage"]
    if not rows:
        st.caption("No usage was metered in this range.")
        return
    table = [
        {
            "tenant": row.get("tenant") or UNKNOWN,
            "model": row.get("model") or UNKNOWN,
            "input tokens": figure(row.get("input_tokens")),
            "cached": figure(row.get("cached_input_tokens")),
            "output tokens": figure(row.get("output_tokens")),
            "operations": figure(row.get("operations")),
            "cost": money(row.get("usd")),
            "unpriced tokens": figure(row.get("unpriced_tokens")),
            "price": row.get("price_source") or UNKNOWN,
        }
        for row in rows
    ]
    st.dataframe(pd.DataFrame(table), hide_index=True)
    st.download_button(
        "Download CSV", pd.DataFrame(rows).to_csv(index=False), "tidegauge-usage.csv", "text/csv"
    )


def _budgets(api: Api) -> None:
    budgets: list[dict[str, Any]] = api.get("/api/v1/budgets")["budgets"]
    if budgets:
        st.subheader("Budgets")
        st.dataframe(pd.DataFrame(budgets), hide_index=True)
