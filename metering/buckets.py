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
    counts = counts_of(span)
    return None if counts is None else Buckets(*counts)


def counts_of(span: UsageSpan) -> Counts | None:
    """The same as plain numbers, which a ledger of many attempts needs.

    Parts are taken out of their whole (OpenTelemetry: input includes what was cached). Where the
    parts exceed the whole, the source counted them beside it, as Anthropic's API does, and the
    whole is then the uncached rest.
    """
    if span.input_tokens is None and span.output_tokens is None:
        return None
    read, write = _count(span.cached_input_tokens), _count(span.cache_write_tokens)
    reasoning = _count(span.reasoning_tokens)
    return (
        _rest(_count(span.input_tokens), read + write),
        read,
        write,
        _rest(_count(span.output_tokens), reasoning),
        reasoning,
    )


def _count(tokens: int | None) -> int:
    return tokens if tokens is not None and tokens > 0 else 0


def _rest(whole: int, parts: int) -> int:
    return whole - parts if parts <= whole else whole
