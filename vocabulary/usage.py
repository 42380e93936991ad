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
    parent: str = ""
    """The span above, in hexadecimal, where this one names no agent or no conversation itself."""

    @property
    def ended(self) -> float:
        """When the call was over."""
        return self.at + self.duration

    @property
    def content_hash(self) -> str:
        """Equal for equal statements: the same attempt with another hash is a conflict."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """A span that calls were made in, as an agent's, and whose it says they are.

    It says so of the calls in its trace that it is the parent of, or that lie within its time.
    """

    operation_id: str
    """The trace."""
    vantage: str
    span_id: str
    """In hexadecimal, as `UsageSpan.parent`."""
    tenant: str
    resource_tenant: str
    """Who is charged by the resource alone: calls of anybody else name their tenant themselves."""
    agent: str
    conversation: str
    at: float
    """When it began, Unix seconds."""
    ended: float


UsageRow = tuple[Any, ...]
"""An attempt as the values of UsageSpan's fields, in their order."""
_AS_ROW = attrgetter(*(one.name for one in fields(UsageSpan)))


@dataclass(frozen=True, slots=True)
class UsageBatch(Sequence[UsageSpan]):
    """Attempts as bare rows: whoever books many has no need of an object for each.

    Beside them the callers that came along; a batch of nothing but callers is not empty.
    """

    rows: Sequence[UsageRow]
    callers: Sequence[Caller] = ()

    @classmethod
    def of(cls, spans: Iterable[UsageSpan]) -> "UsageBatch":
        """*spans* as rows; a batch as it is."""
        return spans if isinstance(spans, cls) else cls([_AS_ROW(one) for one in spans])

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return bool(self.rows or self.callers)

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
