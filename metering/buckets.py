"""Disjoint counts of tokens: each token lies in exactly one bucket, and they sum to the total."""

from dataclasses import dataclass

from vocabulary.usage import UsageSpan

Counts = tuple[int, int, int, int, int]
"""The fields of Buckets, in their order."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Tokens by how they are charged."""

    uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    """Generated tokens that are no reasoning."""
    reasoning: int = 0

    @property
    def input_total(self) -> int:
        """The whole prompt."""
        return self.uncached + self.cache_read + self.cache_write

    @property
    def output_total(self) -> int:
        """Everything generated."""
        return self.output + self.reasoning

    @property
    def all(self) -> int:
        """Every token of the attempt."""
        return self.input_total + self.output_total


def buckets_of(span: UsageSpan) -> Buckets | None:
    """The buckets of an attempt, or None when neither side of its usage was reported."""
    found = counts(
        span.input_tokens,
        span.output_tokens,
        span.cached_input_tokens,
        span.cache_write_tokens,
        span.reasoning_tokens,
    )
    return None if found is None else Buckets(*found)


def counts(
    inputs: int | None,
    outputs: int | None,
    cached: int | None,
    written: int | None,
    reasoning: int | None,
) -> Counts | None:
    """The same as plain numbers, which a ledger of many attempts needs.

    Parts are taken out of their whole (OpenTelemetry: input includes what was cached). Where the
    parts exceed the whole, the source counted them beside it, as Anthropic's API does, and the
    whole is then the uncached rest.
    """
    if inputs is None and outputs is None:
        return None
    # Written out, since it is asked for every attempt: calls would cost more than they count.
    whole = inputs if inputs and inputs > 0 else 0
    read = cached if cached and cached > 0 else 0
    write = written if written and written > 0 else 0
    told = outputs if outputs and outputs > 0 else 0
    thought = reasoning if reasoning and reasoning > 0 else 0
    parts = read + write
    return (
        whole - parts if parts <= whole else whole,
        read,
        write,
        told - thought if thought <= told else told,
        thought,
    )
