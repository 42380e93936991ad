"""What the gateway has booked: operations, attempts, tokens and dollars of each tenant."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from simulator.cluster import PoolSpec
from simulator.counting import SECONDS_AT_GATEWAY, SECONDS_PER_TOKEN_AT_GATEWAY, Histogram

Reason = tuple[str, str]
"""Exception class and status, as LiteLLM writes them."""


class Detour(NamedTuple):
    """A call that was sent to another pool than the one it asked for."""

    tenant: str
    asked: str
    """The pool it asked for."""
    to: str
    why: Reason
    """What ended its last attempt at the pool it asked for."""
    worked: bool


def list_price(pool: PoolSpec, asked: int, cached: int, answered: int) -> Decimal:
    """Dollars for so many tokens, of which *cached* of the prompt's at their own price."""
    return (
        (asked - cached) * pool.usd_per_million_input
        + cached * pool.usd_per_million_cached
        + answered * pool.usd_per_million_output
    ) / 1_000_000


def _seconds() -> Histogram:
    return Histogram(SECONDS_AT_GATEWAY)


@dataclass(slots=True)
class Account:
    """What one tenant did with one pool's model."""

    succeeded: int = 0
    failed: dict[Reason, int] = field(default_factory=dict)
    """Operations that failed, by exception class and status."""
    attempts_ok: int = 0
    attempts_failed: dict[Reason, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    misbooked: Decimal = Decimal(0)
    """Dollars booked above (or below zero: short of) the list price of these tokens."""
    total: Histogram = field(default_factory=_seconds)
    upstream: Histogram = field(default_factory=_seconds)
    to_first_token: Histogram = field(default_factory=_seconds)
    overhead: Histogram = field(default_factory=_seconds)
    queue: Histogram = field(default_factory=_seconds)
    per_token: Histogram = field(default_factory=lambda: Histogram(SECONDS_PER_TOKEN_AT_GATEWAY))

    @property
    def operations(self) -> int:
        """Calls that have been answered, well or not."""
        return self.succeeded + sum(self.failed.values())

    def age(self, factor: int) -> None:
        """Pretend that everything so far happened *factor* times."""
        for name in (
            "succeeded",
            "attempts_ok",
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "misbooked",
        ):
            setattr(self, name, getattr(self, name) * factor)
        for failures in (self.failed, self.attempts_failed):
            failures.update({reason: number * factor for reason, number in failures.items()})
        for histogram in (
            self.total, self.upstream, self.to_first_token, self.overhead, self.queue,
            self.per_token,
        ):  # fmt: skip
            histogram.multiply(factor)
