"""Do the sources agree? Spans against gateway counters against what the engines generated."""

from collections.abc import Sequence
from dataclasses import dataclass

from metering.ledger import Ledger
from metering.totals import Total

TOLERANCE = 0.005
"""Largest relative difference of two sources that still agree; our judgement, and no more than
what a scrape interval at either end of an hour may shift."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tokens of one model as each source counted them; None where a source knows nothing."""

    model: str
    spans: int | None
    gateway: int | None
    engine: int | None
    capture_ratio: float | None
    """Charged tokens (spans, else gateway) over what the engines counted. Below 1, usage went
    uncharged; above 1, something was charged twice or was served elsewhere."""
    agrees: bool | None
    """Whether all known sources agree; None when fewer than two know the model."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The comparison of one period."""

    models: tuple[Comparison, ...]
    conflicts: int
    """Attempts that were told in more than one way."""
    unpriced_ratio: float | None
    """Share of the charged tokens that has no price; None without usage."""

    @property
    def sound(self) -> bool:
        """Nothing contradicts, nothing is unpriced."""
        return (
            self.conflicts == 0
            and not self.unpriced_ratio
            and all(one.agrees is not False for one in self.models)
        )


def verify(ledger: Ledger, start: float, end: float) -> Verification:
    """Compare the sources over [start, end), by model; whole hours only are comparable."""
    spans = ledger.totals(start, end, ("model",))
    gateway = ledger.counted(start, end, ("model",), "gateway")
    engine = ledger.counted(start, end, ("model",), "engine")
    counts = [{one.model: one.used.all for one in side} for side in (spans, gateway, engine)]
    models = sorted(set().union(*counts))
    compared = [_compare(model, *(side.get(model) for side in counts)) for model in models]
    return Verification(tuple(compared), ledger.conflicts(), _unpriced(spans or gateway or engine))


def _compare(model: str, spans: int | None, gateway: int | None, engine: int | None) -> Comparison:
    charged = gateway if spans is None else spans
    ratio = charged / engine if charged is not None and engine else None
    known = [count for count in (spans, gateway, engine) if count is not None]
    agrees = None
    if len(known) > 1:
        agrees = max(known) - min(known) <= TOLERANCE * max(known)
    return Comparison(model, spans, gateway, engine, ratio, agrees)


def _unpriced(totals: Sequence[Total]) -> float | None:
    used = sum(one.used.all for one in totals)
    return sum(one.unpriced_tokens for one in totals) / used if used else None
