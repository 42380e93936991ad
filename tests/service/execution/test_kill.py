"""A process that is killed with SIGKILL while its write is under way, and the one after it."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from pathlib import Path

from execution_site import FIRST, Site

from store.records import IncidentRecords


def _execute(file: Path, told: multiprocessing.connection.Connection) -> None:
    site = Site(file)
    plan = site.approved()

    def stop() -> None:
        told.send(plan)
        time.sleep(60)

    site.cluster.after = stop
    site.executor.execute(plan, FIRST)


def test_a_kill_after_the_write_is_told_as_unknown_and_nothing_is_sent_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "control.sqlite"
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_execute, args=(file, theirs))
    child.start()
    theirs.close()
    plan = str(ours.recv())
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    ours.close()
    records = IncidentRecords(file)
    assert [one.what for one in records.actions.of_plan(plan)][-1] == "executing"
    records.close()
    site = Site(file)
    assert site.state(plan) == "unknown"
    assert site.executor.execute(plan, FIRST)["again"] is True
    assert site.cluster.written == []
    assert site.whole() == ""
    site.records.close()
