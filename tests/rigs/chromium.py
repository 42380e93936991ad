"""
A real Chromium for Playwright: the system's own, or Debian's unpacked beside the system.

``p.chromium.launch(executable_path=chromium.executable(), args=chromium.launch_args())``.
Playwright's own download is never needed. The unpacked copy is started through a small script,
which tells it where its libraries, its fonts and its settings lie; it needs no root, since the
sandbox is off as it has to be in containers.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from rigs import debian

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGES = ("chromium", "fonts-dejavu-core", "fontconfig-config")


def executable() -> Path:
    """A Chromium that can be started as it is, fetched if this machine has none."""
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    unpacked = debian.unpacked("chromium", _PACKAGES, finish=_write_starter)
    return unpacked.binary(_STARTER)


def launch_args() -> list[str]:
    """Command-line flags: headless, no sandbox, and no request of its own to the outside."""
    return [
        "--no-sandbox",
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]


_STARTER = "tidegauge-chromium"

_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>{root}/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def _write_starter(root: Path) -> None:
    fonts = root / "fonts.conf"
    fonts.write_text(_FONTS.format(root=root), encoding="utf-8")
    libraries = debian.Unpacked(root).library_path
    starter = root / "usr" / "bin" / _STARTER
    starter.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH={shlex.quote(libraries)}\n"
        f"export FONTCONFIG_FILE={shlex.quote(str(fonts))}\n"
        f"export XDG_DATA_DIRS={shlex.quote(f'{root}/usr/share')}:/usr/share\n"
        f'exec {shlex.quote(str(root / "usr/lib/chromium/chromium"))} "$@"\n',
        encoding="utf-8",
    )
    starter.chmod(0o755)
