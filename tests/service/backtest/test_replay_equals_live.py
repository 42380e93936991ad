"""What a replay says of stored history is what the live run said when it was written.

One simulated cluster in which an engine stalls, run live once for every test of this file (ten
seconds): that live and replay are one path is what a backtest is worth.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.backtest.known import Known, Outcome, judge
from service.backtest.past import of_data_folder, where_it_holds
from service.backtest.replay import Replayed, replay
from service.backtest.span import Span
from service.backtest.telling import PAGE, tellings
from service.backtest.what_if import Kept, desk_again
from service.config import Config, load
from service.drill.case import Case
from service.drill.chain import Chain
from simulator.faults.engine_stalled import EngineStalled
from simulator.schedule import WEEK_START, Event
from tests.service.cli.conftest import Run
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.scene import Scene

ONSET, SECONDS = 90.0, 420.0
START = WEEK_START + 3 * 86400.0 + 36_000.0
"""A Thursday, ten in the morning."""
Found = list[tuple[float, list[tuple[Any, ...]]]]


@dataclass
class Lived:
    """A data folder, and what its server found and said while it was written."""

    folder: Path
    config: Config
    span: Span
    findings: Found = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)


def said_of(findings: Sequence[Finding]) -> list[tuple[Any, ...]]:
    """Findings without figures, whose last bit may depend on how many moments were summed."""
    return [
        (*one.key, one.since, one.severity, one.detector, [each.id for each in one.evidence])
        for one in findings
    ]


def verdict_of(one: Incident) -> tuple[Any, ...]:
    causes = [(cause.failure_mode.word, str(cause.entity)) for cause in one.causes]
    acts = [(line.at, line.what) for line in one.activity]
    changes = [(change.at, change.what) for change in one.changes]
    evidence = [(each.id, each.promql) for each in one.evidence]
    return (one.id, one.state, one.severity, one.opened_at, one.since, causes, acts, changes,
            evidence, one.title, [action.card for action in one.actions])  # fmt: skip


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("lived")
    case = Case("F01", 1, START, (Event(ONSET, EngineStalled()),), SECONDS, days=0.1)
    chain = Chain.over(case, folder)
    given = {"data_dir": str(folder), "price_file": str(folder / "prices.json")}
    end = case.start + SECONDS
    found = Lived(folder, load(None, {}, given), Span(case.start, end, 15.0))
    try:
        chain.run(
            end,
            lambda moment: found.findings.append(
                (moment, said_of(chain.part.pipeline.last_findings))
            ),
        )
        found.incidents = chain.incidents
    finally:
        chain.close()
    return found


@dataclass
class Again:
    """What a replay of the same folder found and said."""

    said: Replayed
    findings: Found
    kept: Kept


@pytest.fixture(scope="module")
def again(lived: Lived, tmp_path_factory: pytest.TempPathFactory) -> Again:
    past = of_data_folder(lived.folder)
    findings: Found = []
    kept = Kept()

    def watched(scene: Scene, found: Sequence[Finding]) -> None:
        findings.append((scene.now, said_of(found)))
        kept.watch(scene, found)

    scratch = tmp_path_factory.mktemp("replay")
    said = replay(lived.config, past, lived.span, scratch, watched=watched)
    past.close()
    return Again(said, findings, kept)


def test_every_tick_finds_what_the_live_tick_found(lived: Lived, again: Again) -> None:
    assert again.findings == lived.findings
    assert any(found for _, found in lived.findings)
    assert not again.said.stopped
    assert not again.said.trouble


def test_every_incident_ends_up_as_it_did_live(lived: Lived, again: Again) -> None:
    live = [verdict_of(one) for one in lived.incidents.values()]
    assert [verdict_of(one) for one in again.said.incidents.values()] == live
    assert [one.how for one in tellings(again.said.incidents.values())] == [PAGE]


def test_the_desk_run_again_over_what_was_kept_says_the_same(
    lived: Lived, again: Again, tmp_path: Path
) -> None:
    past = of_data_folder(lived.folder)
    repeated = desk_again(lived.config, past, lived.span, again.kept.moments, tmp_path)
    past.close()
    assert len(again.kept.moments) < again.said.ticks, "calm before the fault needs no desk"
    before = {name: verdict_of(one) for name, one in again.said.incidents.items()}
    assert {name: verdict_of(one) for name, one in repeated.items()} == before


def test_known_incidents_are_found_late_or_missed(lived: Lived, again: Again) -> None:
    told = tellings(again.said.incidents.values())
    onset, end = lived.span.start + ONSET, lived.span.end
    [incident] = again.said.incidents.values()
    known = [
        Known(onset, end),
        Known(onset, end, incident.pool.upper()),
        Known(onset, end, within=5.0),
        Known(onset, end, "pool/another"),
        Known(onset - 7200.0, onset - 3600.0),
        Known(end + 60.0, end + 120.0),
    ]
    outcomes = [one.outcome for one in judge(known, told, again.said.until)]
    assert outcomes == [
        Outcome.FOUND, Outcome.FOUND, Outcome.LATE, Outcome.MISSED, Outcome.MISSED,
        Outcome.NOT_REPLAYED,
    ]  # fmt: skip


def test_time_without_any_value_is_left_out(lived: Lived) -> None:
    past = of_data_folder(lived.folder)
    history = 0.1 * 86400.0
    long = Span(lived.span.start - 86400.0, lived.span.end, 15.0)
    begins = where_it_holds(past, long).start
    past.close()
    assert begins == pytest.approx(lived.span.start - history, abs=600.0)


def test_the_command_says_it_in_json_and_html_and_exits_1(
    lived: Lived, run: Run, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    known = tmp_path / "known.json"
    start = lived.span.start
    known.write_text(json.dumps([{"start": str(start), "end": str(start + 300.0), "what": "<b>"}]))
    ended = run(
        "backtest", "--data-dir", str(lived.folder), "--from", str(start), "--to",
        str(lived.span.end), "--every", "60", "--known", str(known), "--html", str(report),
        "--output", "json",
    )  # fmt: skip
    assert ended.code == 1
    said = json.loads(ended.out)
    assert (said["pages"], said["tickets"], said["complete"]) == (1, 0, True)
    [incident] = said["incidents"]
    assert incident["told"] == "page"
    assert incident["failure_mode"] == "engine_stalled"
    assert "tidegauge_llm_engine_steps_total" in incident["evidence"][0]["promql"]
    assert said["known_counts"] == {"found": 1}
    text = report.read_text()
    assert text.count("<svg") >= 1
    assert "engine_stalled" in text
    assert "<b>" not in text
