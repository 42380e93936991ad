"""How `tidegauge drill` plays a plan, and says how far it is and what a case costs."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress

    from service.drill.campaign import Play
    from service.drill.case import Case, Corpus

LINE_SECONDS = 60.0
"""Wall seconds between two lines where there is no terminal: a log of three hours has 180."""


def played(
    plan: "Sequence[Case]", workers: int, results: Path | None, how: "Play | None" = None
) -> list[dict[str, Any]]:
    """The records of *plan*, by *how* or as the chain plays it; 0 workers are one a core."""
    from service.drill.campaign import run
    from service.drill.record import play

    workers = workers or os.cpu_count() or 1
    with Telling(len(plan)) as telling:
        return run(plan, workers=workers, folder=results, how=how or play, told=telling.told)


def kept(
    records: Sequence[Mapping[str, Any]],
    corpus: "Corpus",
    score: Path | None,
    baseline: Path | None,
) -> list[str] | None:
    """Write the result where it is wanted; what is worse than the baseline, None without one."""
    from service.drill.result import read_result, regressions, result, write_result

    if score is None and baseline is None:
        return None
    before = read_result(baseline) if baseline is not None else None
    found = result(records, corpus.left_out, **run_of_now())
    if score is not None:
        write_result(score, found)
    return None if before is None else regressions(before, found)


def run_of_now() -> dict[str, str]:
    """When, where and by which command this run was made."""
    from service.clock import WallClock
    from service.drill.provenance import provenance

    return provenance(shlex.join(["tidegauge", *sys.argv[1:]]), WallClock().now())


@dataclass(slots=True)
class Telling:
    """Cases done, CPU time of each and time left: a bar at a terminal, else a line a minute."""

    total: int
    visible: bool = field(default_factory=sys.stderr.isatty)
    monotonic: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)
    done: int = 0
    played: int = 0
    cpu_seconds: float = 0.0
    """Of the cases that were played now; what was kept from earlier is not counted."""
    _began: float = field(init=False)
    _line_at: float = field(init=False)
    _bar: "Progress" = field(init=False)

    def __post_init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._began = self._line_at = self.monotonic()
        self._bar = Progress(
            TextColumn("{task.fields[case]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            disable=not self.visible,
        )

    def __enter__(self) -> Self:
        self._bar.add_task("", total=self.total, case="Drill")
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def told(self, case: "Case", record: Mapping[str, Any], *, anew: bool) -> None:
        """One more case is done, played *anew* or read."""
        self.done += 1
        if anew:
            self.played += 1
            self.cpu_seconds += record["cost"]["cpu_seconds"]
        for task in self._bar.task_ids:
            case_name = f"{case.name} seed {case.seed}"
            self._bar.update(task, advance=1, description=self.words(), case=case_name)
        now = self.monotonic()
        if not self.visible and now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            self.say(f"{self.done} of {self.total} cases{self.words()}")

    def words(self) -> str:
        """What a case costs and how long the rest takes at that; empty before anything is known."""
        if not self.played:
            return ""
        each = (self.monotonic() - self._began) / self.played
        left = (self.total - self.done) * each
        hours, minutes = divmod(round(left / 60.0), 60)
        return f", {self.cpu_seconds / self.played:.1f} CPU s each, {hours} h {minutes:02} min left"
