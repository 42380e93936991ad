"""Whom this configuration tells directly, and who carries it to them."""

from collections.abc import Iterator, Mapping

from incidents import receivers
from incidents.courier import Courier
from incidents.receivers._receiver import Receiver
from service.checks import Check, Verdict
from service.config import Config
from store.records import IncidentRecords
from vocabulary.contracts import Clock
from vocabulary.discovery import discover
from vocabulary.errors import ConfigError


def receivers_of(config: Config) -> dict[str, Receiver]:
    """Every configured receiver by its name.

    Raises:
        ConfigError: A kind or a setting does not exist, or cannot be that.
    """
    return config.receivers(discover(receivers, Receiver))  # type: ignore[type-abstract]


def courier_of(config: Config, records: IncidentRecords, clock: Clock, *, live: bool) -> Courier:
    """Who tells them; nobody under a simulated clock."""
    return Courier(receivers_of(config), records, clock, live=live)


def receiver_checks(told: Mapping[str, Receiver]) -> Iterator[Check]:
    """Whether each can be reached, looked at without sending anything."""
    for name, receiver in told.items():
        try:
            yield Check(f"receiver {name}", Verdict.OK, receiver.probe())
        except ConfigError as error:
            mend = f"mend what is named; then `tidegauge receivers test {name}` sends a test"
            yield Check(f"receiver {name}", Verdict.BLIND, str(error), mend)
