"""Who is hit, drawn from tenant to node; the same as a table for those who cannot use a picture."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dashboard.theme import CELL_COLOURS
from dashboard.words import STATE_MARKS, UNKNOWN

LEVELS = ("tenant", "route", "pool", "replica", "gpu", "node", "target", "cluster")
LIMIT = 60
"""More nodes than this are a hairball: then only the table is shown."""
_PLAIN = ("#F3F6F8", "#14202B")

Key = tuple[str, str]


def quoted(text: str) -> str:
    """A DOT string that can hold anything and mean nothing."""
    clean = re.sub(r"[^\x20-\x7e]", "?", text)[:80]
    return '"' + clean.replace("\\", "/").replace('"', "'") + '"'


def blast_radius(
    incident: Mapping[str, Any], topology: Mapping[str, Any]
) -> tuple[str, list[dict[str, str]]]:
    """A DOT graph ("" when too large) and table rows: what is hit, who calls it, what it runs on.

    *topology* is the fleet as it is now; what has gone since is drawn without neighbours.
    """
    hit = {_key(one): one for one in (incident["entity"], *incident["entities"])}
    for tenant in incident["tenants"]:
        hit.setdefault(("tenant", tenant), {"kind": "tenant", "id": tenant, "name": tenant})
    known = {_key(one): one for one in topology.get("nodes", [])}
    edges = [(_parsed(one["from"]), _parsed(one["to"])) for one in topology.get("edges", [])]
    below = [key for key in hit if key[0] != "tenant"]
    called = {b for a, b in edges if a in hit and a[0] == "tenant"}
    above = _reached(hit, [(b, a) for a, b in edges])
    around = hit.keys() | called | _reached(below, edges) | above
    nodes = {key: {**known.get(key, {}), **hit.get(key, {})} for key in around}
    nodes = {key: one for key, one in nodes.items() if one}
    ordered = sorted(nodes.values(), key=lambda e: (LEVELS.index(e["kind"]), e["name"]))
    rows = [
        {"level": e["kind"], "name": e["name"], "hit": "▲ hit" if _key(e) in hit else "",
         "state": _state(e), "id": e["id"]}
        for e in ordered
    ]  # fmt: skip
    if len(ordered) > LIMIT:
        return "", rows
    return _dot(ordered, [(a, b) for a, b in edges if a in nodes and b in nodes], hit), rows


def _dot(
    nodes: Iterable[Mapping[str, Any]], edges: Iterable[tuple[Key, Key]], hit: Mapping[Key, Any]
) -> str:
    lines = [
        "digraph { rankdir=LR; bgcolor=transparent; nodesep=0.12; ranksep=0.35;",
        'node [shape=box style="rounded,filled" color="#8A949E" fontname=sans fontsize=11];',
        'edge [color="#8A949E" arrowsize=0.6];',
    ]
    for one in nodes:
        ground, text = CELL_COLOURS.get(one.get("state", ""), _PLAIN)
        width = 3 if _key(one) in hit else 1
        label = f"{one['kind']}: {one['name'].rsplit('/', 1)[-1]}"
        if one.get("state"):
            label += f" ({one['state']})"
        lines.append(
            f"{_named(_key(one))} [label={quoted(label)} "
            f'fillcolor="{ground}" fontcolor="{text}" penwidth={width}];'
        )
    lines += [f"{_named(a)} -> {_named(b)};" for a, b in edges]
    return "\n".join([*lines, "}"])


def _reached(start: Iterable[Key], edges: Iterable[tuple[Key, Key]]) -> set[Key]:
    """What can be reached along *edges*."""
    onward: dict[Key, list[Key]] = {}
    for a, b in edges:
        onward.setdefault(a, []).append(b)
    found: set[Key] = set()
    waiting = list(start)
    while waiting:
        for key in onward.get(waiting.pop(), ()):
            if key not in found:
                found.add(key)
                waiting.append(key)
    return found


def _state(node: Mapping[str, Any]) -> str:
    state = node.get("state")
    return f"{STATE_MARKS[state]} {state}" if state else UNKNOWN


def _key(entity: Mapping[str, Any]) -> Key:
    return str(entity["kind"]), str(entity["id"])


def _parsed(text: str) -> Key:
    kind, _, name = text.partition("/")
    return kind, name


def _named(key: Key) -> str:
    return quoted("|".join(key))
