"""Exact amounts: Decimal end to end, no binary float, rounding on the statement line alone."""

from collections.abc import Iterable, Sequence
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Any

_TRAPS = [InvalidOperation, DivisionByZero, Overflow, FloatOperation]
EXACT = Context(prec=38, rounding=ROUND_HALF_EVEN, traps=[*_TRAPS, Inexact])
"""For prices times counts and their sums: a digit lost is an error, not a rounding."""
DIVIDING = Context(prec=38, rounding=ROUND_HALF_EVEN, traps=_TRAPS)
"""For what cannot be exact, such as hours out of seconds: 38 digits, half to even."""
ZERO = Decimal(0)
SIGNIFICANT_DIGITS = 15
"""Of an imported price: more are artefacts of somebody's binary floats."""


def money(value: Decimal | int | str) -> Decimal:
    """*value* as a finite Decimal.

    Raises:
        TypeError: A float (or bool): it has already lost what it meant.
        ValueError: Not a number.
    """
    if isinstance(value, bool | float) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"an amount must be Decimal, int or text, and is {value!r}")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no number") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return amount


def imported(value: Decimal | int | str) -> Decimal:
    """A price out of a list: *value* rounded to fifteen significant digits."""
    return money(value).normalize(Context(prec=SIGNIFICANT_DIGITS, traps=_TRAPS))


def counted(value: float) -> Decimal:
    """An increase of a float counter as the shortest Decimal that stands for it.

    This is the one door through which floats come in; whole numbers come through unchanged.
    """
    return Decimal(int(value)) if value.is_integer() else Decimal(repr(value))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def plain(amount: Decimal) -> str:
    """Digits without an exponent and without trailing zeros: how money leaves the process."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def round_lines(amounts: Sequence[Decimal], digits: int = 2) -> list[Decimal]:
    """*amounts* rounded to *digits* so that they sum to their rounded total.

    Each is rounded down first; the units still missing go to the largest remainders (ties to the
    earlier line). The total itself is rounded half to even. The method is Hamilton's, as used to
    apportion seats.
    """
    unit = Decimal(1).scaleb(-digits)
    whole = DIVIDING.quantize(total(amounts), unit)
    floors = [amount.quantize(unit, rounding="ROUND_FLOOR") for amount in amounts]
    missing = int(DIVIDING.divide(DIVIDING.subtract(whole, total(floors)), unit))
    by_remainder = sorted(
        range(len(amounts)), key=lambda i: (DIVIDING.subtract(floors[i], amounts[i]), i)
    )
    for index in by_remainder[:missing]:
        floors[index] += unit
    return floors


class DecimalSum:
    """SQLite aggregate `decimal_sum(text)`: exact where SQLite's own SUM would use floats."""

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, value: Any) -> None:
        """Take one amount; NULL is passed over, as SUM does."""
        if value is not None:
            self._total = EXACT.add(self._total or ZERO, money(value))

    def finalize(self) -> str | None:
        """The sum as text, NULL when there was nothing."""
        return None if self._total is None else plain(self._total)
