"""
A real Prometheus, in the oldest and in the newest version a user is likely to meet.

``FLOOR`` is what this machine's own Debian release has (2.42 on Debian 12), ``NEWEST`` comes out
of Debian testing (3.5 when this was written). Rules, queries and the differential test of signals
run on both: left-open ranges came with version 3.

No Debian build takes OTLP (2.42 answers 404, later ones lack the flag): never expect it here.
Samples older than the newest are refused unless the configuration has
``storage: {tsdb: {out_of_order_time_window: 30d}}``, as `BACKFILL_CONFIG` does.
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

BACKFILL_CONFIG = """\
global: {scrape_interval: 1s, evaluation_interval: 1s}
storage: {tsdb: {out_of_order_time_window: 30d}}
"""


def prometheus_binary(release: str = FLOOR) -> Path:
    """The server program of *release*."""
    return debian.installed("prometheus", release) or _unpacked(release).binary("prometheus")


def promtool(release: str = FLOOR) -> Path:
    """The program that checks rules and configurations, fills blocks and runs rule tests."""
    return debian.installed("promtool", release) or _unpacked(release).binary("promtool")


@contextlib.contextmanager
def serve(
    config: str = BACKFILL_CONFIG,
    *,
    release: str = FLOOR,
    rules: str = "",
    flags: Sequence[str] = (),
    data: Path | None = None,
) -> Iterator[Server]:
    """
    A Prometheus of *release* with *config*, ready to be asked and to take remote write.

    *rules* is put beside the configuration as ``rules.yml``; the configuration names it under
    ``rule_files``. *data* keeps the samples; without it they are gone at the end.
    """
    binary = prometheus_binary(release)
    port = free_port()
    with work_folder("prometheus") as folder:
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        if rules:
            (folder / "rules.yml").write_text(rules, encoding="utf-8")
        command: list[str | Path] = [
            binary,
            "--config.file=prometheus.yml",
            f"--storage.tsdb.path={data or folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            # Otherwise every link in an alert carries this machine's host name.
            f"--web.external-url=http://127.0.0.1:{port}/",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
            "--enable-feature=exemplar-storage,native-histograms",
            *flags,
        ]
        with running(
            "prometheus", command, port=port, folder=folder, ready="/-/ready", kind=Server
        ) as server:
            yield server


def _unpacked(release: str) -> debian.Unpacked:
    # Debian 12 has promtool in the package of the server, later releases in its own.
    packages = ["prometheus"] if release == FLOOR else ["prometheus", "promtool"]
    return debian.unpacked(f"prometheus-{release}", packages, release)
