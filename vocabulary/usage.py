"""Usage as a call's own trace tells it: one attempt, its tokens, and nobody's words."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from operator import attrgetter
from typing import Any, overload

UNKNOWN_TENANT = "unknown"
"""Who is charged when no trusted attribute says so."""


@dataclass(frozen=True, slots=True)
class UsageSpan:
    """What one attempt used. A token count that was not reported is None, never zero.

    *input_tokens* includes *cached_input_tokens* and *cache_write_tokens*; *output_tokens* includes
    *reasoning_tokens* (OpenTelemetry's GenAI conventions). No prompt, answer or tool text is kept.
    """

    attempt_id: str
    """`trace:span` in hexadecimal: the same call always bears the same id."""
    operation_id: str
    """What the user asked for once: the trace that the call belongs to."""
    tenant: str
    """As resolved (a pseudonym where configured), or `unknown`."""
    model_requested: str
    model_served: str
    """What priced the call; empty when the answer did not say."""
    provider: str
    """`openai`, `vllm`, …; empty when not known."""
    vantage: str
    """Where the call was seen: `client`, `gateway` or `engine`. Never summed across."""
    at: float
    """When the call began, Unix seconds: what prices and periods go by."""
    duration: float
    """Seconds until the last token or the error."""
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    status: str = "ok"
    """`ok` or `error`; a failed call may have used tokens."""
    error_type: str = ""
    operation: str = ""
    """`chat`, `text_completion`, `embeddings`, …"""
    conversation: str = ""
    agent: str = ""

    @property
    def ended(self) -> float:
        """When the call was over."""
        return self.at + self.duration

    @property
    def content_hash(self) -> str:
        """Equal for equal statements: the same attempt with another hash is a conflict."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


UsageRow = tuple[Any, ...]
"""An attempt as the values of UsageSpan's fields, in their order."""
_AS_ROW = attrgetter(*(one.name for one in fields(UsageSpan)))


@dataclass(frozen=True, slots=True)
class UsageBatch(Sequence[UsageSpan]):
    """Attempts as bare rows: whoever books many has no need of an object for each."""

    rows: Sequence[UsageRow]

    @classmethod
    def of(cls, spans: Iterable[UsageSpan]) -> "UsageBatch":
        """*spans* as rows; a batch as it is."""
        return spans if isinstance(spans, cls) else cls([_AS_ROW(one) for one in spans])

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> UsageSpan: ...
    @overload
    def __getitem__(self, index: slice) -> "UsageBatch": ...
    def __getitem__(self, index: int | slice) -> "UsageSpan | UsageBatch":
        if isinstance(index, slice):
            return UsageBatch(self.rows[index])
        return UsageSpan(*self.rows[index])

    def __iter__(self) -> Iterator[UsageSpan]:
        return (UsageSpan(*row) for row in self.rows)
