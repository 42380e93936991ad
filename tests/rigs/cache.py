"""
Where the rigs keep what they obtained, so that only the first run pays for it.

Everything lies outside the checkout, in ``$RIGS_CACHE`` or ``~/.cache/tidegauge/rigs``:
a checkout stays small, and several checkouts share one copy. One rig at one version is one
folder whose name carries a hash of its recipe (package names, pinned requirements, build flags):
a changed recipe is simply another folder, never a stale one.

A folder counts only once its marker file is there, and the marker is written last. A build that
was interrupted therefore leaves a folder without a marker, which the next build removes.
A lock beside the folder lets parallel test workers wait for one build instead of doing it twice.

With ``RIGS_OFFLINE`` set, nothing is obtained: what was not prepared is unavailable.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

MARKER = ".complete"

_failed_here: dict[str, str] = {}
"""Reasons of builds that failed in this process: a second test must not wait for them again."""


class RigUnavailable(Exception):
    """A real server cannot be had on this machine. *reason* is one sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def root() -> Path:
    """The folder of all rigs, made when missing."""
    chosen = os.environ.get("RIGS_CACHE")
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "tidegauge" / "rigs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def folder_of(name: str, recipe: str) -> Path:
    """Where the rig *name* made by *recipe* lies, whether it is there or not."""
    return root() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def made_once(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """
    The folder of rig *name*, filled by *make* if it has not been made yet.

    *make* gets the empty folder at its final place, since virtual environments cannot be moved.

    Raises:
        RigUnavailable: It is not there and could not be made, in this or an earlier attempt of
            this process.
    """
    folder = folder_of(name, recipe)
    marker = folder / MARKER
    if marker.exists():
        return folder
    if folder.name in _failed_here:
        raise RigUnavailable(_failed_here[folder.name])
    if os.environ.get("RIGS_OFFLINE"):
        raise RigUnavailable(f"{name}: not prepared, and RIGS_OFFLINE forbids to obtain it")
    with lock(folder.name):
        if marker.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            make(folder)
        except RigUnavailable as unavailable:
            _failed_here[folder.name] = unavailable.reason
            raise
        except OSError as error:
            _failed_here[folder.name] = f"{name}: {error}"
            raise RigUnavailable(_failed_here[folder.name]) from error
        marker.write_text(recipe + "\n", encoding="utf-8")
    return folder


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the lock *name* among all processes that use this cache; freed if the holder dies."""
    with (root() / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ran(
    what: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout_seconds: float = 900,
) -> str:
    """
    Standard output of *command*, a step in making a rig.

    Raises:
        RigUnavailable: The program is missing, failed or took too long; the reason ends with the
            last lines it wrote.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise RigUnavailable(f"{what}: {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise RigUnavailable(f"{what}: not done after {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        last_lines = " | ".join(line.strip() for line in said[-3:])[-500:]
        raise RigUnavailable(f"{what}: exit status {done.returncode}: {last_lines}")
    return done.stdout
