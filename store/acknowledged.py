"""The number of the last batch we said yes to, kept outside the database that holds it.

SQLite drops a torn or damaged tail of its log without a word; only a number kept elsewhere can
tell that something is missing. The same file, locked, keeps a second writer out.
"""

import fcntl
import os
import struct
import zlib
from pathlib import Path

from vocabulary.errors import StoreError

_SLOT = struct.Struct("<QI")
"""The number and its checksum; two slots, written in turn, so that one is always whole."""


class Acknowledged:
    """The side file of one store folder.

    Raises:
        StoreError: Another process writes here, or the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error}; is the folder writable?") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StoreError(
                f"another process writes to {path.parent}; end it, read only, or choose another "
                "--data-dir"
            ) from error
        self.last = self._read()

    def _read(self) -> int:
        found = 0
        for slot in (0, 1):
            data = os.pread(self._file, _SLOT.size, slot * _SLOT.size)
            if len(data) == _SLOT.size:
                number, check = _SLOT.unpack(data)
                if check == zlib.crc32(data[:8]):
                    found = max(found, number)
        return found

    def write(self, number: int) -> None:
        """Batches up to *number* are committed.

        Raises:
            OSError: The disk refuses; the next number will do as well.
        """
        head = struct.pack("<Q", number)
        os.pwrite(self._file, _SLOT.pack(number, zlib.crc32(head)), number % 2 * _SLOT.size)
        self.last = number

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._file)
