"""What each recorded page says in our words, written down and read by eye.

After a deliberate change: `PYTHONPATH=. python tests/collectors/test_golden.py`, then read the
difference before you commit it.

A golden text tells who read the page, the verdict, every series of ours, and what was left:
families that no table reads, and series that are read and say nothing (NaN, -1, blank marks).
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import collectors
from collectors._api import ApiCollector
from collectors._exposition import Exposition, parse
from collectors._reading import PageCollector, PageReader, Reading, recognise
from vocabulary.contracts import Collector, Page, Target
from vocabulary.discovery import discover
from vocabulary.errors import SourceDown
from vocabulary.metrics import BY_SERIES_NAME, TARGET_LABELS, Kind
from vocabulary.samples import Sample

HERE = Path(__file__).parent
PAGES = {path.stem: path for path in sorted((HERE / "pages").glob("*.*")) if path.suffix != ".md"}
IDENTITY = (("replica", "static/10.0.0.1:8000"),)
FOUND = {name: cls() for name, cls in discover(collectors, Collector).items()}
PAGE_COLLECTORS = {name: one for name, one in FOUND.items() if isinstance(one, PageCollector)}
APIS = {name: one for name, one in FOUND.items() if isinstance(one, ApiCollector)}
READER = PageReader(PAGE_COLLECTORS, apis=APIS)


class Shelf:
    """A reach that answers one URL with one page and knows no other."""

    nvml: Any = None
    pods = ()

    def __init__(self, url: str, body: bytes) -> None:
        self.url, self.body = url, body

    def offered(self, driver: str, pool: str, device: str) -> None:
        return None

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        if url != self.url:
            raise SourceDown(f"nothing at {url}")
        return Page(self.body, "text/plain", 200, 0.0)


def read(page: str, now: float = 0.0) -> Reading:
    """What the whole reader makes of a page; JSON lies where only its API has it."""
    path = "/api/ps" if PAGES[page].suffix == ".json" else "/metrics"
    url = f"http://10.0.0.1:8000{path}"
    return READER.read(Target(url, IDENTITY), Shelf(url, PAGES[page].read_bytes()), now)


def golden(page: str) -> str:
    reading = read(page)
    head = f"# read by: {reading.collector or 'nobody'}\n# verdict: {reading.verdict}\n"
    text = head + written(list(reading.samples))
    if PAGES[page].suffix == ".prom":
        text += left(parse(PAGES[page].read_bytes()), reading)
    return text


def written(samples: list[Sample]) -> str:
    """One line a series, one line a histogram, in the order of the vocabulary."""
    if not samples:
        return ""
    lines: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    shared = frozenset.intersection(*(frozenset(one.series.labels) for one in samples))
    for sample in samples:
        metric = BY_SERIES_NAME[sample.series.name]
        labels = dict(sample.series.labels)
        bound = labels.pop("le", "")
        own = ",".join(f'{k}="{v}"' for k, v in sorted(set(labels.items()) - shared))
        part = sample.series.name.removeprefix(metric.name).removeprefix("_")
        lines[metric.name, own][bound or part] = sample.value
    text = "# every series: " + ",".join(f'{k}="{v}"' for k, v in sorted(shared)) + "\n"
    for (name, own), values in sorted(lines.items()):
        shown = " ".join(
            f"{key}:{value:g}" if key else repr(value) for key, value in values.items()
        )
        text += f"{name}{{{own}}} {shown}\n"
    return text


def left(exposition: Exposition, reading: Reading) -> str:
    """What the page holds and nobody took: names, and series of ours that had no value."""
    layout, outputs = exposition.layout, ()
    if reading.verdict == "ok":
        collector = PAGE_COLLECTORS[reading.collector]
        collector.translate(exposition, IDENTITY, 0.0)
        outputs = layout.plans[collector, IDENTITY].outputs
    used = {layout.rows[row].name for one in outputs for row in (*one.rows, *one.factors)}
    histograms = {name for name, kind in layout.types if kind == "histogram"}

    def family(name: str) -> str:
        stem, _, part = name.rpartition("_")
        return stem if stem in histograms and part in {"bucket", "sum", "count"} else name

    taken = {family(name) for name in used}
    families = {family(name): None for name in layout.names if not name.endswith("_created")}
    told = {one.series for one in reading.samples}
    silent = {one.series.name: None for one in outputs if one.series not in told}
    text = "".join(f"# no value: {name}\n" for name in silent)
    return text + "".join(f"# not read: {name}\n" for name in families if name not in taken)


@pytest.mark.parametrize("page", PAGES)
def test_a_recorded_page_says_what_is_written_down(page: str) -> None:
    assert golden(page) == (HERE / "golden" / f"{page}.txt").read_text()


def test_every_golden_text_belongs_to_a_page() -> None:
    assert {path.stem for path in (HERE / "golden").glob("*.txt")} == set(PAGES)


def test_every_page_tells_where_it_comes_from_and_under_which_licence() -> None:
    rows = [
        line.split("|")
        for line in (HERE / "pages" / "SOURCES.md").read_text().splitlines()
        if line.startswith("|")
    ]
    told = {name.strip(" ¶") for row in rows for name in row[1].split(",")}
    assert {path.name for path in PAGES.values()} <= told
    assert all(row[4].strip() for row in rows)


@pytest.mark.parametrize("page", PAGES)
def test_a_translation_keeps_the_contract_of_the_vocabulary(page: str) -> None:
    reading = read(page, 17.0)
    samples = list(reading.samples)
    assert (reading.verdict == "ok") == bool(samples)
    assert len({one.series for one in samples}) == len(samples)
    for series, value, at in samples:
        collector = FOUND[reading.collector]
        metric = BY_SERIES_NAME[series.name]
        labels = dict(series.labels)
        assert metric in collector.produces
        assert set(labels) <= {*TARGET_LABELS, *metric.labels, "le"}
        assert ("le" in labels) == series.name.endswith("_bucket")
        assert value >= 0
        assert at == 17.0
        assert list(series.labels) == sorted(series.labels)
        assert labels["vantage"] == collector.vantage
        if metric.kind is not Kind.HISTOGRAM:
            assert set(metric.labels) <= set(labels), "own labels are always there"


@pytest.mark.parametrize("page", [name for name, path in PAGES.items() if path.suffix == ".prom"])
def test_only_who_reads_a_page_recognises_it(page: str) -> None:
    names = parse(PAGES[page].read_bytes()).layout.names
    assert (recognise(names, PAGE_COLLECTORS) or "") == read(page).collector


if __name__ == "__main__":
    for name in PAGES:
        (HERE / "golden" / f"{name}.txt").write_text(golden(name))
