"""Small files of state that are either the old or the new one, whatever happens between."""

import json
import os
from pathlib import Path


def write_whole(file: Path, body: object) -> None:
    """*body* as JSON in *file*, whole or not at all, on disk when this returns.

    Raises:
        OSError: It cannot be written.
    """
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        json.dump(body, out)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
