"""How an action card stands: what keeps it from being executed here, its plan, and what came of it.

The console shows and never executes: the token it uses is shared, and only a person's own may
approve.
"""

from typing import Any

from dashboard.words import clock, plain

MARKS = {
    "planned": "○", "executing": "…", "executed": "…", "cured": "✓", "not cured": "✗",
    "failed": "✗", "unknown": "?", "cannot tell": "?",
}  # fmt: skip
"""A state never shows by colour alone."""


def standing(one: dict[str, Any], action_id: str) -> list[str]:
    """Lines of Markdown on the action's newest plan, or on why there can be none."""
    told = one.get("execution", {}).get(action_id)
    if told is None:
        return []
    if not told["plans"]:
        why = told["why_not"]
        return [plain(f"Not executed from here: {why}.") if why else _next("dry-run", action_id)]
    plan = told["plans"][0]
    state = "expired" if plan["expired"] else plan["state"]
    mark = MARKS.get(state, "○")
    lines = [f"{mark} **Plan {plain(plan['plan'])}: {plain(state)}** · {plain(plan['request'])}"]
    names = ", ".join(plan["approved_by"]) or "nobody"
    lines.append(plain(f"Approved by {names}; {plan['approvals_needed']} needed."))
    if plan["executed_at"]:
        lines.append(
            f"Executed {clock(plan['executed_at'])}: {plain(plan['answer'] or 'no answer')}"
        )
    if plan["check"]:
        lines.append(f"Checked: {plain(plan['check'])}")
    if state == "planned":
        lines.append(
            f"Good until {clock(plan['expires_at'])}. " + _next("approve", action_id, plan)
        )
    return lines


def _next(verb: str, action_id: str, plan: dict[str, Any] | None = None) -> str:
    chosen = f" --plan {plan['plan']}" if plan else ""
    command = f"tidegauge actions {verb} {action_id}{chosen} --token-file FILE"
    return f"Next, with your own token: `{command.replace('`', '')}`"
