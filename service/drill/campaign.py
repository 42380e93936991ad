"""Many cases one after another or side by side, each kept as soon as it is played."""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Protocol

from service.drill.case import Case
from service.drill.record import SCHEMA, play
from vocabulary.errors import ConfigError

Play = Callable[[Case], dict[str, Any]]


class Progress(Protocol):
    """Who is told of each case that is done."""

    def __call__(self, case: Case, record: Mapping[str, Any], *, anew: bool) -> None:
        """*anew*: it was played now, and not read from a folder."""


TASKS_OF_A_WORKER = 25
"""Cases before workers are replaced, so that what libraries keep does not add up over hours. New
ones are forked from a process that has imported everything, so that this costs next to nothing.
Our judgement."""


def _tell_nobody(case: Case, record: Mapping[str, Any], *, anew: bool) -> None:
    """No progress is wanted."""


def run(
    cases: Sequence[Case],
    *,
    workers: int = 1,
    folder: Path | None = None,
    how: Play = play,
    told: Progress = _tell_nobody,
) -> list[dict[str, Any]]:
    """Play every case; records in the order of *cases*. *how* must be picklable.

    With a *folder* each record is kept in a file of its own, and a case whose file is there is
    read instead of played: a drill that was broken off goes on where it stopped.

    Raises:
        ConfigError: The folder holds a record of another schema, or cannot be written.
    """
    found: dict[str, dict[str, Any]] = {}
    left = []
    for case in cases:
        kept = _kept(case, folder)
        if kept is None:
            left.append(case)
        else:
            found[case.id] = kept
            told(case, kept, anew=False)
    for case, record in _played(left, workers, how):
        _keep(case, record, folder)
        found[case.id] = record
        told(case, record, anew=True)
    return [found[case.id] for case in cases]


def _played(
    cases: Sequence[Case], workers: int, how: Play
) -> Iterator[tuple[Case, dict[str, Any]]]:
    if workers <= 1 or len(cases) <= 1:
        for case in cases:
            yield case, how(case)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([play.__module__])
    # The executor's own `max_tasks_per_child` comes to rest for ever in Python 3.11 when all its
    # workers have had their tasks: it counts those that have left as idle.
    at_once = workers * TASKS_OF_A_WORKER
    for first in range(0, len(cases), at_once):
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            running = {pool.submit(how, case): case for case in cases[first : first + at_once]}
            for future in as_completed(running):
                yield running[future], future.result()


def _file(case: Case, folder: Path) -> Path:
    return folder / f"{case.id}.json"


def _kept(case: Case, folder: Path | None) -> dict[str, Any] | None:
    if folder is None or not _file(case, folder).exists():
        return None
    record: dict[str, Any] = json.loads(_file(case, folder).read_text(encoding="utf-8"))
    if record.get("schema") != SCHEMA:
        raise ConfigError(
            f"{_file(case, folder)} is of schema {record.get('schema')}, and {SCHEMA} is wanted; "
            "name another folder with --results"
        )
    return record


def _keep(case: Case, record: Mapping[str, Any], folder: Path | None) -> None:
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = _file(case, folder).with_suffix(".part")
        part.write_text(json.dumps(record), encoding="utf-8")
        part.replace(_file(case, folder))
    except OSError as error:
        raise ConfigError(f"cannot keep results in {folder}: {error.strerror}") from error
