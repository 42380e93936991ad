"""Lines of the kernel's log as they come, from its device, a pipe or a file; never waits for one.

`/dev/kmsg` gives one record a read, `LEVEL,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, and continuation
lines that begin with a blank (Linux, Documentation/ABI/testing/dev-kmsg). A log file such as
kern.log has lines of another form, which are passed on as they are.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = re.compile(r"\d+,(\d+),(\d+),[^;]*;(.*)", re.DOTALL)
_RECORD_BYTES = 8192
"""Largest record of the kernel (its CONSOLE_EXT_LOG_MAX); a smaller read of the device fails."""
_LONGEST_LINE = 4096
"""What is longer is cut: nothing we look for is."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the log."""

    text: str
    sequence: int | None = None
    """Number of the record; None in a log file."""
    uptime: float | None = None
    """Seconds from the kernel's start to the record; None in a log file."""


@dataclass(slots=True)
class KernelMessages:
    """How far a log has been read."""

    most: int = 4096
    """Reads in one round: what a flood leaves is read in the next."""
    lost: int = 0
    """Times the kernel said that records were overwritten before they were read."""
    _file: int = -1
    _last: int = -1
    """Sequence of the newest record seen: older ones are skipped when a log is opened again."""
    _rest: bytes = b""
    _place: tuple[int, int] | None = None
    """Device and inode of what is or was open."""

    def new(self, path: str) -> list[Message]:
        """Everything since the last time.

        Raises:
            OSError: The log cannot be opened or read.
        """
        there = os.stat(path)
        place = (there.st_dev, there.st_ino)
        found: list[Message] = []
        try:
            if self._file >= 0 and (place != self._place or _is_cut(self._file)):
                found.extend(self._read())  # what was written before the log was rotated
                self.close()
            if self._file < 0:
                self._open(path, place)
            found.extend(self._read())
        except OSError:
            self.close()
            raise
        return found

    def close(self) -> None:
        """Let go of the file; the next reading opens it again."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._rest = -1, b""

    def _open(self, path: str, place: tuple[int, int]) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        first, self._place = self._place is None, place
        if first and stat.S_ISREG(os.fstat(self._file).st_mode):
            head = os.pread(self._file, _RECORD_BYTES, 0).decode("utf-8", "replace")
            if _HEAD.match(head) is None:  # how old the lines of a log file are, nobody knows
                os.lseek(self._file, 0, os.SEEK_END)

    def _read(self) -> Iterator[Message]:
        for _ in range(self.most):
            try:
                part = os.read(self._file, _RECORD_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                self.lost += 1  # overwritten before we came: the next read goes on behind the gap
                continue
            if not part:
                break
            *whole, self._rest = (self._rest + part).split(b"\n")
            self._rest = self._rest[:_LONGEST_LINE]
            for line in whole:
                yield from self._parse(line[:_LONGEST_LINE].decode("utf-8", "replace"))

    def _parse(self, line: str) -> Iterator[Message]:
        found = _HEAD.match(line)
        if found is None:
            if line and not line.startswith(" "):
                yield Message(line)
            return
        sequence = int(found[1])
        if sequence > self._last:
            self._last = sequence
            yield Message(found[3], sequence, int(found[2]) / 1e6)


def _is_cut(file: int) -> bool:
    """Whether a log file became shorter than what was read of it; never of a device or a pipe."""
    try:
        return os.lseek(file, 0, os.SEEK_CUR) > os.fstat(file).st_size > 0
    except OSError:
        return False
