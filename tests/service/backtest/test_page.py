"""The report holds every word of telemetry harmless, asks nobody, and leaves gaps as gaps."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from incident_scenes import NOON, incident_about

from service.backtest.answer import Findings, answer, headline
from service.backtest.chart import Chart
from service.backtest.known import Known, judge
from service.backtest.page import page
from service.backtest.past import Past
from service.backtest.replay import Replayed
from service.backtest.span import Span
from service.backtest.telling import tellings
from service.backtest.what_if import Counts, Suggestion
from store.dialect import Spelling
from vocabulary import failure_modes as f
from vocabulary import metrics as m
from vocabulary.entities import Entity, EntityKind
from vocabulary.expressions import Signal
from vocabulary.incidents import Activity, EvidenceRecord, Incident
from vocabulary.samples import Frame, labels_of

HOSTILE = '<script>alert(1)</script>"&\u202e\x1b[31m'
SPAN = Span(NOON - 7200.0, NOON + 3600.0, 15.0)
REPLICA = Entity(EntityKind.REPLICA, "east/prod/uid/engine", HOSTILE)


class Store:
    """One series that was not seen for a while."""

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        times = np.arange(start, end + step / 2.0, step)
        row = np.where((times > NOON) & (times < NOON + 300.0), np.nan, 5.0)
        return Frame((labels_of({"replica": REPLICA.id}),), times, row[None, :])

    def newest(self) -> float | None:
        return NOON


def incident(how: str = "paged") -> Incident:
    evidence = EvidenceRecord(
        "e", "requests_waiting", REPLICA, "", NOON - 300, NOON, 9.0, 1.0, None, 4.0, "requests",
        HOSTILE,
    )  # fmt: skip
    told = (Activity(NOON, "tidegauge", "opened"), Activity(NOON + 60.0, "tidegauge", how))
    one = incident_about(f.KV_EXHAUSTION, REPLICA, evidence=(evidence,), tenants=(HOSTILE,))
    return replace(one, title=HOSTILE, headline=HOSTILE, activity=told)


def findings(*incidents: Incident, **past: object) -> Findings:
    said = Replayed(SPAN, ticks=720, until=SPAN.end, trouble={HOSTILE: 3})
    said.incidents = {f"{one.id}{place}": one for place, one in enumerate(incidents)}
    known = [Known(NOON, NOON + 600.0, HOSTILE, HOSTILE), Known(NOON, NOON + 600.0)]
    hint = Suggestion("incidents.persistence_seconds", 120.0, 300.0, Counts(1, 0), Counts(0, 1),
                      (), ("inc-0",), (), 2)  # fmt: skip
    verdicts = judge(known, tellings(said.incidents.values()), said.until)
    where = Past(Store(), HOSTILE, lambda: None, **past)  # type: ignore[arg-type]
    return Findings(where, said, verdicts, (hint,), {})


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_hostile_words_stay_words_and_nothing_is_asked_of_anybody() -> None:
    text = page(findings(incident()), HOSTILE)
    tags = Tags()
    tags.feed(text)
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(tags.tags)
    assert not {name for name, _ in tags.attributes} & {"src", "href", "onload", "style"}
    assert not re.search(r"https?://|url\(|@import", text)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text
    assert tags.tags.count("svg") == 1


def test_the_page_says_what_the_answer_says() -> None:
    found = findings(incident(), incident("ticketed"))
    said = answer(found)
    assert (said["pages"], said["tickets"]) == (1, 1)
    assert [one["outcome"] for one in said["known"]] == ["found", "found"]
    assert "1 page and 1 ticket" in headline(found)
    text = page(found, "")
    assert text.count("<details") == 2
    assert "0 pages and 1 ticket instead of 1 page and 0 tickets" in text


def test_context_that_nobody_would_have_been_told_of_is_only_counted() -> None:
    said = answer(findings(incident("mitigated")))
    assert (said["pages"], said["tickets"], said["untold"]) == (0, 0, 1)
    assert said["incidents"] == []
    assert said["known_counts"] == {"missed": 2}


def test_a_replay_that_ended_early_says_so() -> None:
    found = findings()
    found.said.stopped = "interrupted"
    assert answer(found)["complete"] is False
    assert "Stopped early: interrupted" in page(found, "")


def test_a_query_is_in_the_words_of_the_backend_it_came_from() -> None:
    words = {m.REQUESTS_WAITING.name: (Spelling("vllm:num_requests_waiting",
                                                {"replica": "instance"}),)}  # fmt: skip
    [one] = answer(findings(incident(), dialect=words))["incidents"]
    query = one["evidence"][0]["promql"]
    assert "vllm:num_requests_waiting" in query
    assert 'instance="east/prod/uid/engine"' in query


def test_a_gap_in_a_series_is_a_gap_in_its_line() -> None:
    times = np.arange(0.0, 100.0, 10.0)
    row = np.where(times == 50.0, np.nan, times)
    svg = Chart(times, [row], 20.0, 40.0, [60.0], "s", HOSTILE).svg()
    [line] = re.findall(r'class="line" d="([^"]*)"', svg)
    assert line.count("M") == 2
    assert svg.count('class="level"') == 1
    assert "<script" not in svg


@pytest.mark.parametrize("level", [0.0, 7.0])
def test_a_flat_line_has_a_scale(level: float) -> None:
    times = np.arange(0.0, 30.0, 10.0)
    svg = Chart(times, [np.full(3, level)], 0.0, 20.0, [], "s", "t").svg()
    assert "nan" not in svg
