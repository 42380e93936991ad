"""The loop's moments: aligned, never skipped under a simulated clock, and never its last."""

import threading
from typing import Any

import pytest

from service.clock import ManualClock
from service.local import Loop, Pace
from vocabulary.incidents import Incident


class FakeAgent:
    def __init__(self) -> None:
        self.rounds: list[float] = []

    def round(self, now: float) -> list[Any]:
        self.rounds.append(now)
        return []

    def close(self) -> None:
        pass


class FakePipeline:
    def __init__(self) -> None:
        self.ticks: list[float] = []
        self.fail_at: set[float] = set()

    def tick(self, now: float) -> list[Incident]:
        if now in self.fail_at:
            raise RuntimeError("disk full")
        self.ticks.append(now)
        return []


def loop_of(clock: ManualClock, speed: float = 1e6, **more: Any) -> Loop:
    pace = Pace(15.0, clock, speed, simulated=True)
    return Loop(pace, FakeAgent(), FakePipeline(), before=clock.move_to, **more)  # type: ignore[arg-type]


def run_until(loop: Loop, turns: int) -> None:
    done = threading.Event()
    seen = []

    def after(moment: float, changed: Any) -> None:
        seen.append(moment)
        if len(seen) >= turns:
            loop.stop.set()
            done.set()

    loop.after = after
    loop.start()
    assert done.wait(10)
    loop.finish()


def test_moments_are_multiples_of_the_interval_and_none_is_left_out() -> None:
    loop = loop_of(ManualClock(1001.0))
    run_until(loop, 5)
    assert loop.agent.rounds[:5] == [1005.0, 1020.0, 1035.0, 1050.0, 1065.0]  # type: ignore[attr-defined]


def test_a_turn_that_fails_is_said_and_the_next_one_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loop = loop_of(ManualClock(1000.0))
    loop.pipeline.fail_at = {1005.0, 1020.0}  # type: ignore[attr-defined]
    run_until(loop, 2)
    assert loop.pipeline.ticks[:2] == [1035.0, 1050.0]  # type: ignore[attr-defined]
    assert loop.failed == ""


def test_nothing_is_read_while_the_agent_is_cut_off_but_judgement_goes_on() -> None:
    loop = loop_of(ManualClock(1000.0), agent_up=lambda: False)
    run_until(loop, 3)
    assert loop.agent.rounds == []  # type: ignore[attr-defined]
    assert len(loop.pipeline.ticks) >= 3  # type: ignore[attr-defined]


def test_it_stops_at_once_while_it_waits() -> None:
    loop = loop_of(ManualClock(1000.0), speed=0.001)
    loop.start()
    thread = loop._thread
    assert thread is not None
    loop.finish(timeout_seconds=2.0)
    assert not thread.is_alive()
    loop.finish()
