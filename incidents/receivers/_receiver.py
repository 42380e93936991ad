"""The contract of receivers, and the settings that all of them share."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from incidents.peer import Outcome
from incidents.receivers._message import Message
from vocabulary.errors import ConfigError
from vocabulary.failure_modes import Severity


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message."""

    outcome: Outcome
    said: str = ""
    """Why not, without anything secret."""
    wait_seconds: float | None = None
    """How long the receiver asks to be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver(ABC):
    """One kind of receiver: hands one message over, at most once a call."""

    severities: tuple[str, ...] = ("critical", "warning")
    """Which severities are told here."""
    timeout_seconds: float = 10.0
    """Deadline of each step of one delivery."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "severities", _severities(self.severities))
        if not 0.0 < self.timeout_seconds <= 120.0:
            raise ValueError("timeout_seconds must lie between 0 and 120")

    @property
    def pairs_events(self) -> bool:
        """Whether the other side keeps alerts that it closes by what we send; people do not."""
        return False

    @abstractmethod
    def send(self, message: Message) -> Answer:
        """Hand *message* over; failures of the way or of the other side are an answer.

        Raises:
            ConfigError: A secret's file cannot be read.
        """

    @abstractmethod
    def probe(self) -> str:
        """Look whether the other side can be reached, sending nothing; say what was seen.

        Raises:
            ConfigError: It cannot be, or a secret's file cannot be read.
        """


def secret_in(setting: str, file: str) -> str:
    """The content of a secret's file, read at each use, so that it may be renewed.

    Raises:
        ConfigError: It cannot be read, or is empty.
    """
    if not file:
        raise ConfigError(f"{setting} is missing: name the file that holds it")
    try:
        content = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"cannot read {setting} {file}: {why}") from error
    if not content:
        raise ConfigError(f"{setting} {file} is empty")
    return content


def connected(host: str, port: int, timeout_seconds: float) -> socket.socket:
    """A connection to look whether anybody is there.

    Raises:
        ConfigError: Nobody is.
    """
    try:
        return socket.create_connection((host, port), timeout_seconds)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigError(f"{host}:{port} cannot be reached: {why}") from error


def listed(given: str | Iterable[str]) -> tuple[str, ...]:
    """What a configuration lists; a single name needs no list."""
    return (given,) if isinstance(given, str) else tuple(str(one) for one in given)


def _severities(given: str | Iterable[str]) -> tuple[str, ...]:
    names = listed(given)
    told = {Severity.CRITICAL.value, Severity.WARNING.value}
    if not names or not set(names) <= told:
        raise ValueError("severities must name critical, warning, or both")
    return names
