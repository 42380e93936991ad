"""A real Prometheus with back-filled blocks is judged as the server that collected them judged.

Once in our own words, as an agent's series stand there, and once in vLLM's and LiteLLM's own names,
as a Prometheus that scrapes the servers itself holds them.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from rigs import prometheus
from rigs.cache import RigUnavailable
from rigs.processes import Server

from service.assembly import STORE_FOLDER
from service.backtest.answer import Findings, answer
from service.backtest.past import Past, of_data_folder, of_dump, of_prometheus
from service.backtest.replay import Replayed, replay
from service.backtest.span import Span
from service.backtest.telling import PAGE, tellings
from service.config import Config, load
from service.drill.case import Case
from service.drill.chain import Chain
from simulator.fast import page_targets
from simulator.faults.engine_stalled import EngineStalled
from simulator.schedule import WEEK_START, Event
from store.embedded import EmbeddedStore
from store.promql import quoted
from vocabulary.incidents import Incident
from vocabulary.metrics import BY_SERIES_NAME

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ONSET, SECONDS = 90.0, 420.0
START = WEEK_START + 3 * 86400.0 + 36_000.0
_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")


@dataclass
class Lived:
    """What a live server said, and its series as OpenMetrics text in both sets of words."""

    config: Config
    folder: Path
    span: Span
    incidents: dict[str, Incident]
    raw: list[str]
    """What a Prometheus that scrapes the servers itself would hold; `instance` is the replica."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("lived")
    case = Case("F01", 1, START, (Event(ONSET, EngineStalled()),), SECONDS, days=0.05)
    chain = Chain.over(case, folder)
    raw: list[str] = []
    try:
        chain.run(case.start + SECONDS, lambda moment: raw.extend(_pages(chain, moment)))
    finally:
        chain.close()
    given = {"data_dir": str(folder), "price_file": str(folder / "prices.json")}
    span = Span(case.start, case.start + SECONDS, 15.0)
    return Lived(load(None, {}, given), folder, span, chain.incidents, raw)


def _pages(chain: Chain, moment: float) -> Iterator[str]:
    """Every page of the cluster as a scraping Prometheus keeps it."""
    for target in page_targets(chain.world):
        instance = dict(target.labels).get("replica") or target.url
        name = urlsplit(target.url).path.lstrip("/").partition("/")[0]
        for line in chain.world.page(name).decode().splitlines():
            found = _LINE.fullmatch(line)
            if found is not None:
                inside = ",".join(filter(None, (found[2], f"instance={quoted(instance)}")))
                yield f"{found[1]}{{{inside}}} {found[3]} {moment:.3f}"


def _stored(folder: Path) -> Iterator[str]:
    """Every sample of a data folder."""
    with closing(EmbeddedStore(folder / STORE_FOLDER, read_only=True)) as store:
        for name in BY_SERIES_NAME:
            found = store.samples(name, -1e11, 1e11)
            for place, labels in enumerate(found.labels):
                inside = ",".join(f"{label}={quoted(value)}" for label, value in labels)
                own = slice(found.offsets[place], found.offsets[place + 1])
                times, values = found.times[own].tolist(), found.values[own].tolist()
                for at, value in zip(times, values, strict=True):
                    if isfinite(value):
                        yield f"{name}{{{inside}}} {value!r} {at / 1000:.3f}"


@contextmanager
def filled(lines: Iterable[str], folder: Path) -> Iterator[Server]:
    """A Prometheus whose blocks hold *lines* and nothing else."""
    try:
        tool = prometheus.promtool(prometheus.NEWEST)
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)
    text = folder / "history.om"
    # by series and time, each moment once: what promtool takes
    rows = {(line.rsplit(" ", 2)[0], float(line.rsplit(" ", 1)[1])): line for line in lines}
    text.write_text("\n".join([*(rows[key] for key in sorted(rows)), "# EOF\n"]), encoding="utf-8")
    made = subprocess.run(
        [tool, "tsdb", "create-blocks-from", "openmetrics", text, folder / "data"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    flags = ("--storage.tsdb.retention.time=100y",)
    config = "global: {scrape_interval: 1h}\n"
    with prometheus.serve(
        config, release=prometheus.NEWEST, data=folder / "data", flags=flags
    ) as server:
        yield server


def replayed(lived: Lived, past: Past, folder: Path) -> Replayed:
    with closing(past):
        return replay(lived.config, past, lived.span, folder)


def verdict_of(one: Incident) -> tuple[Any, ...]:
    causes = [(cause.failure_mode.word, str(cause.entity)) for cause in one.causes]
    acts = [(line.at, line.what) for line in one.activity]
    return (one.id, one.severity, one.opened_at, one.since, causes, acts, one.pool, one.model)


def test_our_own_series_in_a_prometheus_are_judged_as_they_were_live(
    lived: Lived, tmp_path: Path
) -> None:
    with filled(_stored(lived.folder), tmp_path) as server:
        past = of_prometheus(lived.config, server.url, lived.span)
        assert not past.dialect
        # what was told to the server is in its folder alone
        changes = of_data_folder(lived.folder).changes
        said = replayed(lived, replace(past, changes=changes), tmp_path)
    assert not said.trouble
    assert lived.incidents
    live = [verdict_of(one) for one in lived.incidents.values()]
    assert [verdict_of(one) for one in said.incidents.values()] == live


def test_the_servers_own_series_tell_of_the_same_stall(lived: Lived, tmp_path: Path) -> None:
    [expected] = lived.incidents.values()
    with filled(lived.raw, tmp_path) as server:
        past = of_prometheus(lived.config, server.url, lived.span)
        assert past.dialect
        said = replay(lived.config, past, lived.span, tmp_path)
        found = Findings(past, said, (), (), {})
        [incident] = found.told
        assert incident.failure_mode is expected.failure_mode
        assert incident.entity.id == expected.entity.id
        assert [one.how for one in tellings(said.incidents.values())] == [PAGE]
        [body] = answer(found)["incidents"]
        queries = [one["promql"] for one in body["evidence"]]
        assert any("vllm:" in query for query in queries)
        for query in queries:
            asked = httpx2.get(
                f"{server.url}/api/v1/query", params={"query": query, "time": lived.span.end}
            )
            assert asked.json()["data"]["result"], query
        past.close()


def test_a_dump_of_the_servers_own_series_tells_of_it_too(lived: Lived, tmp_path: Path) -> None:
    [expected] = lived.incidents.values()
    file = tmp_path / "dump.om"
    file.write_text("\n".join([*lived.raw, "# EOF"]), encoding="utf-8")
    said = replayed(lived, of_dump(lived.config, file), tmp_path)
    [incident] = said.incidents.values()
    assert incident.failure_mode is expected.failure_mode
    assert incident.entity.id == expected.entity.id
