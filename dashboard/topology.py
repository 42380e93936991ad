"""Who is hit, drawn from tenant to node; the same as a table for those who cannot use a picture."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from dashboard.theme import STATE_COLOURS

LEVELS = ("tenant", "route", "pool", "replica", "gpu", "node", "target", "cluster")
LIMIT = 60
"""More nodes than this are a hairball: then only the table is shown."""


def quoted(text: str) -> str:
    """A DOT string that can hold anything and mean nothing."""
    clean = re.sub(r"[^\x20-\x7e]", "?", text)[:80]
    return '"' + clean.replace("\\", "/").replace('"', "'") + '"'


def blast_radius(incident: Mapping[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """A DOT graph ("" when too large or trivial) and table rows for one incident."""
    entities = {(e["kind"], e["id"]): e for e in (incident["entity"], *incident["entities"])}
    for tenant in incident["tenants"]:
        entities.setdefault(("tenant", tenant), {"kind": "tenant", "id": tenant, "name": tenant})
    ordered = sorted(entities.values(), key=lambda e: (LEVELS.index(e["kind"]), e["id"]))
    rows = [{"level": e["kind"], "name": e["name"], "id": e["id"]} for e in ordered]
    if not 1 < len(ordered) <= LIMIT:
        return "", rows
    main = (incident["entity"]["kind"], incident["entity"]["id"])
    lines = [
        "digraph { rankdir=LR; bgcolor=transparent;",
        'node [shape=box style="rounded,filled" fillcolor="#F2F2F2" color="#999999"];',
        "node [fontname=sans fontsize=11];",
        'edge [color="#999999"];',
    ]
    for one in ordered:
        hit = (one["kind"], one["id"]) == main
        look = f' fillcolor="{STATE_COLOURS["stalled"]}" fontcolor=white penwidth=2' if hit else ""
        name = one["name"].rsplit("/", 1)[-1]
        lines.append(f"{_key(one)} [label={quoted(one['kind'] + ': ' + name)}{look}];")
    levels: dict[str, list[Mapping[str, str]]] = {}
    for one in ordered:
        levels.setdefault(one["kind"], []).append(one)
    for upper, lower in pairwise(levels.values()):
        lines += [f"{_key(a)} -> {_key(b)};" for a in upper for b in lower]
    return "\n".join([*lines, "}"]), rows


def _key(entity: Mapping[str, str]) -> str:
    return quoted(f"{entity['kind']}|{entity['id']}")
