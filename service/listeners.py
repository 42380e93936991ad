"""Who listens on a port of this machine, as far as Linux tells us: processes of our own user."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"
"""State of a listening socket in /proc/net/tcp (Linux, include/net/tcp_states.h)."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that holds a port."""

    pid: int
    command: tuple[str, ...]

    @property
    def ours(self) -> bool:
        """Whether it is one of Tidegauge's own commands, or its console."""
        return "service.console_process" in self.command or any(
            Path(part).name == "tidegauge" for part in self.command[:3]
        )

    @property
    def name(self) -> str:
        """What to call it in one word."""
        text = Path(self.command[0]).name if self.command else ""
        return "".join(one if one.isprintable() else "?" for one in text)[:40] or "a process"


def listener_on(port: int, proc: Path = Path("/proc")) -> Listener | None:
    """Who listens on *port*; None where nobody does, or it is somebody else's to know."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not sockets:
        return None
    for process in proc.iterdir():
        if process.name.isdecimal() and not sockets.isdisjoint(_open(process)):
            try:
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            return Listener(int(process.name), tuple(words.rstrip("\0").split("\0")))
    return None


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for name in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / name).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, UnicodeDecodeError):
            continue
        for fields in map(str.split, lines):
            if len(fields) > 9 and fields[3] == _LISTENING and _port(fields[1]) == port:
                yield fields[9]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2] or "0", 16)


def _open(process: Path) -> set[str]:
    """Where its open files lead; nothing of another user's process."""
    found = set()
    with contextlib.suppress(OSError):
        for one in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(str(one.readlink()))
    return found
