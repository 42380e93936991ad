"""The data directory: made, writable, and never shared by a demo and the real thing."""

from pathlib import Path

from service.assembly import CONTROL_FILE
from vocabulary.errors import ConfigError

SIMULATED_FILE = "simulated"
"""Its presence says that a folder holds a demo's data."""


def prepare_folder(folder: Path, *, simulated: bool = False) -> None:
    """Make the data directory.

    A demo's clock runs ahead of the wall, so its data and real data never share a folder.

    Raises:
        ConfigError: It cannot be written, or holds data of the other kind.
    """
    mark = folder / SIMULATED_FILE
    if simulated != mark.exists() and (folder / CONTROL_FILE).exists():
        held = "real data, which no demo may mix with" if simulated else "the data of a demo"
        raise ConfigError(
            f"{folder} holds {held}; name another folder with --data-dir, or remove this one"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
        if simulated:
            mark.touch()
    except OSError as error:
        raise ConfigError(
            f"cannot write to the data directory {folder}: {error.strerror}; "
            "name another with --data-dir"
        ) from error
