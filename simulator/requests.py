"""A call inside an engine: what it asks for, how far it is, and how it left."""

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """Where a request is inside the engine."""

    WAITING = "waiting"
    PREFILL = "prefill"
    DECODE = "decode"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Request:
    """One call inside one engine."""

    ticket: int
    """Whose call it is: the gateway's number for this attempt."""
    arrived: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    phase: Phase = Phase.WAITING
    admitted: float = 0.0
    first_token: float = 0.0
    generated: int = 0
    to_prefill: int = 0
    """Prompt tokens still to be computed."""
    kv: int = 0
    """Tokens held in the cache when it last changed phase."""
    since_step: int = 0
    finish_step: int = 0
    preemptions: int = 0
    abandoned: bool = False
    """The caller has gone; the engine learns of it at its next step."""
    ready: float = 0.0
    """When the front end hands it on to the scheduler."""
    adapter: int = 0
    """Number of the LoRA adapter it names; 0 is the base model."""
    remote: bool = False
    """Its prompt has been computed elsewhere, and the KV waits there."""
    fetched: int = 0
    """Prompt tokens whose KV came from there."""
    endless: bool = False
    """Its answer finds no end before its limit."""


class Outcome(Enum):
    """How a request left the engine."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"
    ERROR = "error"
    """The engine gave it up."""
    LOST = "lost"
    """The process died under it."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A request that left, and when."""

    at: float
    request: Request
    outcome: Outcome
