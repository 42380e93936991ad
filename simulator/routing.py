"""Whom the gateway asks: what takes calls, and the rules by which one of them is picked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulator.requests import Request


class Server(Protocol):
    """What takes calls, and can be told that nobody waits for them any more."""

    def submit(self, request: Request) -> None:
        """Take a call."""
        ...

    def abandon(self, requests: Sequence[Request]) -> None:
        """Their callers hung up."""
        ...


class Backend(Protocol):
    """A replica as the route sees it."""

    @property
    def uid(self) -> str:
        """What it is known by."""
        ...

    @property
    def engine(self) -> Server:
        """What takes its calls."""
        ...

    @property
    def answers(self) -> bool:
        """Whether a connection is taken."""
        ...


@dataclass(slots=True)
class Policy:
    """How calls to one pool are made; faults change it."""

    timeout: float
    retries: int
    hangs_up: bool = True
    """Whether a time-out also ends the work behind it."""
    fallbacks: tuple[str, ...] = ()
    """Pools that are asked instead, one after the other, when the last retry has failed."""


@dataclass(slots=True)
class Favour:
    """A route that deals calls out by Zipf's law, whatever the load, one replica first."""

    first: str
    """Uid of the replica that gets most."""
    exponent: float
    rng: np.random.Generator

    def pick(self, backends: Sequence[Backend]) -> Backend:
        """The replica of the next call."""
        ranked = sorted(backends, key=lambda one: (one.uid != self.first, one.uid))
        weights = 1.0 / np.arange(1, len(ranked) + 1) ** self.exponent
        chosen = int(self.rng.choice(len(ranked), p=weights / weights.sum()))
        return ranked[chosen]


@dataclass(slots=True)
class Trickle:
    """A replica on trial: a small share of its pool's calls goes there, whatever the load."""

    uid: str
    share: float
    rng: np.random.Generator

    def narrow(self, backends: Sequence[Backend]) -> Sequence[Backend]:
        """Whom the next call may go to; everybody where only one side is there."""
        tried = bool(self.rng.random() < self.share)
        return [one for one in backends if (one.uid == self.uid) is tried] or backends


@dataclass(slots=True)
class BrokenRoute:
    """A route whose endpoint picker does not answer: so many calls go no further than there."""

    share: float
    rng: np.random.Generator

    def refuses(self) -> bool:
        """Whether the next call ends here."""
        return bool(self.rng.random() < self.share)
