"""How an action's card says that it was planned, approved, done, checked, or cannot be."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import standing
from tests.dashboard.conftest import HOSTILE, FakeApi
from tests.dashboard.test_console import text_of, view


def plan(**more: Any) -> dict[str, Any]:
    made = {
        "plan": "0a1b", "state": "planned", "expired": False, "request": "DELETE /pods/chat-0",
        "approved_by": [], "approvals_needed": 2, "executed_at": None, "answer": None,
        "check": None, "expires_at": "2026-09-21T13:45:00Z",
    }  # fmt: skip
    return {"execution": {"a": {"why_not": "", "plans": [{**made, **more}]}}}


@pytest.mark.parametrize(
    ("one", "told"),
    [
        ({}, ""),
        ({"execution": {"a": {"why_not": "no executor for R10", "plans": []}}}, "no executor"),
        ({"execution": {"a": {"why_not": "", "plans": []}}}, "`tidegauge actions dry-run a --"),
        (plan(), "○ **Plan 0a1b: planned**"),
        (plan(), "Approved by nobody; 2 needed"),
        (plan(), "`tidegauge actions approve a --plan 0a1b --token-file FILE`"),
        (plan(expired=True), "**Plan 0a1b: expired**"),
        (plan(state="cured", executed_at="2026-09-21T13:33:20Z", answer="200", check="it steps"),
         "✓ **Plan 0a1b: cured**"),
        (plan(state="not cured", check="still 0"), "Checked: still 0"),
        (plan(state="unknown", executed_at="2026-09-21T13:33:20Z"), "no answer"),
    ],
)  # fmt: skip
def test_a_card_says_how_it_stands(one: dict[str, Any], told: str) -> None:
    assert told in "\n".join(standing(one, "a")).replace("\\", "")


def test_an_expired_plan_is_not_to_be_approved() -> None:
    assert "approve" not in "\n".join(standing(plan(expired=True), "a"))


def test_what_the_api_server_answers_is_text_and_no_markup() -> None:
    lines = standing(plan(request=HOSTILE, check=HOSTILE, answer=HOSTILE, executed_at=None), "a")
    assert HOSTILE not in "\n".join(lines)


def test_the_page_shows_it_beside_the_card(console: AppTest, api: FakeApi) -> None:
    api.incidents[0] |= plan(state="executed", approved_by=["one"])
    console.query_params["id"] = "inc-1"
    shown = text_of(view("incident", console)).replace("\\", "")
    assert "Plan 0a1b: executed" in shown
    assert "Approved by one; 2 needed" in shown
