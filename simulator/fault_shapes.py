"""How each fault and look-alike is written in a scenario file: with the fields it has in code."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

import simulator.faults
import simulator.look_alikes
from simulator.fault import Fault, options_of, range_of
from simulator.places import NODES, POOLS, TENANTS
from simulator.scenario_shape import Name, Seconds, Shape
from vocabulary.discovery import discover
from vocabulary.field_docs import sentences

AIMED = ("victim", "victims", "uuids", "held_by")
"""Fields that a fault fills itself when it begins."""
_ROOM = 10.0
"""How far beyond the drill's range a figure may go, times its upper end."""


def kinds() -> dict[str, type[Fault]]:
    """Everything that can be injected, by word, in order of their codes."""
    found = [
        *discover(simulator.faults, Fault).values(),  # type: ignore[type-abstract]
        *discover(simulator.look_alikes, Fault).values(),  # type: ignore[type-abstract]
    ]
    found.sort(key=lambda kind: kind.failure_mode.code)
    return {kind.failure_mode.word: kind for kind in found}


def event_shape(kind: type[Fault]) -> type[Shape]:
    """One entry of `events` for *kind*."""
    mode = kind.failure_mode
    words: Any = Literal[(mode.word, mode.code)]
    parameters = create_model(
        f"{kind.__name__}Parameters",
        __base__=Shape,
        __doc__=f"Parameters of {mode.title}.",
        **_fields(kind),
    )
    return create_model(
        kind.__name__,
        __base__=Shape,
        __doc__=f"{mode.code}: {mode.title}.",
        at=(Seconds, Field(description="Seconds after the start.")),
        inject=(words, Field(description="What happens.")),
        parameters=(parameters, Field(default=parameters(), alias="with")),
    )


def _fields(kind: type[Fault]) -> Mapping[str, Any]:
    told = sentences(kind)
    found: dict[str, Any] = {}
    for one in dataclasses.fields(kind):  # type: ignore[arg-type]
        if one.name not in AIMED:
            text = told.get(one.name) or _WORDS.get(one.name, "")
            found[one.name] = (
                _type(one, text),
                Field(default=one.default, description=_described(one, text)),
            )
    return found


_WORDS = {"pool": "Name of the pool.", "tenant": "Name of the tenant.", "node": "Name of the node."}


def _described(field: "dataclasses.Field[Any]", text: str) -> str:
    drawn = range_of(field)
    return f"{text} Drills draw it from {drawn[0]:g} to {drawn[1]:g}." if drawn else text


def _type(field: "dataclasses.Field[Any]", text: str) -> Any:
    """What may be written for one field."""
    if field.name in (*POOLS, *TENANTS, *NODES):
        return Name | Literal[""]
    if field.type is float and text.startswith("Seconds"):
        return Seconds
    low, high = range_of(field) or (0.0, 1000.0)
    if field.type is int:
        return Annotated[int, Field(ge=min(1, int(low)), le=int(high * _ROOM), strict=True)]
    if field.type is float:
        # a share may reach one only where drills let it
        most = high * _ROOM if high > 1.0 else min(1.0, max(high, 0.99))
        return Annotated[float, Field(ge=0.0, le=most, strict=True, allow_inf_nan=False)]
    options = options_of(field)
    return Literal[options] if options else field.type
