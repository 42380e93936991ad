"""A price in whole numbers: what an attempt costs, exactly, at the speed of integers.

Rates are decimal fractions with a common power of ten; counts are whole. So a cost is an integer
of that power, and no digit is ever rounded: the same as `TokenPrice.cost`, eight times cheaper.
"""

from dataclasses import dataclass
from decimal import Decimal

from metering.buckets import Counts
from metering.money import EXACT
from metering.prices import Rates, TokenPrice

_Whole = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Tariff:
    """What charges attempts at one price."""

    digits: int
    """Decimal places of the rates."""
    rates: _Whole
    """USD per token times 10 ** digits, in the order of Counts."""
    above_tokens: int | None
    above: _Whole

    def usd(self, used: Counts) -> str:
        """Exactly what *used* costs, as money is written: no exponent, no trailing zeros."""
        uncached, read, written, output, reasoning = used
        rates = self.rates
        if self.above_tokens is not None and uncached + read + written > self.above_tokens:
            rates = self.above
        units = (
            rates[0] * uncached
            + rates[1] * read
            + rates[2] * written
            + rates[3] * output
            + rates[4] * reasoning
        )
        text = str(units).rjust(self.digits + 1, "0")
        whole, fraction = text[: -self.digits], text[-self.digits :].rstrip("0")
        return f"{whole}.{fraction}" if fraction else whole


def tariff(price: TokenPrice) -> Tariff:
    """*price*, in whole numbers."""
    above = price.above or price.rates
    digits = max(1, *(-_exponent(rate) for one in (price.rates, above) for rate in _five(one)))
    return Tariff(digits, _whole(price.rates, digits), price.above_tokens, _whole(above, digits))


def _five(rates: Rates) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
    return rates.input, rates.cache_read, rates.cache_write, rates.output, rates.reasoning


def _whole(rates: Rates, digits: int) -> _Whole:
    uncached, read, written, output, reasoning = (
        int(EXACT.scaleb(rate, digits)) for rate in _five(rates)
    )
    return uncached, read, written, output, reasoning


def _exponent(rate: Decimal) -> int:
    return int(rate.as_tuple().exponent)
