"""An interrupt or a backend that goes away ends a replay with what was judged by then."""

from pathlib import Path

import numpy as np

from service.backtest.past import Past
from service.backtest.replay import replay
from service.backtest.span import Span
from service.config import Config, load
from store.told_changes import Told
from vocabulary.entities import Change, Entity, EntityKind
from vocabulary.errors import StoreError, StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.samples import Frame, empty_frame

NOON = 1_764_072_000.0
SPAN = Span(NOON, NOON + 150.0, 15.0)


class Empty:
    """A store without series that answers up to a moment, and then with *error*."""

    def __init__(self, error: Exception | None = None, after: float = np.inf) -> None:
        self.error, self.after = error, after

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        if end > self.after and self.error is not None:
            raise self.error
        return empty_frame(np.arange(start, end + step / 2.0, step))

    def newest(self) -> float | None:
        return None


def config(tmp_path: Path) -> Config:
    return load(None, {}, {"data_dir": str(tmp_path)})


def test_an_interrupt_leaves_what_was_judged_by_then(tmp_path: Path) -> None:
    def told(done: int, _all: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    past = Past(Empty(), "p", lambda: None)
    said = replay(config(tmp_path), past, SPAN, tmp_path / "scratch", told=told)
    assert (said.ticks, said.until, said.stopped) == (4, NOON + 60.0, "interrupted")
    assert not said.unreachable


def test_a_backend_that_goes_away_ends_it_and_is_no_blind_calm(tmp_path: Path) -> None:
    past = Past(Empty(StoreUnreachable("it is away"), NOON - 3600.0), "p", lambda: None)
    said = replay(config(tmp_path), past, SPAN, tmp_path / "scratch")
    assert (said.ticks, said.stopped, said.unreachable) == (0, "it is away", True)


def test_what_the_store_cannot_answer_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    past = Past(Empty(StoreError("too large"), NOON - 3600.0), "p", lambda: None)
    said = replay(config(tmp_path), past, SPAN, tmp_path / "scratch")
    assert said.ticks == 10
    assert said.trouble["too large"] >= 10
    assert not said.stopped


def test_a_change_is_told_when_it_arrived_and_not_before(tmp_path: Path) -> None:
    change = Change(NOON + 10.0, "rollout", Entity(EntityKind.POOL, "p"), "image 1 → 2", "p")
    seen: list[tuple[float, int]] = []
    past = Past(Empty(), "p", lambda: None, lambda _start, _end: [Told(NOON + 70.0, change)])
    replay(
        config(tmp_path), past, SPAN, tmp_path / "scratch",
        watched=lambda scene, _found: seen.append((scene.now, len(scene.changes))),
    )  # fmt: skip
    assert [moment for moment, known in seen if known] == [
        NOON + 15.0 * tick for tick in range(5, 11)
    ]
