"""Scenario files: a cluster, its traffic and what happens in it, written by anybody.

Version 1 is YAML; docs/drill.md describes it and docs/scenario.schema.json is its JSON Schema.
Every mistake is answered with the file, the place in it, and the mend.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, create_model

from simulator.cluster import ClusterSpec
from simulator.clusters import CLUSTERS
from simulator.fault import Fault
from simulator.fault_shapes import event_shape, kinds
from simulator.places import trouble
from simulator.scenario_cluster import cluster_of
from simulator.scenario_shape import (
    ClusterName,
    ClusterShape,
    Name,
    Seconds,
    Shape,
    Start,
    Text,
    cluster_tag,
)
from simulator.schedule import WEEK_START, Event, Scenario
from vocabulary.errors import ConfigError

VERSION = 1
_MOST_BYTES = 1 << 20
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Written:
    """A scenario as its file says it."""

    story: Scenario
    cluster: ClusterSpec
    seed: int
    start: float
    """Unix seconds."""
    history_days: float


@cache
def shape() -> type[Shape]:
    """The shape of a whole file, with every fault and look-alike that there is."""
    shapes = [event_shape(kind) for kind in kinds().values()]
    event: Any = shapes[0]
    for one in shapes[1:]:
        event = event | one
    event = Annotated[event, Field(discriminator="inject")]
    cluster: Any = Annotated[
        Annotated[ClusterName, Tag("name")] | Annotated[ClusterShape, Tag("inline")],
        Discriminator(cluster_tag),
    ]
    return create_model(
        "Scenario",
        __base__=Shape,
        __doc__="A scenario for `tidegauge drill --scenario FILE`.",
        version=(Literal[1], Field(description="Version of this format.")),
        name=(Name, Field(description="What the score calls it.")),
        about=(Text, Field(default="", description="What it is for, in prose.")),
        seed=(
            Annotated[int, Field(ge=0, le=2**31, strict=True)],
            Field(default=1, description="The same seed gives the same run, to the byte."),
        ),
        start=(
            Start,
            Field(
                default="tuesday 10:00",
                description="Weekday and hour in UTC, or a time with its zone.",
            ),
        ),
        duration=(
            Annotated[Seconds, Field(ge=300.0, le=7 * 86_400.0)],
            Field(description="How long the world is watched."),
        ),
        history=(
            Annotated[Seconds, Field(ge=7200.0)],
            Field(default=86_400.0, description="How much calm past the store begins with."),
        ),
        cluster=(cluster, Field(default="demo", description="By name, or written out.")),
        events=(
            Annotated[tuple[event, ...], Field(max_length=100)],
            Field(default=(), description="Faults and look-alikes."),
        ),
    )


def json_schema() -> dict[str, Any]:
    """The format as JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **shape().model_json_schema(by_alias=True),
    }


def read_scenario(file: Path) -> Written:
    """The scenario in *file*.

    Raises:
        ConfigError: It cannot be read or says something that cannot be; names the place in it.
    """
    body = _load(file)
    try:
        found: Any = shape().model_validate(body)
    except ValidationError as error:
        raise ConfigError(f"{file}: {_one_line(_first(error))}") from error
    try:
        return _written(found)
    except ConfigError as error:
        raise ConfigError(f"{file}: {_one_line(str(error))}") from error


def _written(found: Any) -> Written:
    named = isinstance(found.cluster, str)
    cluster = CLUSTERS[found.cluster] if named else cluster_of(found.cluster)
    events = tuple(
        _event(f"events[{position}]", one, cluster, found.duration)
        for position, one in enumerate(found.events)
    )
    return Written(
        Scenario(found.name, tuple(sorted(events, key=lambda one: one.after)), found.duration),
        cluster,
        found.seed,
        _start(found.start),
        found.history / 86_400.0,
    )


def _event(where: str, entry: Any, cluster: ClusterSpec, length: float) -> Event:
    kind = next(one for one in kinds().values() if entry.inject in _words(one))
    if kind.unsimulated:
        raise ConfigError(f"{where}.inject: {entry.inject} is not simulated: {kind.unsimulated}")
    if entry.at >= length:
        raise ConfigError(f"{where}.at: the scenario is over by then; make `duration` longer")
    parameters = entry.parameters
    values = {name: getattr(parameters, name) for name in type(parameters).model_fields}
    wrong = trouble(kind, values, cluster)
    if wrong:
        raise ConfigError(f"{where}.with.{wrong}")
    return Event(entry.at, kind(**values))


def _words(kind: type[Fault]) -> tuple[str, str]:
    return kind.failure_mode.word, kind.failure_mode.code


def _start(text: str) -> float:
    day, _, hour = text.partition(" ")
    if day in _DAYS:
        hours, _, minutes = hour.partition(":")
        seconds = WEEK_START + 86_400.0 * _DAYS.index(day)
        return seconds + 3600.0 * int(hours) + 60.0 * int(minutes)
    return datetime.fromisoformat(text).timestamp() // 60.0 * 60.0


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, except that a key may stand only once in a mapping."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [str(key.value) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            line = node.start_mark.line + 1
            raise ConfigError(f"`{key}` stands twice in the mapping that begins in line {line}")
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _load(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_bytes()[: _MOST_BYTES + 1]
        body = yaml.load(text.decode("utf-8"), _StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigError(f"cannot read the scenario {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())[:200]}") from error
    except ConfigError as error:
        raise ConfigError(f"{file}: {_one_line(str(error))}") from error
    if len(text) > _MOST_BYTES:
        raise ConfigError(f"{file} has more than {_MOST_BYTES} bytes; write a smaller scenario")
    if not isinstance(body, dict):
        raise ConfigError(f"{file} must hold keys and values, `version: {VERSION}` first")
    if body.get("version") != VERSION:
        raise ConfigError(f"{file}: version: write `version: {VERSION}`, the one known here")
    return body


def _one_line(told: str) -> str:
    """*told* with what cannot be printed written out: keys of the file stand in it as they are."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in told)


def _first(error: ValidationError) -> str:
    """The first mistake as one line: where, what, the mend, and how many more there are."""
    told = error.errors(include_url=False, include_context=True)
    place, one = _place(told[0]["loc"]), told[0]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return f"{place}: {_sentence(one)}{more}"


def _place(loc: tuple[int | str, ...]) -> str:
    """`events[2].with.pool`, without the tags of alternatives."""
    tagged = {"events": 2, "cluster": 1}.get(str(loc[0]), -1) if loc else -1
    parts = [one for position, one in enumerate(loc) if position != tagged]
    text = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in parts)
    return text.lstrip(".") or "file"


def _sentence(one: Any) -> str:
    kind, given = one["type"], str(one.get("input"))[:80]
    if kind == "extra_forbidden":
        return f"there is no such key{_near(str(one['loc'][-1]), _known(one['loc']))}"
    if kind == "missing":
        return "this key is missing; it has no default"
    if kind == "union_tag_invalid":
        words = [word for kind_of in kinds().values() for word in _words(kind_of)]
        return f"nothing is called {one['ctx']['tag']!r}{_near(str(one['ctx']['tag']), words)}"
    if kind == "union_tag_not_found":
        return "say what to `inject`; `tidegauge drill --list` shows what there is"
    if kind == "value_error":
        return f"{given!r}: {one['ctx']['error']}"
    return f"{given!r}: {one['msg'][0].lower()}{one['msg'][1:]}"


def _known(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand where *loc* points."""
    schema = json_schema()
    node: Any = schema
    if len(loc) > 1 and loc[0] == "events" and len(loc) > 3:
        kind = next(one for one in kinds().values() if loc[2] in _words(one))
        names = event_shape(kind).model_fields
        inner = names["parameters"].annotation
        return list(getattr(inner, "model_fields", {})) if loc[3] == "with" else ["at", "with"]
    for part in loc[:-1]:
        if isinstance(part, int):
            node = _resolved(schema, node.get("items", {}))
        elif part != "inline":
            node = _resolved(schema, node.get("properties", {}).get(part, {}))
    return list(node.get("properties", {}))


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        if "$ref" in one:
            found: Mapping[str, Any] = schema["$defs"][one["$ref"].rpartition("/")[2]]
            return found
    return node


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known: {', '.join(sorted(known)[:60])}" if known else ""
