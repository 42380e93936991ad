"""A call as it comes to the gateway, and the answer that its caller hears at last."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Arrival(NamedTuple):
    """One call of one tenant."""

    at: float
    tenant: str
    pool: str
    input_tokens: int
    output_tokens: int
    cached: float
    asker: "Asker | None" = None
    """Who waits for the answer, where that decides what is asked next."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller hears at last: after every retry and fallback."""

    call: Arrival
    at: float
    model: str = ""
    """The model that answered; empty when none did."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    error: str = ""


class Asker(Protocol):
    """Somebody who waits for answers."""

    def hear(self, answer: Answer) -> None:
        """A call has been answered, or has failed for good."""
        ...
