"""Suggestions are proven by running the desk again; none that loses a known incident is made."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from incident_scenes import INTERVAL, NOON, World, finding

from service.backtest.answer import in_words
from service.backtest.known import Known
from service.backtest.past import Past
from service.backtest.replay import Replayed
from service.backtest.span import Span
from service.backtest.telling import tellings
from service.backtest.what_if import Counts, Kept, Suggestion, desk_again, suggestions
from service.config import Config, load
from vocabulary import failure_modes as f
from vocabulary.expressions import Signal
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.samples import Frame, empty_frame

HOURS = 4.0
SPAN = Span(NOON, NOON + HOURS * 3600.0, INTERVAL)


class Nothing:
    """A store without series: the desk is judged by its findings alone."""

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        return empty_frame(np.arange(start, end + step / 2.0, step))

    def newest(self) -> float | None:
        return None


PAST = Past(Nothing(), "nothing", lambda: None)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return load(None, {}, {"data_dir": str(tmp_path_factory.mktemp("data"))})


def kept(found_at: Callable[[World, float], Sequence[Finding]]) -> Kept:
    """What a replay keeps of a fleet in which *found_at* is found."""
    world, watching = World(), Kept()
    world.add_pool()
    for moment in SPAN.moments.tolist():
        world.now = moment
        watching.watch(world.scene(), found_at(world, moment))
    return watching


def storms(world: World, moment: float) -> Sequence[Finding]:
    """Two storms of retries, 200 s each, two hours apart."""
    for start in (NOON + 600.0, NOON + 7800.0):
        if start <= moment < start + 200.0:
            return [finding(f.RETRY_STORM, world.replicas[0], moment, since=start)]
    return ()


def skew(world: World, moment: float) -> Sequence[Finding]:
    """Load that is skewed for six minutes."""
    if NOON + 600.0 <= moment < NOON + 960.0:
        one = world.replicas[0]
        return [finding(f.LOAD_SKEW, one, moment, since=NOON + 600.0, severity=Severity.WARNING)]
    return ()


def asked(
    config: Config, watching: Kept, folder: Path, known: Sequence[Known] = ()
) -> dict[tuple[str, float], Suggestion]:
    incidents = desk_again(config, PAST, SPAN, watching.moments, folder / "as-it-was")
    said = Replayed(SPAN, incidents=incidents, until=SPAN.end)
    found = suggestions(config, PAST, said, watching, known, folder)
    return {(one.setting, one.value): one for one in found}


def test_short_pages_would_have_been_tickets_with_more_persistence(
    config: Config, tmp_path: Path
) -> None:
    found = asked(config, kept(storms), tmp_path)
    one = found["incidents.persistence_seconds", 300.0]
    assert (one.before, one.after) == (Counts(2, 0), Counts(0, 2))
    assert len(one.softened) == 2
    assert not one.spared
    assert "0 pages and 2 tickets instead of 2 pages and 0 tickets" in in_words(one)
    assert "no known incidents were given" in in_words(one)


def test_what_would_make_a_known_incident_late_is_not_suggested(
    config: Config, tmp_path: Path
) -> None:
    watching = kept(storms)
    patient = Known(NOON + 600.0, NOON + 900.0, within=900.0)
    one = asked(config, watching, tmp_path / "a", [patient])["incidents.persistence_seconds", 300.0]
    assert "none of 1 known incidents" in in_words(one)
    hurried = Known(NOON + 600.0, NOON + 900.0, within=200.0)
    found = asked(config, watching, tmp_path / "b", [hurried])
    assert ("incidents.persistence_seconds", 300.0) not in found


def test_a_ticket_that_ended_by_itself_would_not_have_come_later(
    config: Config, tmp_path: Path
) -> None:
    found = asked(config, kept(skew), tmp_path)
    one = found["incidents.ticket_seconds", 1800.0]
    assert (one.before, one.after) == (Counts(0, 1), Counts(0, 0))
    assert len(one.spared) == 1
    assert ("incidents.ticket_seconds", 900.0) not in found, "it was still open by then"


def test_a_calm_past_is_not_kept_and_asks_for_nothing(config: Config, tmp_path: Path) -> None:
    watching = kept(lambda _world, _moment: ())
    assert not watching.moments
    assert not asked(config, watching, tmp_path)


def test_moments_after_the_last_finding_are_kept_while_its_incident_may_be_open(
    config: Config, tmp_path: Path
) -> None:
    watching = kept(skew)
    first, last = watching.moments[0].now, watching.moments[-1].now
    assert first == NOON + 600.0
    assert last == SPAN.end, "a flapping incident stays open for up to four hours"
    incidents = desk_again(config, PAST, SPAN, watching.moments, tmp_path)
    assert [one.how for one in tellings(incidents.values())] == ["ticket"]
    assert all(one.resolved_at is not None for one in incidents.values())
