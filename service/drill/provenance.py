"""Where and from what a result came: date, commit, machine, command."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def provenance(command: str, now: float) -> dict[str, str]:
    """What a result says of its run, which took place at *now* (Unix seconds)."""
    return {
        "date": datetime.fromtimestamp(now, UTC).date().isoformat(),
        "commit": commit(),
        "machine": f"{os.cpu_count() or 1} cores, {_processor()}",
        "command": command,
    }


@cache
def commit() -> str:
    """The commit of this checkout, `+` when files had been changed; outside of one the version."""
    asked = ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    try:
        told = subprocess.run(  # noqa: S603 - fixed words
            asked, cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return f"version {version('tidegauge')}"
    return told.stdout.strip() or f"version {version('tidegauge')}"


def _processor() -> str:
    """The processor as Linux names it; what Python knows of it elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
