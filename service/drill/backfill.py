"""A real Prometheus over samples of a drill: back-filled blocks, recorded rules, one server.

Blocks hold no staleness marks (OpenMetrics text has none): a series that ended is seen for the
five minutes of Prometheus' look-back more.
"""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
import numpy as np
import numpy.typing as npt

from service.rules import Rule, as_yaml
from store.embedded import EmbeddedStore
from store.promql import quoted
from vocabulary.errors import ConfigError, StoreUnreachable
from vocabulary.samples import Labels, labels_of

EVALUATED_EVERY = 30.0
"""Seconds between evaluations of a rule: what kube-prometheus-stack sets."""
READY_SECONDS = 60.0
"""How long a server may take to begin (our judgement)."""
_ONE_BLOCK = "--max-block-duration=1024h"
"""promtool reads its input once for each block; a case is one block."""
_STRING = re.compile(r'"[^"]*"')
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where Prometheus and promtool are."""

    prometheus: Path
    promtool: Path

    @classmethod
    def found(cls, folder: Path | None = None) -> Self:
        """Those of *folder*, or without one those on the PATH.

        Raises:
            ConfigError: One of them is not there.
        """
        where = None if folder is None else str(folder)
        paths = {name: shutil.which(name, path=where) for name in ("prometheus", "promtool")}
        missing = [name for name, path in paths.items() if path is None]
        if missing:
            raise ConfigError(
                f"alert rules are scored by a real Prometheus, and {' and '.join(missing)} "
                f"{'are' if len(missing) > 1 else 'is'} not {'in ' + where if where else 'found'}; "
                "name the folder that holds both with --prometheus"
            )
        return cls(*(Path(str(path)).absolute() for path in paths.values()))


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus."""

    url: str

    def range(self, query: str, start: float, end: float) -> Mapping[Labels, npt.NDArray[Any]]:
        """*query* at every evaluation from *start* to *end*: the moments at which it had a value.

        Raises:
            ConfigError: The server refuses the question.
        """
        asked = {"query": query, "start": start, "end": end, "step": EVALUATED_EVERY}
        answer = httpx2.post(f"{self.url}/api/v1/query_range", data=asked, timeout=120.0).json()
        if answer["status"] != "success":
            raise ConfigError(f"Prometheus refuses `{query}`: {answer.get('error', '')}")
        return {
            labels_of({name: value for name, value in row["metric"].items() if name != "__name__"}):
            np.array([float(at) for at, _ in row["values"]])
            for row in answer["data"]["result"]
        }  # fmt: skip


def names_in(expression: str) -> set[str]:
    """Every name of a series that *expression* may ask for, and other words of it."""
    return set(_NAME.findall(_STRING.sub('""', expression)))


def write_samples(
    store: EmbeddedStore, names: Iterable[str], start: float, end: float, file: Path
) -> None:
    """The samples of the series of these *names* in (start, end] as OpenMetrics text."""
    with file.open("w", encoding="utf-8") as out:
        for name in sorted(names):
            columns = store.samples(name, start, end)
            for row, labels in enumerate(columns.labels):
                told = ",".join(f"{label}={quoted(value)}" for label, value in labels)
                part = slice(int(columns.offsets[row]), int(columns.offsets[row + 1]))
                moments, values = columns.times[part].tolist(), columns.values[part].tolist()
                for moment, value in zip(moments, values, strict=True):
                    if value == value:  # noqa: PLR0124 - NaN marks an end, and text cannot say so
                        out.write(f"{name}{{{told}}} {value!r} {moment / 1000:.3f}\n")
        out.write("# EOF\n")


def fill(programs: Programs, text: Path, data: Path) -> None:
    """Make blocks of *text* in the folder *data*."""
    _promtool(programs, "openmetrics", text, data)


def record(programs: Programs, rules: Sequence[Rule], start: float, end: float, data: Path) -> None:
    """Add to *data* what the recording *rules* give, those first that others ask for."""
    for number, some in enumerate(passes(rules)):
        file = data.parent / f"recorded-{number}.yaml"
        group = {"name": f"pass {number}", "rules": [dict(rule) for rule in some]}
        file.write_text(as_yaml({"groups": [group]}), encoding="utf-8")
        with serving(programs, data) as server:
            _promtool(
                programs, "rules", f"--start={start:.0f}", f"--end={end:.0f}",
                f"--url={server.url}", f"--output-dir={data}",
                f"--eval-interval={EVALUATED_EVERY:.0f}s", file,
            )  # fmt: skip


def passes(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Recording *rules* so that each finds recorded what it asks for.

    Raises:
        ConfigError: Some ask for each other.
    """
    left = list(rules)
    while left:
        waiting = {str(rule["record"]) for rule in left}
        ready = [rule for rule in left if not names_in(str(rule["expr"])) & waiting]
        if not ready:
            raise ConfigError(f"these rules ask for each other: {', '.join(sorted(waiting))}")
        yield ready
        left = [rule for rule in left if rule not in ready]


@contextmanager
def serving(programs: Programs, data: Path) -> Iterator[Server]:
    """A Prometheus on a free port of loopback that knows nothing but the blocks in *data*.

    Raises:
        StoreUnreachable: It does not begin.
    """
    config = data.parent / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1h}\n", encoding="utf-8")
    url = f"http://127.0.0.1:{_free_port()}"
    command = [
        str(programs.prometheus),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={url.removeprefix('http://')}",
        f"--web.external-url={url}",
    ]
    with (data.parent / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 - the program that was named
        try:
            _wait_until_ready(url, process, Path(log.name))
            yield Server(url)
        finally:
            process.terminate()
            process.wait(READY_SECONDS)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx2.get(f"{url}/-/ready", timeout=5.0).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
    raise StoreUnreachable(f"Prometheus does not begin: {''.join(last) or 'it says nothing'}")


def _promtool(programs: Programs, kind: str, *arguments: str | Path) -> None:
    command = [programs.promtool, "tsdb", "create-blocks-from", _ONE_BLOCK, kind, *arguments]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the program that was named
    if made.returncode:
        raise ConfigError(f"promtool makes no blocks of {kind}: {made.stderr.strip()[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
