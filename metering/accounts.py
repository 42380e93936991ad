"""Accounts: growth goes in, exact money comes out, by whom it is charged to and by the hour."""

from decimal import Decimal

from metering.gpu_time import gpu_cost
from metering.ledger import HOUR, Booking
from metering.money import EXACT, ZERO
from metering.prices import GpuPrice, PriceBook, TokenPrice, Unpriced
from metering.tracks import TOKEN_KINDS, Meaning
from vocabulary import metrics as m
from vocabulary.samples import Labels, Sample, Series, labels_of

_Key = tuple[int, str, str, str, str, str, TokenPrice | GpuPrice | None]


class Accounts:
    """Exact totals behind the cost counters, and what is still to be booked.

    Args:
        book: Prices of what comes from now on.
        vantage: The one that is charged; empty charges the gateway once one was seen, else engines.
    """

    def __init__(self, book: PriceBook, vantage: str) -> None:
        self.book = book
        self.gateway_seen = False
        self._vantage = vantage
        self.products: dict[str, str] = {}
        """Product name by GPU id, as GPUs tell it themselves."""
        self._totals: dict[Series, Decimal] = {}
        self._shown: dict[Series, float] = {}
        self._pending: dict[_Key, Decimal] = {}

    def tokens(self, what: Meaning, growth: Decimal, at: float) -> Series | None:
        """Book the growth of one counter; gives the cost counter that it moves, if any."""
        self.gateway_seen |= what.vantage == "gateway"
        who = (what.vantage, what.tenant, what.model, what.pool)
        kind = what.kinds[0]
        charged = kind in TOKEN_KINDS.values() and self._charges(what.vantage)
        price = self.book.token_price(what.model) if charged else None
        known = price if isinstance(price, TokenPrice) else None
        for one in what.kinds:
            self._book(at, who, one, growth, known)
        if known is None:
            return self._unpriced(what, who, growth, at) if charged and kind != "cached" else None
        usd = EXACT.multiply(token_rate(known, kind), growth)
        self._book(at, who, "usd", usd, known)
        return self._add(cost_series("tokens", what.charged_to), usd)

    def gpu(self, charged_to: Labels, gpu: str, seconds: Decimal, at: float) -> Series | None:
        """Book GPU seconds that one pool held; gives the cost counter that they move, if any."""
        labels = dict(charged_to)
        who = ("gpu", "", labels.get("model", ""), labels.get("pool", ""))
        self._book(at, who, "gpu_seconds", seconds)
        price = self.gpu_price(gpu)
        if isinstance(price, Unpriced):
            return None
        usd = gpu_cost(seconds, price.usd_per_hour)
        self._book(at, who, "gpu_usd", usd, price)
        return self._add(cost_series("gpu_time", charged_to), usd)

    def gpu_price(self, gpu: str) -> GpuPrice | Unpriced:
        """The price of one hour of the GPU with this id."""
        return self.book.gpu_price(self.products.get(gpu, ""))

    def show(self, series: Series, at: float) -> Sample:
        """A cost counter as it now stands: a float for the metric alone, and never falling.

        A cached read seen before the prompt it belongs to would lower it for a moment.
        """
        value = max(float(self._totals[series]), self._shown.get(series, 0.0))
        self._shown[series] = value
        return Sample(series, value, at)

    def go_on_from(self, series: Series, value: float) -> None:
        """Never show less than *value*, which somebody has been shown already."""
        self._shown[series] = max(value, self._shown.get(series, 0.0))

    def take_bookings(self) -> list[Booking]:
        """What has been booked since the last call."""
        bookings = [Booking(*key[:6], amount, key[6]) for key, amount in self._pending.items()]
        self._pending = {}
        return [booking for booking in bookings if booking.amount]

    def _charges(self, vantage: str) -> bool:
        if self._vantage:
            return vantage == self._vantage
        return vantage == "gateway" or (vantage == "engine" and not self.gateway_seen)

    def _unpriced(
        self, what: Meaning, who: tuple[str, str, str, str], growth: Decimal, at: float
    ) -> Series:
        self._book(at, who, "unpriced", growth)
        return self._add(Series(m.UNPRICED_TOKENS.name, what.charged_to), growth)

    def _book(
        self, at: float, who: tuple[str, str, str, str], kind: str, amount: Decimal,
        price: TokenPrice | GpuPrice | None = None,
    ) -> None:  # fmt: skip
        key = (int(at // HOUR) * HOUR, *who, kind, price)
        self._pending[key] = EXACT.add(self._pending.get(key, ZERO), amount)

    def _add(self, series: Series, amount: Decimal) -> Series:
        self._totals[series] = EXACT.add(self._totals.get(series, ZERO), amount)
        return series


def token_rate(price: TokenPrice, kind: str) -> Decimal:
    """USD that one more token of a counter costs.

    A cached token is counted as input too, so its counter takes back the difference.
    """
    rates = price.rates
    by_kind = {
        "input": rates.input,
        "output": rates.output,
        "cached": EXACT.subtract(rates.cache_read, rates.input),
    }
    return by_kind[kind]


def cost_series(basis: str, charged_to: Labels) -> Series:
    """The cost counter of whom it is charged to."""
    return Series(m.COST.name, labels_of((*charged_to, ("basis", basis))))
