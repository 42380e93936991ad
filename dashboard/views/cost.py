"""Money: what is spent now, by whom, on which model, and what is not priced."""

from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.api import Api
from dashboard.charts import lines_chart, read
from dashboard.live import live
from dashboard.tables import table
from dashboard.words import UNKNOWN, figure, moment, money, plain

title = "Cost"
icon = ":material/payments:"
order = 3
path = "cost"
in_menu = True

DAYS = {"6 h": 0.25, "1 day": 1.0, "7 days": 7.0, "14 days": 14.0}
CHARTS = {
    "Tokens, by tenant": "tenant_usd_per_hour",
    "Tokens, by model": "pool_usd_per_hour",
    "GPU time paid for, by pool": "capacity_usd_per_hour",
}


def render(api: Api) -> None:
    """Totals, spend over time, then who used what."""
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
    rows: list[dict[str, Any]] = api.get("/api/v1/usage", by="tenant,model", **window)["usage"]
    _totals(rows)
    _budgets(api)
    for heading, signal in CHARTS.items():
        st.subheader(f"{heading}: dollars an hour")
        _line(api, signal, window)
    _table(rows)


def _totals(rows: list[dict[str, Any]]) -> None:
    priced = [float(row["usd"]) for row in rows if row.get("usd") is not None]
    cells = st.grid(4, min_column_width=150)
    cells.metric(
        "Spent on tokens", money(sum(priced)) if priced else UNKNOWN, border=True,
        help="Priced tokens of this range. What has no price is not in it.",
    )  # fmt: skip
    for name, key in (
        ("Input tokens", "input_tokens"), ("Output tokens", "output_tokens"),
        ("Unpriced tokens", "unpriced_tokens"),
    ):  # fmt: skip
        known = [float(row[key]) for row in rows if row.get(key) is not None]
        cells.metric(name, figure(sum(known)) if known else UNKNOWN, border=True)


def _line(api: Api, signal: str, window: dict[str, str]) -> None:
    answer = api.get("/api/v1/series", signal=signal, **window)
    reading = read(answer)
    if reading.empty:
        st.caption("No priced usage in this range: that is not the same as free.")
        return
    st.altair_chart(lines_chart(reading), alt=str(answer.get("meaning", signal)))


def _table(rows: list[dict[str, Any]]) -> None:
    st.subheader("Who used what")
    if not rows:
        st.caption("No usage was metered in this range.")
        return
    shown = [
        {
            "tenant": row.get("tenant") or UNKNOWN,
            "model": row.get("model") or UNKNOWN,
            "cost": money(row.get("usd")),
            "input tokens": figure(row.get("input_tokens")),
            "cached": figure(row.get("cached_input_tokens")),
            "output tokens": figure(row.get("output_tokens")),
            "operations": figure(row.get("operations")),
            "unpriced tokens": figure(row.get("unpriced_tokens")),
            "price": _price(row),
        }
        for row in rows
    ]
    st.dataframe(table(shown), hide_index=True, alt="Usage and cost by tenant and model")
    st.download_button(
        "Download CSV", pd.DataFrame(rows).to_csv(index=False), "tidegauge-usage.csv", "text/csv"
    )


def _price(row: dict[str, Any]) -> str:
    """Where the price comes from and how old it is: money nobody can check is no money."""
    known = [str(row[key]) for key in ("price_source", "price_date") if row.get(key)]
    return ", ".join(known) or UNKNOWN


def _budgets(api: Api) -> None:
    budgets: list[dict[str, Any]] = api.get("/api/v1/budgets")["budgets"]
    if budgets:
        st.subheader("Budgets")
    for one in budgets:
        spent, limit = float(one["spent_usd"]), float(one["usd"])
        st.progress(
            min(1.0, max(0.0, spent / limit)) if limit > 0 else 1.0,
            text=f"**{plain(one['name'])}**: {plain(money(spent))} of {plain(money(limit))} a "
            f"{plain(one['period'])}; {plain(money(one['expected_usd']))} expected by now",
        )
