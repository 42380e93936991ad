"""What requests may say, checked once: moments, entities, names, keys; and who is asking."""

import math
import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Header, Request

from service.api.problems import Refused
from service.api.wiring import Wiring
from service.doors import Caller
from vocabulary.entities import Entity, EntityKind

LAST_MOMENT = 253_402_300_799.0
"""The end of the year 9999: what RFC 3339 can still write."""
_SPACE_FOR_PLUS = re.compile(r" (\d\d:\d\d)$")
KEY_LENGTH = 200


def wiring_of(request: Request) -> Wiring:
    """The seams this application was made with."""
    found = request.app.state.wiring
    assert isinstance(found, Wiring)
    return found


def caller_of(request: Request) -> Caller:
    """Who the door let in."""
    found = request.state.caller
    assert isinstance(found, Caller)
    return found


def _key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=KEY_LENGTH,
            pattern=r"^[\x21-\x7e]+$",
            description="The same key acts once; send a new one for a new act.",
        ),
    ] = None,
) -> str | None:
    return key


Wired = Annotated[Wiring, Depends(wiring_of)]
Who = Annotated[Caller, Depends(caller_of)]
Key = Annotated[str | None, Depends(_key)]


def moment(text: str | None, name: str) -> float | None:
    """RFC 3339 or Unix seconds as Unix seconds; a time without a zone is UTC.

    Raises:
        Refused: `time`, for anything else, NaN and the far past or future included.
    """
    if text is None:
        return None
    try:
        at = float(text)
    except ValueError:
        at = _rfc3339(text, name)
    if not math.isfinite(at) or not 0.0 <= at <= LAST_MOMENT:
        raise Refused("time", f"{name} lies outside the years 1970 to 9999")
    return at


def _rfc3339(text: str, name: str) -> float:
    try:
        # a plus that was not escaped in a URL arrives as a space
        stamp = datetime.fromisoformat(_SPACE_FOR_PLUS.sub(r"+\1", text))
    except ValueError as error:
        raise Refused(
            "time",
            f"{name} is no time: write RFC 3339 as 2026-11-23T10:00:00Z, or Unix seconds",
        ) from error
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def entity(text: str) -> Entity:
    """`kind/id` as an entity.

    Raises:
        Refused: `entity`, when the kind is unknown or the id is empty.
    """
    kind, _, name = text.partition("/")
    if kind not in set(EntityKind) or not name:
        kinds = ", ".join(EntityKind)
        raise Refused("entity", f"write the entity as kind/id, with a kind of {kinds}")
    return Entity(EntityKind(kind), name)
