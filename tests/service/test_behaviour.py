"""The live engine, wired: moves in order, a budget of statements, incidents, restarts."""

import json

import numpy as np
import pytest

from service.behaviour import follower as module
from service.behaviour.follower import Follower
from service.behaviour.moves import KEPT_SECONDS, LINGER_SECONDS, Move, Moves
from vocabulary import metrics
from vocabulary import signals as s
from vocabulary.samples import Frame, empty_frame, labels_of
from vocabulary.scene import Scene, Watch

STEP = 15.0
BEGIN = 1_760_000_000.0
LATENCY, WAITING = s.ITL_MEAN.name, s.WAITING.name


class Fleet:
    """Replicas whose latency and queue are noise, until something happens to one of them."""

    def __init__(self, replicas: int = 10, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.replicas = replicas
        self.slow: dict[int, float] = {}
        self.queued: dict[int, float] = {}
        self.troubled: dict[str, tuple[tuple[float, float], ...]] = {}

    def scene(self, now: float) -> Scene:
        noise = self.rng.normal(0.0, 1.0, (2, self.replicas))

        def frame(watch: Watch) -> Frame:
            times = np.array([now - STEP, now])
            if watch.signal.name == LATENCY:
                row = 0.03 + 0.001 * noise[0]
                for index, factor in self.slow.items():
                    row[index] *= factor
            elif watch.signal.name == WAITING:
                row = 5.0 + noise[1]
                for index, more in self.queued.items():
                    row[index] += more
            else:
                return empty_frame(times)
            labels = tuple(
                labels_of({"replica": f"r{index}", "pool": "chat", "model": "m"})
                for index in range(self.replicas)
            )
            return Frame(labels, times, np.stack([row, row], axis=1))

        return Scene(now=now, frame=frame, troubled=self.troubled, interval=STEP)


def run(follower: Follower, fleet: Fleet, first: int, ticks: int) -> None:
    for tick in range(first, first + ticks):
        follower.tick(fleet.scene(BEGIN + STEP * tick))


def told(follower: Follower) -> dict:
    return follower.told(BEGIN, BEGIN + 1e6)


def test_what_moves_first_is_told_first_and_two_families_are_unusual() -> None:
    follower, fleet = Follower(STEP), Fleet()
    run(follower, fleet, 0, 400)
    assert told(follower)["unusual"] == []
    fleet.slow[3] = 2.0
    run(follower, fleet, 400, 4)
    assert told(follower)["unusual"] == []  # one family alone is no evidence
    fleet.queued[3] = 40.0
    run(follower, fleet, 404, 4)
    moves = [one for one in told(follower)["moves"] if one["entity"] == "replica/r3"]
    assert [(one["signal"], one["direction"]) for one in moves] == [
        (LATENCY, "up"),
        (WAITING, "up"),
    ]
    assert moves[0]["since"] < moves[1]["since"]
    assert moves[0]["usual"] == pytest.approx(0.03, rel=0.1)
    assert told(follower)["unusual"] == ["replica/r3"]
    assert follower.alarms == 1
    run(follower, fleet, 408, 4)
    assert follower.alarms == 1  # once, however long it lasts


def test_a_new_engine_learns_from_the_past_of_the_store_but_not_from_its_incidents() -> None:
    rng = np.random.default_rng(2)
    values = 0.03 + 0.001 * rng.normal(0.0, 1.0, (2, 481))
    values[1, 100:200] = 0.3
    trouble = {"replica/r1": ((BEGIN - 481 * STEP + 100 * STEP, BEGIN - 280 * STEP),)}

    def frame(watch: Watch) -> Frame:
        columns = 1 + round(watch.lookback / watch.step)
        times = BEGIN - STEP * np.arange(columns - 1, -1, -1)
        if watch.signal.name != LATENCY:
            return empty_frame(times)
        labels = tuple(labels_of({"replica": f"r{index}"}) for index in range(2))
        return Frame(labels, times, values[:, -columns:])

    follower = Follower(STEP)
    follower.tick(Scene(now=BEGIN, frame=frame, troubled=trouble, interval=STEP))
    calm, troubled = follower.engine.state["age"]
    assert calm == 481
    assert 370 <= troubled <= 385
    assert follower.engine.state["edge"][0, 1] < 1.5 * follower.engine.state["edge"][0, 0]


def test_calm_hours_have_next_to_no_statement() -> None:
    follower = Follower(STEP)
    run(follower, Fleet(), 0, 1000)
    assert follower.alarms == 0


def test_an_open_incident_teaches_nothing() -> None:
    follower, fleet = Follower(STEP), Fleet()
    run(follower, fleet, 0, 300)
    fleet.troubled = {"replica/r3": ((BEGIN + STEP * 300, float("inf")),)}
    run(follower, fleet, 300, 50)
    ages = {place.entity: age for place, age in zip(
        follower._places, follower.engine.state["age"], strict=True
    )}  # fmt: skip
    # one more than ticks: the store knew one row before the first
    assert (ages["replica/r3"], ages["replica/r4"]) == (301, 351)


def test_a_restart_goes_on_with_what_was_usual() -> None:
    fleet, follower = Fleet(), Follower(STEP)
    run(follower, fleet, 0, 200)
    again = Follower(STEP)
    again.restore(json.loads(json.dumps(follower.snapshot())))
    for index in range(3):
        shown = fleet.scene(BEGIN + STEP * (200 + index))
        follower.tick(shown)
        again.tick(shown)
    for name, column in follower.engine.state.items():
        np.testing.assert_array_equal(again.engine.state[name], column)
    assert again.budget.bar == follower.budget.bar


@pytest.mark.parametrize("change", [
    {"engine": "bm90IG9uZQ=="}, {"engine": 7}, {"series": []}, {"budget": {}}, {"moves": [{}]},
])  # fmt: skip
def test_a_snapshot_that_cannot_be_used_is_learnt_anew(change: dict) -> None:
    follower, again = Follower(STEP), Follower(STEP)
    run(follower, Fleet(), 0, 5)
    again.restore({**follower.snapshot(), **change})
    assert len(again.engine) == 0
    run(again, Fleet(), 5, 5)
    assert len(again.engine) == 20


def test_series_that_are_gone_for_days_are_forgotten_and_others_stay() -> None:
    follower, fleet = Follower(STEP), Fleet()
    run(follower, fleet, 0, 10)
    fleet.replicas = 6
    later = int(module.FORGET_SECONDS / STEP) + 100
    run(follower, fleet, later, 3)
    assert len(follower.engine) == 12
    assert {place.entity for place in follower._places} == {f"replica/r{i}" for i in range(6)}
    run(follower, fleet, later + 3, 3)


def test_beyond_the_limit_series_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 12)
    follower = Follower(STEP)
    run(follower, Fleet(), 0, 3)
    assert (len(follower.engine), follower.ignored) == (12, 8)


def test_when_following_fails_it_begins_anew_and_says_nothing() -> None:
    follower, fleet = Follower(STEP), Fleet()
    run(follower, fleet, 0, 3)

    def broken(watch: Watch) -> Frame:
        raise ValueError(watch.signal.name)

    assert follower.tick(Scene(now=BEGIN + 60.0, frame=broken)) == []
    run(follower, fleet, 5, 3)
    assert len(follower.engine) == 20


def test_its_figures_are_series() -> None:
    follower = Follower(STEP, per_week=3.0)
    found = {one.series.name: one.value for one in follower.tick(Fleet().scene(BEGIN))}
    assert found[metrics.BEHAVIOUR_SERIES.name] == 20.0
    assert found[metrics.BEHAVIOUR_ALLOWED.name] == 3.0
    assert metrics.BEHAVIOUR_BAR.name in found
    assert metrics.BEHAVIOUR_BUDGET_RATIO.name not in found  # unknown is no figure


def test_moves_end_are_remembered_for_a_day_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = Moves()
    one = Move("replica/a", "x", "latency", "p", "m", 0.0, 10.0, 5.0, 2.0, 1.0)
    moves.note(one)
    moves.settle(10.0 + LINGER_SECONDS + 1.0)
    assert not moves.going
    assert moves.between(5.0, 100.0) == [one]
    assert moves.between(20.0, 100.0) == []
    monkeypatch.setattr("service.behaviour.moves.MOST", 0)
    moves.settle(10.0 + KEPT_SECONDS)
    assert moves.between(0.0, 100.0) == []
