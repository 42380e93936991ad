"""Names from telemetry as words of a shell command: quoted, without control characters, bounded."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

MAX_WORD = 253
"""Longest name in Kubernetes (RFC 1123 subdomain)."""


def clean(text: str, limit: int = MAX_WORD) -> str:
    """*text* without characters that a terminal would act on."""
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    return text[:limit]


def word(text: str) -> str:
    """*text* as exactly one word for a POSIX shell."""
    return shlex.quote(clean(text))


def flag(name: str, value: str) -> str:
    """`--name=value` as one word; a value that begins with a dash cannot become another flag."""
    return word(f"--{name}={clean(value)}")


def named(kind: str, name: str) -> str:
    """`kind/name` as one word, which no name can turn into a flag."""
    return word(f"{kind}/{clean(name)}")


def body(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON as one word."""
    return shlex.quote(json.dumps(content, sort_keys=True))
