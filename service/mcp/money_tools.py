"""Tools about money: what was used and priced, and how budgets burn."""

from pydantic import Field

from service.mcp.fence import Found
from service.mcp.tool import Question, Read, Tool


class Period(Question):
    """Of which time, grouped how."""

    start: str | None = Field(
        None, alias="from", max_length=40, description="RFC 3339; a day before `to`."
    )
    to: str | None = Field(None, max_length=40, description="RFC 3339, not included; now.")
    by: str | None = Field(
        None, max_length=60, description="One or more of tenant, model, pool, by commas."
    )


class Nothing(Question):
    """There is nothing to choose."""


async def _cost(asked: Period, read: Read) -> Found:
    told = await read("/api/v1/usage", asked.model_dump(by_alias=True, exclude_none=True))
    return Found(told, "group by fewer dimensions, or ask for a shorter time")


async def _budgets(_: Nothing, read: Read) -> Found:
    return Found(await read("/api/v1/budgets", {}), "the console and the API show all of them")


TOOLS = (
    Tool(
        "cost_report",
        "Used and priced tokens of a period, as the ledger has them. Money is a decimal string; "
        "unpriced is usage whose price is not known, which is not free.",
        Period, _cost,
    ),
    Tool(
        "budget_status",
        "Every budget: spent, expected by now, and how fast it burns.",
        Nothing, _budgets,
    ),
)  # fmt: skip
