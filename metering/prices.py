"""What tokens and GPU hours cost: shipped list prices, overridden by the operator's own.

A model without a price is `Unpriced`, never free. Every price names its source and its date, and
the whole book bears a snapshot id, so that a charge can be explained years later.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from metering.buckets import Buckets
from metering.money import EXACT, imported, money, plain, total
from metering.price_files import read_price_file
from vocabulary.errors import ConfigError

SHIPPED = Path(__file__).parent / "price_lists"
_MILLION = 6
_RATES = ("input", "output", "cache_read", "cache_write", "reasoning")


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per token of each kind."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    reasoning: Decimal

    def cost(self, used: Buckets) -> Decimal:
        """Exactly what *used* costs, unrounded."""
        return total(
            EXACT.multiply(rate, count)
            for rate, count in (
                (self.input, used.uncached),
                (self.cache_read, used.cache_read),
                (self.cache_write, used.cache_write),
                (self.output, used.output),
                (self.reasoning, used.reasoning),
            )
        )


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """The price of one model, and where it comes from."""

    key: str
    """The name under which the book holds it."""
    rates: Rates
    source: str
    date: str
    above_tokens: int | None = None
    """Prompts longer than this are charged at *above* altogether."""
    above: Rates | None = None

    def cost(self, used: Buckets) -> Decimal:
        """What one attempt costs, long prompts at their own rate."""
        long = self.above_tokens is not None and used.input_total > self.above_tokens
        return (self.above if long and self.above else self.rates).cost(used)


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Usage is known and its price is not."""

    model: str


@dataclass(frozen=True, slots=True)
class GpuPrice:
    """USD for one GPU and one hour."""

    usd_per_hour: Decimal
    source: str
    date: str


class PriceBook:
    """Token and GPU prices; later layers override earlier ones.

    Args:
        layers: Contents of price files, lowest first.
        default_gpu: USD per hour of a GPU the layers do not know, instead of the shipped default.

    Raises:
        ConfigError: A layer holds something that is no price.
    """

    def __init__(
        self, layers: Iterable[Mapping[str, Any]], default_gpu: Decimal | None = None
    ) -> None:
        self._tokens: dict[str, TokenPrice] = {}
        self._gpus: dict[frozenset[str], GpuPrice] = {}
        self._instances: dict[str, GpuPrice] = {}
        self._default_gpu: GpuPrice | None = None
        for layer in layers:
            self._add(layer)
        if default_gpu is not None:
            self._default_gpu = GpuPrice(default_gpu, "configured default, GPU not known", "")
        self.snapshot = self._fingerprint()

    def token_price(self, model: str, provider: str = "") -> TokenPrice | Unpriced:
        """The price of *model* as served, by the first of `spellings` that the book holds."""
        for name in spellings(model, provider):
            if name in self._tokens:
                return self._tokens[name]
        return Unpriced(model)

    def gpu_price(self, product: str = "", instance: str = "") -> GpuPrice | Unpriced:
        """The price of one GPU hour: by instance type, by product name, else the default.

        The entry that has most words in common with *product* wins: `NVIDIA A100-SXM4-80GB` finds
        `a100 80gb` before `a100`. The default says in its source that it is one.
        """
        if instance in self._instances:
            return self._instances[instance]
        words = frozenset(re.findall(r"[a-z0-9]+", product.lower()))
        fitting = [key for key in self._gpus if key <= words]
        if fitting:
            return self._gpus[max(fitting, key=len)]
        return self._default_gpu or Unpriced(product or "GPU of unknown kind")

    def listed(self) -> dict[str, str]:
        """Every price in words that differ when it does: models by name, GPUs as `gpu h100 80gb`.

        Money is USD per million tokens, and per hour of a GPU.
        """
        gpus = {f"gpu {' '.join(sorted(key))}": price for key, price in self._gpus.items()}
        gpus |= {f"gpu {name}": price for name, price in self._instances.items()}
        if self._default_gpu is not None:
            gpus["gpu that is not known"] = self._default_gpu
        return {
            **{key: _in_words(price.rates) for key, price in self._tokens.items()},
            **{name: f"{plain(price.usd_per_hour)} USD/h" for name, price in gpus.items()},
        }

    def _add(self, layer: Mapping[str, Any]) -> None:
        source, date = str(layer.get("source", "your price file")), str(layer.get("date", ""))
        for key, entry in layer.get("tokens", {}).items():
            self._tokens[str(key).lower()] = _token_price(str(key), entry, source, date)
        for entry in layer.get("gpus", ()):
            words = frozenset(str(word).lower() for word in entry["words"])
            self._gpus[words] = _gpu_price(entry, entry.get("from", source), date)
        for instance, rate in layer.get("instances", {}).items():
            entry = {"usd_per_gpu_hour": rate}
            self._instances[str(instance)] = _gpu_price(entry, f"{source}: {instance}", date)
        if "default" in layer:
            chosen = self._gpus.get(frozenset(map(str, layer["default"])))
            if chosen is None:
                raise ConfigError(f"{source}: `default` must be the words of one of `gpus`")
            named = " ".join(map(str, layer["default"])).upper()
            taken = f"GPU not known; taken as {named}: {chosen.source}"
            self._default_gpu = GpuPrice(chosen.usd_per_hour, taken, chosen.date)

    def _fingerprint(self) -> str:
        content = [
            sorted((key, asdict(price)) for key, price in self._tokens.items()),
            sorted((sorted(key), asdict(price)) for key, price in self._gpus.items()),
            sorted((key, asdict(price)) for key, price in self._instances.items()),
            self._default_gpu and asdict(self._default_gpu),
        ]
        text = json.dumps(content, sort_keys=True, default=_fixed)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _in_words(rates: Rates) -> str:
    """`input 2.5, output 10`; a kind that costs what its whole costs is not named."""
    whole = {"cache_read": rates.input, "cache_write": rates.input, "reasoning": rates.output}
    named = (
        f"{name.replace('_', ' ')} {plain(getattr(rates, name).scaleb(_MILLION))}"
        for name in _RATES
        if whole.get(name) != getattr(rates, name)
    )
    return ", ".join(named)


_DATED = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2})(?:-v\d+:\d+)?$|-v\d+:\d+$")


def spellings(model: str, provider: str = "") -> tuple[str, ...]:
    """The names a model's price is looked up under, best first, all in lower case.

    With its provider, as it is, without what precedes the last slash (an organisation or a
    gateway's route), and each of these without a release date (`-2024-08-06`, `@20250929`).
    """
    name = model.strip().lower()
    tail = name.rpartition("/")[2]
    full = [f"{provider.strip().lower()}/{name}"] if provider else []
    names = [*full, name, tail]
    dateless = [_DATED.sub("", one) for one in names]
    return tuple(dict.fromkeys(one for one in (*names, *dateless) if one))


def load_book(
    price_file: Path | None = None, default_gpu: str = "", *, demo: bool = False
) -> PriceBook:
    """The shipped lists, the operator's file over them; *demo* adds the simulation's models.

    Raises:
        ConfigError: The file cannot be read, or holds something that is no price.
    """
    names = ["list_prices.json", "gpu_prices.json", *(["demo_prices.json"] if demo else [])]
    layers = [read_price_file(SHIPPED / name) for name in names]
    if price_file is not None:
        layers.append(read_price_file(price_file))
    try:
        return PriceBook(layers, money(default_gpu) if default_gpu else None)
    except ValueError as error:
        raise ConfigError(f"gpu_usd_per_hour: {error}") from error


def _token_price(key: str, entry: Any, source: str, date: str) -> TokenPrice:
    known = {*_RATES, "above", "page", "source", "date"}
    if not isinstance(entry, dict) or not {"input", "output"} <= set(entry) <= known:
        raise ConfigError(
            f"price of {key}: needs `input` and `output` in USD per million tokens, and may have "
            "`cache_read`, `cache_write`, `reasoning`, `above`, `source`, `date`"
        )
    above = entry.get("above")
    base = _rates(key, entry)
    where = str(entry.get("source", source)), str(entry.get("date", date))
    if above is None:
        return TokenPrice(key, base, *where)
    if not isinstance(above, dict) or not isinstance(above.get("input_tokens"), int):
        raise ConfigError(
            f"price of {key}: `above` needs `input_tokens`, a whole number, and rates"
        )
    long = _rates(key, {**entry, **above})
    return TokenPrice(key, base, *where, above["input_tokens"], long)


def _rates(key: str, entry: Mapping[str, Any]) -> Rates:
    """Rates per token.

    A kind the list does not name costs what its whole costs: that is how providers bill cache
    reads, cache writes and reasoning that have no price of their own.
    """
    entry = {
        "cache_read": entry["input"],
        "cache_write": entry["input"],
        "reasoning": entry["output"],
        **entry,
    }
    return Rates(*(_amount(f"price of {key}", entry[name]).scaleb(-_MILLION) for name in _RATES))


def _gpu_price(entry: Mapping[str, Any], source: str, date: str) -> GpuPrice:
    return GpuPrice(_amount(source, entry["usd_per_gpu_hour"]), source, date)


def _amount(what: str, value: Any) -> Decimal:
    try:
        amount = imported(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what}: {error}") from error
    if amount < 0:
        raise ConfigError(f"{what}: {value} is negative")
    return amount


def _fixed(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
