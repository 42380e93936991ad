"""One broken target never hides another, and what ended is marked as ended."""

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from collectors._reading import Reading
from service.agent import Agent, Hardware
from service.lane import Lane
from vocabulary import metrics
from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.errors import SourceHung
from vocabulary.samples import Sample, Series, labels_of

NODE = Target("node", labels_of({"node": "n1"}))


def target(name: str) -> Target:
    return Target(f"http://{name}/metrics", labels_of({"replica": f"static/{name}"}))


def sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(Series(name, labels_of(labels)), value, 0.0)


RUNNING = metrics.REQUESTS_RUNNING.name


class Pages:
    """Answers each target as the test says; a None blocks until released."""

    def __init__(self) -> None:
        self.answers: dict[str, Reading | None] = {}
        self.release = threading.Event()

    def read(self, one: Target, reach: Reach, now: float) -> Reading:
        answer = self.answers[one.url]
        if answer is None:
            self.release.wait(10)
            return Reading((), "hung")
        return answer


@pytest.fixture
def pages() -> Iterable[Pages]:
    one = Pages()
    yield one
    one.release.set()


def agent_of(
    pages: Pages, targets: list[Target], deadline_seconds: float = 20.0, **more: Any
) -> tuple[Agent, list[Sample]]:
    delivered: list[Sample] = []
    agent = Agent(
        targets=lambda: targets,
        read=pages.read,
        reach=None,  # type: ignore[arg-type]
        deliver=lambda at, samples: delivered.extend(samples),
        deadline_seconds=deadline_seconds,
        **more,
    )
    return agent, delivered


def ups(samples: list[Sample]) -> dict[str, tuple[float, str]]:
    return {
        one.series.label("target"): (one.value, one.series.label("verdict"))
        for one in samples
        if one.series.name == metrics.TARGET_UP.name and not math.isnan(one.value)
    }


def test_a_hung_target_is_named_and_delays_nobody(pages: Pages) -> None:
    good, hung = target("good"), target("hung")
    pages.answers = {good.url: Reading((sample(RUNNING, 3),), "ok"), hung.url: None}
    agent, _ = agent_of(pages, [hung, good], deadline_seconds=1.0)
    assert ups(agent.round(100.0)) == {good.url: (1.0, "ok"), hung.url: (0.0, "hung")}
    assert agent.verdicts[hung.url][0] == "hung"


def test_a_target_still_busy_is_not_asked_twice(pages: Pages) -> None:
    hung = target("hung")
    pages.answers = {hung.url: None}
    agent, _ = agent_of(pages, [hung], deadline_seconds=0.2, lane=Lane(most=1))
    for now in (100.0, 115.0, 130.0):
        assert ups(agent.round(now)) == {hung.url: (0.0, "hung")}
    pages.release.set()


def test_each_limit_that_refuses_a_target_is_counted(pages: Pages) -> None:
    one = target("one")
    agent, _ = agent_of(pages, [one])
    for now, limit in ((0.0, "bytes"), (15.0, "bytes"), (30.0, "time"), (45.0, "")):
        pages.answers = {one.url: Reading((), "oversized", limit=limit)}
        last = agent.round(now)
    counted = {
        sample.series.label("limit"): sample.value
        for sample in last
        if sample.series.name == metrics.TARGET_REFUSALS.name and not math.isnan(sample.value)
    }
    assert counted == {"bytes": 2.0, "time": 1.0}


def test_a_page_that_breaks_its_collector_costs_only_itself(pages: Pages) -> None:
    good, bad = target("good"), target("bad")
    pages.answers = {good.url: Reading((sample(RUNNING, 3),), "ok")}
    agent, _ = agent_of(pages, [bad, good])
    assert ups(agent.round(100.0)) == {good.url: (1.0, "ok"), bad.url: (0.0, "failed")}
    assert agent.verdicts[bad.url] == ("failed", "KeyError")


def test_series_that_a_page_no_longer_shows_are_marked_stale_once(pages: Pages) -> None:
    one = target("one")
    agent, _ = agent_of(pages, [one])
    pages.answers = {one.url: Reading((sample(RUNNING, 3), sample("gone", 1)), "ok")}
    agent.round(100.0)
    pages.answers = {one.url: Reading((sample(RUNNING, 4),), "ok")}
    second = agent.round(115.0)
    marks = [s.series.name for s in second if math.isnan(s.value)]
    assert marks == ["gone"]
    assert not [s for s in agent.round(130.0) if math.isnan(s.value)]


def test_a_failed_target_ends_its_series_and_keeps_its_identity(pages: Pages) -> None:
    one = target("one")
    agent, _ = agent_of(pages, [one])
    page = sample(RUNNING, 3, model="m", engine="vllm", vantage="engine", pool="p")
    pages.answers = {one.url: Reading((page,), "ok")}
    agent.round(100.0)
    pages.answers = {one.url: Reading((), "down", "refused")}
    second = agent.round(115.0)
    assert any(s.series == page.series and math.isnan(s.value) for s in second)
    up = next(s for s in second if s.series.name == metrics.TARGET_UP.name and s.value == 0.0)
    assert (up.series.label("model"), up.series.label("engine")) == ("m", "vllm")


def test_a_page_that_is_recognised_and_says_nothing_is_told_from_its_vantage(pages: Pages) -> None:
    one = target("one")
    agent, _ = agent_of(pages, [one])
    pages.answers = {one.url: Reading((), "unknown names", vantage="router")}
    (up,) = (s for s in agent.round(100.0) if s.series.name == metrics.TARGET_UP.name)
    assert (up.value, up.series.label("vantage")) == (0.0, "router")


def test_a_target_that_is_taken_away_ends_everything_it_had(pages: Pages) -> None:
    one = target("one")
    targets = [one]
    agent, _ = agent_of(pages, targets)
    pages.answers = {one.url: Reading((sample(RUNNING, 3),), "ok")}
    agent.round(100.0)
    targets.clear()
    marks = {s.series.name for s in agent.round(115.0) if math.isnan(s.value)}
    assert {RUNNING, metrics.TARGET_UP.name} <= marks
    assert agent.round(130.0) == []


@dataclass(frozen=True, slots=True)
class Broken(Collector):
    """A collector that fails as told."""

    error: Exception
    produces = ()
    scope = Scope.NODE

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "verdict"), [(SourceHung("GPU 0 hangs"), "hung"), (KeyError("x"), "failed")]
)
def test_broken_hardware_costs_only_itself(pages: Pages, error: Exception, verdict: str) -> None:
    good = target("good")
    pages.answers = {good.url: Reading((sample(RUNNING, 3),), "ok")}
    broken = Hardware("nvml", Broken(error), NODE, None)  # type: ignore[arg-type]
    agent, _ = agent_of(pages, [good], hardware=[broken])
    agent.deadline_seconds = 10.0  # telling the crash may take its time on a busy machine
    told = ups(agent.round(100.0))
    assert told.pop(good.url) == (1.0, "ok")
    hung = {"node/nvml": (0.0, "hung")}
    assert told == (hung if verdict == "hung" else {}), "a driver that hangs is somebody's finding"
    assert agent.verdicts["nvml"][0] == verdict


def test_of_a_guessed_page_nothing_is_said_until_it_was_one_of_ours(pages: Pages) -> None:
    guess = Target("http://guess/metrics", labels_of({"replica": "c/n/u/x"}), expected=False)
    asked: list[float] = []
    agent, _ = agent_of(pages, [guess])
    plain = agent.read
    agent.read = lambda one, reach, now: (asked.append(now), plain(one, reach, now))[1]
    pages.answers = {guess.url: Reading((), "unknown names")}
    assert agent.round(0.0) == []
    assert agent.round(15.0) == []
    assert asked == [0.0], "a stranger is left alone for a while"
    pages.answers = {guess.url: Reading((sample(RUNNING, 1),), "ok")}
    assert ups(agent.round(200.0)) == {guess.url: (1.0, "ok")}
    pages.answers = {guess.url: Reading((), "down")}
    assert ups(agent.round(215.0)) == {guess.url: (0.0, "down")}, "one of ours is missed"
