"""The server's own loop over stored history, tick by tick, with nobody at the other end.

It begins as a server does that is started at the first moment with the history before it in its
store. A sample counts as arrived at its own time, a change when it was told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet.topology import FleetView
from service import assembly
from service.backtest.past import Past
from service.backtest.reading_ahead import ReadingAhead
from service.backtest.span import Span
from service.clock import ManualClock
from service.config import Config
from service.pipeline import Pipeline
from store.records import IncidentRecords
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.scene import Scene

DAY = 86400.0
Told = Callable[[int, int], object]
"""Is told how many ticks are done, and of how many."""
Watched = Callable[[Scene, Sequence[Finding]], object]
"""Is shown each scene with what was found in it."""


@dataclass(slots=True)
class Replayed:
    """What the live path said of a past."""

    span: Span
    ticks: int = 0
    stopped: str = ""
    """Why it ended before the end of the span; empty when it did not."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    """The newest state of each by id."""
    trouble: dict[str, int] = field(default_factory=dict)
    """What the store could not answer, and at how many ticks."""
    heard: frozenset[str] = frozenset()
    """Signals that ever had a value."""
    until: float = 0.0
    """The last moment that was judged."""
    unreachable: bool = False
    """The backend went away."""


@dataclass(slots=True)
class Bench:
    """A server without doors, agent and receivers; its files are in a folder of no consequence."""

    clock: ManualClock
    fleet: FleetView
    records: IncidentRecords
    pipeline: Pipeline
    reading: ReadingAhead

    @classmethod
    def over(cls, config: Config, past: Past, span: Span, folder: Path) -> "Bench":
        """Built as `service.core.build` builds a server, of the same parts.

        Raises:
            ConfigError: The configuration names what there is not.
        """
        clock, fleet = ManualClock(span.start), FleetView()
        records = IncidentRecords(folder / assembly.CONTROL_FILE)
        book = assembly.price_book(config.settings, demo=past.simulated)
        reading = ReadingAhead(past.asking, span.end)
        pipeline = Pipeline(
            store=reading,
            fleet=fleet,
            detectors=assembly.all_detectors(config),
            desk=assembly.desk_of(config, records, book, clock, receivers=()),
            record=lambda _: None,
            interval=span.interval,
        )
        return cls(clock, fleet, records, pipeline, reading)


def replay(
    config: Config,
    past: Past,
    span: Span,
    folder: Path,
    *,
    told: Told = lambda _done, _all: None,
    watched: Watched = lambda _scene, _findings: None,
) -> Replayed:
    """Judge every moment of *span*; an interrupt ends it early, with what there is by then.

    Raises:
        ConfigError, StoreError: The configuration or the stored changes cannot be used.
    """
    bench = Bench.over(config, past, span, folder)
    moments = span.moments.tolist()
    waiting = list(past.changes(span.start - DAY, span.end))[::-1]
    said = Replayed(span, until=span.start)
    try:
        for moment in moments:
            while waiting and waiting[-1].arrived_at <= moment:
                bench.fleet.add_change(waiting.pop().change)
            bench.clock.move_to(moment)
            changed = bench.pipeline.tick(moment)
            if bench.reading.lost is not None:
                said.stopped, said.unreachable = str(bench.reading.lost), True
                break
            said.incidents.update((one.id, one) for one in changed)
            for trouble in bench.pipeline.store_failures:
                said.trouble[trouble] = said.trouble.get(trouble, 0) + 1
            said.ticks, said.until = said.ticks + 1, moment
            watched(bench.pipeline.scene, bench.pipeline.last_findings)
            told(said.ticks, len(moments))
    except KeyboardInterrupt:
        said.stopped = "interrupted"
    finally:
        bench.records.close()
    said.heard = frozenset(bench.reading.heard)
    return said
