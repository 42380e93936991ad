"""
A real Alertmanager, in the oldest and in the newest version a user is likely to meet.

As for Prometheus, ``FLOOR`` is the machine's own Debian release (0.25 on Debian 12) and
``NEWEST`` is Debian testing (0.33 when this was written). Only API v2 works on both: version 1
answers 200 on 0.25 and 410 on 0.33. Debian calls the program ``prometheus-alertmanager``.

Debian's build of 0.25 reads its templates from an absolute folder under /usr/share, which only
an installed package has. In the unpacked copy that one path is replaced by a relative one of
equal length, and each server gets a link of that name in its working folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rigs import debian
from rigs.processes import Server, free_port, running, work_folder

FLOOR = debian.OWN_RELEASE
NEWEST = debian.TESTING
RELEASES = (FLOOR, NEWEST)

_SHARE = b"/usr/share/prometheus/alertmanager"
_RELATIVE_SHARE = b".".ljust(len(_SHARE) - len(b"share"), b"/") + b"share"

SILENT_CONFIG = """\
route: {receiver: nobody, group_wait: 1s, group_interval: 1s}
receivers: [{name: nobody}]
"""


def alertmanager_binary(release: str = FLOOR) -> Path:
    """The server program of *release*."""
    name = "prometheus-alertmanager"
    return debian.installed(name, release) or _unpacked(release).binary(name)


def amtool(release: str = FLOOR) -> Path:
    """The program that checks configurations and routes."""
    return debian.installed("amtool", release) or _unpacked(release).binary("amtool")


def webhook_config(url: str) -> str:
    """A configuration that sends every alert to the webhook at *url*, with little waiting."""
    return f"""\
route: {{receiver: hook, group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: '{url}', send_resolved: true}}]}}]
"""


@contextlib.contextmanager
def serve(
    config: str = SILENT_CONFIG, *, release: str = FLOOR, flags: Sequence[str] = ()
) -> Iterator[Server]:
    """An Alertmanager of *release* with *config*, ready to take alerts."""
    binary = alertmanager_binary(release)
    port = free_port()
    with work_folder("alertmanager") as folder:
        (folder / "alertmanager.yml").write_text(config, encoding="utf-8")
        share = binary.parent.parent / "share" / "prometheus" / "alertmanager"
        (folder / "share").symlink_to(share)
        command: list[str | Path] = [
            binary,
            "--config.file=alertmanager.yml",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url=http://127.0.0.1:{port}/",
            # Not empty, it opens a gossip port on every interface.
            "--cluster.listen-address=",
            *flags,
        ]
        with running(
            "alertmanager", command, port=port, folder=folder, ready="/-/ready", kind=Server
        ) as server:
            yield server


def _unpacked(release: str) -> debian.Unpacked:
    package = "prometheus-alertmanager"
    return debian.unpacked(f"alertmanager-{release}", [package], release, _make_relocatable)


def _make_relocatable(root: Path) -> None:
    program = root / "usr" / "bin" / "prometheus-alertmanager"
    program.write_bytes(program.read_bytes().replace(_SHARE, _RELATIVE_SHARE))
