"""The result of a drill as a committed file: scores by cluster and overall, and how it was run.

Records of single cases stay out of it; they are kept by `--results` and are scored again at will.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from service.drill.score import summary
from vocabulary.errors import ConfigError

SCHEMA = 1
"""Version of a result; a change is a changelog line."""
SHARES = ("found", "cause_first", "entity", "first_card")
"""What may not become rarer from one result to the next."""


def result(
    records: Sequence[Mapping[str, Any]], left_out: Mapping[str, str], **run: Any
) -> dict[str, Any]:
    """The result of *records*; *left_out* says by code why a fault cannot be simulated."""
    clusters = sorted({str(one["cluster"]) for one in records})
    return {
        "schema": SCHEMA,
        "run": {**run, **origin(records)},
        "left_out": dict(left_out),
        "scores": {
            cluster: summary([one for one in records if one["cluster"] == cluster])
            for cluster in clusters
        },
        "overall": summary(records),
    }


def origin(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What *records* are of: seeds, how many, and the commits they were played at.

    There is more than one commit when a drill went on after the code had changed.
    """
    return {
        "seeds": sorted({int(one["seed"]) for one in records}),
        "cases": len(records),
        "commits": sorted({str(one["commit"]) for one in records if "commit" in one}),
    }


def write_result(file: Path, content: Mapping[str, Any]) -> None:
    """Keep *content* in *file*.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the result {file}: {error.strerror}") from error


def read_result(file: Path) -> dict[str, Any]:
    """The result in *file*.

    Raises:
        ConfigError: It cannot be read, or is of another schema.
    """
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the result {file}: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ConfigError(f"{file} is no result of schema {SCHEMA}; write it anew with --score")
    found: dict[str, Any] = content
    return found


def regressions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is worse now, a line each: a fault missed or mistaken more often, a page for nothing.

    What is drilled for the first time is not compared; what is no longer drilled is worse.
    """
    worse = []
    for cluster, old in before["scores"].items():
        new = now["scores"].get(cluster)
        if new is None:
            worse.append(f"{cluster}: not drilled any more")
            continue
        rows = {row["code"]: row for row in new["faults"]}
        for row in old["faults"]:
            worse += _worse(f"{row['code']} on {cluster}", row, rows.get(row["code"]))
        pages, were = new["calm"]["pages"]["count"], old["calm"]["pages"]["count"]
        if pages > were:
            said = "; ".join(new["calm"]["titles"][:3])
            worse.append(f"{cluster}: {pages} pages for nothing where {were} were ({said})")
    return worse


def _worse(name: str, old: Mapping[str, Any], new: Mapping[str, Any] | None) -> list[str]:
    if new is None:
        return [f"{name}: not drilled any more"]
    return [
        f"{name}: {share.replace('_', ' ')} {new[share]['hits']} of {new[share]['of']}, "
        f"was {old[share]['hits']} of {old[share]['of']}"
        for share in SHARES
        if (new[share]["value"] or 0.0) < (old[share]["value"] or 0.0)
    ]
