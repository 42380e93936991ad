"""Fixed words of changes that somebody decides by, so that who tells and who reads them agree.

A change is one line for a person. Where a detector has to know that it is over again, the line
holds one of these phrases between its subject (a pod or a node) and the rest.
"""

from typing import NamedTuple

NO_NODE = "finds no node"
NODE_FOUND = "waits for no node any more"
CANNOT_START = "cannot start"
CAN_START = "is no longer kept from starting"
NOT_READY = "is not ready"
READY = "is ready"
LEFT = "left the cluster"
JOINED = "joined the cluster"
CORDONED = "cordoned"
UNCORDONED = "uncordoned"
OFFERS = "offers"
"""As in `node-1 offers 0 of its 8 GPUs`."""

PHRASES = (
    NO_NODE, NODE_FOUND, CANNOT_START, CAN_START, NOT_READY, READY, LEFT, JOINED, CORDONED,
    UNCORDONED, OFFERS,
)  # fmt: skip


class Statement(NamedTuple):
    """A line taken apart."""

    subject: str
    phrase: str
    rest: str


def statement(what: str) -> Statement | None:
    """The parts of *what*; None where it holds none of the fixed phrases.

    Names of pods and nodes hold no space, so that the phrase is what follows the first one.
    """
    subject, _, said = what.partition(" ")
    for phrase in PHRASES:
        if said == phrase or said.startswith((f"{phrase} ", f"{phrase}:")):
            return Statement(subject, phrase, said[len(phrase) :].lstrip(": "))
    return None
