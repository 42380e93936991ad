"""The live engine as bytes, and back: what is usual must not be forgotten because of a restart.

A line of JSON (version, figures, layout), then the compressed columns. Columns that a newer
Tidegauge added begin fresh, columns that it no longer knows are left out; damage is noticed.
"""

import json
import zlib
from typing import Any

import numpy as np

from estimators.engine_state import State, fresh
from estimators.live_engine import LiveEngine
from estimators.point_anomaly import PointAnomaly

VERSION = 1
MAGIC = b"tidegauge live engine\n"


class SnapshotRefused(ValueError):
    """The bytes are damaged, of a newer version, or of an engine with other bands or steps."""


def to_bytes(engine: LiveEngine) -> bytes:
    """Everything that later scores depend on."""
    columns = {name: np.ascontiguousarray(part) for name, part in engine.state.items()}
    body = zlib.compress(b"".join(part.tobytes() for part in columns.values()), 1)
    head = {
        "version": VERSION,
        "half_lives": list(engine.judge.half_lives),
        "step": engine.step,
        "series": len(engine),
        "figures": engine.figures(),
        "columns": [[name, part.dtype.str, list(part.shape)] for name, part in columns.items()],
        "check": zlib.crc32(body),
    }
    return MAGIC + json.dumps(head).encode() + b"\n" + body


def from_bytes(kept: bytes, judge: PointAnomaly, step: float) -> LiveEngine:
    """An engine that goes on where the kept one stopped.

    Raises:
        SnapshotRefused: With the reason; begin with a new engine then.
    """
    head, body = _parts(kept)
    if head["version"] > VERSION:
        raise SnapshotRefused(f"version {head['version']}; this Tidegauge knows {VERSION}")
    if tuple(head["half_lives"]) != judge.half_lives or head["step"] != step:
        raise SnapshotRefused("it was kept with other bands or another interval")
    engine = LiveEngine(judge, step)
    engine.go_on(_columns(head, body, len(judge.half_lives)), head["figures"])
    return engine


def _parts(kept: bytes) -> tuple[dict[str, Any], bytes]:
    if not kept.startswith(MAGIC):
        raise SnapshotRefused("it does not begin as one")
    line, _, body = kept[len(MAGIC) :].partition(b"\n")
    try:
        head: dict[str, Any] = json.loads(line)
        if zlib.crc32(body) != head["check"]:
            raise SnapshotRefused("its check sum does not fit: it is damaged")
        return head, zlib.decompress(body)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        if isinstance(error, SnapshotRefused):
            raise
        raise SnapshotRefused(f"its head is not readable ({error})") from error


def _columns(head: dict[str, Any], body: bytes, bands: int) -> State:
    state = fresh(bands, int(head["series"]))
    at = 0
    for name, kind, shape in head["columns"]:
        size = np.dtype(kind).itemsize * int(np.prod(shape))
        part = np.frombuffer(body[at : at + size], kind).reshape(shape)
        at += size
        if name in state and state[name].shape == part.shape:
            state[name] = part.astype(state[name].dtype)
    return state
