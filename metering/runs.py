"""Runs of agents: what one conversation or loop used, and whose it was.

A run is what its spans say it is, the conversation; where they say none, it is the trace, since
one trace is one thing asked for. Only attempts that name an agent or a conversation belong to one,
or that were made in a span that does: their caller, however late it was told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from metering.ledger import VANTAGES, Ledger
from metering.money import plain
from vocabulary.incidents import rfc3339

_WITHIN = "{0}.at <= attempt.at AND {0}.ended + 0.001 >= attempt.at + attempt.duration"
_SAME = "{0}.operation_id = attempt.operation_id AND {0}.vantage = attempt.vantage"


def _nearest(what: str, where: str) -> str:
    """SQL for *what* the nearest caller of an attempt says, of those *where* this holds.

    Nearest is its parent, and then the innermost that encloses it in time. Of two that overlap
    without enclosing each other neither counts: nothing tells in which of them it was.
    """
    return f"""(SELECT found FROM (
        SELECT {what} AS found, span_id = attempt.parent AS above, caller.at AS since
        FROM caller WHERE {_SAME.format("caller")} AND {where}
        AND (span_id = attempt.parent OR {_WITHIN.format("caller")} AND NOT EXISTS (
            SELECT 1 FROM caller AS beside WHERE {_SAME.format("beside")}
            AND {_WITHIN.format("beside")}
            AND (beside.at < caller.at AND beside.ended < caller.ended
                 OR beside.at > caller.at AND beside.ended > caller.ended)))
        ) ORDER BY above DESC, since DESC LIMIT 1)"""  # noqa: S608 - our own words


_TENANT = _nearest(
    "caller.tenant", "caller.tenant <> resource_tenant AND resource_tenant = attempt.tenant"
)
_AGENT = _nearest("caller.agent", "caller.agent <> ''")
_CONVERSATION = _nearest("caller.conversation", "caller.conversation <> ''")
_CALLS = f"""
    WITH call AS (
        SELECT attempt.*, ifnull({_TENANT}, tenant) AS whose,
        CASE WHEN agent <> '' THEN agent ELSE ifnull({_AGENT}, '') END AS by_agent,
        CASE WHEN conversation <> '' THEN conversation ELSE ifnull({_CONVERSATION}, '') END AS talk
        FROM attempt WHERE vantage = ? AND at >= ? AND at < ?
        AND (agent <> '' OR conversation <> ''
             OR EXISTS (SELECT 1 FROM caller WHERE {_SAME.format("caller")}))
    )
"""  # noqa: S608 - our own words
_SEEN = f"{_CALLS} SELECT 1 FROM call WHERE by_agent <> '' OR talk <> '' LIMIT 1"  # noqa: S608
_RUNS = f"""
    {_CALLS}
    SELECT whose AS tenant, by_agent AS agent,
    CASE WHEN talk = '' THEN operation_id ELSE talk END AS run,
    group_concat(DISTINCT model) AS models, MIN(at) AS began, MAX(at + duration) AS ended,
    COUNT(*) AS attempts, SUM(status <> 'ok') AS failed, SUM(uncached IS NULL) AS unreported,
    SUM(uncached + cache_read + cache_write) AS input, SUM(cache_read) AS cached,
    SUM(output + reasoning) AS output, decimal_sum(usd) AS usd,
    SUM(usd IS NULL AND uncached IS NOT NULL) AS unpriced
    FROM call WHERE by_agent <> '' OR talk <> ''
    GROUP BY 1, 2, 3 ORDER BY SUM(uncached + cache_read + cache_write + output + reasoning) DESC, 3
    LIMIT ?
"""  # noqa: S608 - our own words
MOST_RUNS = 200
"""Runs told at once, those with most tokens first. Our judgement: what a person looks through."""


@dataclass(frozen=True, slots=True)
class AgentRun:
    """What one run used."""

    tenant: str
    agent: str
    """Id or name of the agent; empty when only the conversation is known."""
    run: str
    """The conversation's id, or the trace's."""
    models: tuple[str, ...]
    began: float
    """Unix seconds of the first attempt."""
    ended: float
    attempts: int
    failed: int
    unreported: int
    """Attempts whose usage nobody told: they are in no sum below."""
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    usd: Decimal | None
    """None when nothing of it has a price."""
    unpriced: int
    """Attempts whose tokens have no price: they are not in `usd`, and not free."""

    def as_json(self) -> dict[str, Any]:
        """The run as a row; unknown money is null."""
        return {
            "tenant": self.tenant,
            "agent": self.agent,
            "run": self.run,
            "models": list(self.models),
            "from": rfc3339(self.began),
            "to": rfc3339(self.ended),
            "attempts": self.attempts,
            "failed_attempts": self.failed,
            "unreported_attempts": self.unreported,
            "input_tokens": self.input_tokens,
            "cached_input_tokens": self.cached_input_tokens,
            "output_tokens": self.output_tokens,
            "usd": None if self.usd is None else plain(self.usd),
            "unpriced_attempts": self.unpriced,
        }


def runs(ledger: Ledger, start: float, end: float, most: int = MOST_RUNS) -> Sequence[AgentRun]:
    """Runs with attempts in [start, end), as the best vantage that knows of any saw them.

    Vantages see the same calls, so they are never added: a gateway that was told no agent leaves
    the word to the clients.
    """
    for vantage in VANTAGES:
        if ledger.rows(_SEEN, vantage, start, end):
            return [_run(row) for row in ledger.rows(_RUNS, vantage, start, end, most)]
    return []


def _run(row: Any) -> AgentRun:
    return AgentRun(
        row["tenant"], row["agent"], row["run"],
        tuple(sorted(filter(None, row["models"].split(",")))),
        row["began"], row["ended"], row["attempts"], row["failed"], row["unreported"],
        row["input"] or 0, row["cached"] or 0, row["output"] or 0,
        None if row["usd"] is None else Decimal(row["usd"]), row["unpriced"] or 0,
    )  # fmt: skip
