"""Every engine through its life, read from its own page: what its replica is said to be, and when.

A recorded page's values are moved as the server would move them, read by the collectors through
the agent, kept in the store, and judged every 15 s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moving_page import AT_THE_END, ENGINES, MovingPage, Speech

import collectors
from collectors._api import ApiCollector
from collectors._reading import PageCollector, PageReader
from fleet.topology import FleetView
from service.agent import Agent
from service.pipeline import Frames
from store.embedded import EmbeddedStore
from vocabulary.contracts import Collector, Page, Target
from vocabulary.discovery import discover
from vocabulary.entities import Replica, ReplicaState
from vocabulary.errors import SourceDown, SourceHung
from vocabulary.samples import labels_of

FOUND = {name: cls() for name, cls in discover(collectors, Collector).items()}  # type: ignore[type-abstract]
READER = PageReader(
    {name: one for name, one in FOUND.items() if isinstance(one, PageCollector)},
    apis={name: one for name, one in FOUND.items() if isinstance(one, ApiCollector)},
)
START = 1_795_500_000.0
STEP = 15.0
LOADING, IDLE, SERVING, SATURATED, STALLED, BLIND = (
    ReplicaState.LOADING, ReplicaState.IDLE, ReplicaState.SERVING,
    ReplicaState.SATURATED, ReplicaState.STALLED, ReplicaState.BLIND,
)  # fmt: skip


@dataclass
class Watched:
    """One server that is read and judged, round by round."""

    folder: Path
    url: str = "http://10.0.0.1:8000/metrics"
    answer: bytes | Exception = field(default_factory=lambda: SourceDown("refuses"))
    now: float = START
    nvml: Any = None
    pods = ()

    def __post_init__(self) -> None:
        self.store = EmbeddedStore(self.folder)
        self.fleet = FleetView()
        self.frames = Frames(self.store)
        target = Target(self.url, labels_of({"replica": "static/10.0.0.1:8000", "pool": "chat"}))
        self.agent = Agent(
            targets=lambda: [target],
            read=READER.read,
            reach=self,
            deliver=lambda _now, samples: self.store.append(samples),
        )

    def offered(self, driver: str, pool: str, device: str) -> None:
        return None

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        if isinstance(self.answer, Exception):
            raise self.answer
        if url != self.url:
            raise SourceDown("nothing there")
        return Page(self.answer, "text/plain", 200, 0.01)

    def look(self, *, scraped: bool = True) -> Replica:
        """One round; the replica as it is judged then."""
        self.now += STEP
        if scraped:
            self.agent.round(self.now)
        self.fleet.update(self.frames.at(self.now), self.now)
        (replica,) = self.fleet.replicas()
        return replica

    def close(self) -> None:
        self.agent.close()
        self.store.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    one = Watched(tmp_path)
    yield one
    one.close()


def live(
    one: Watched, page: MovingPage, rounds: int, *, seconds: float = 8.0, steps: int = 600,
    ends: int = 5, **gauges: float,
) -> list[ReplicaState]:  # fmt: skip
    """So many rounds of a server that works; what it was said to be in each."""
    states = []
    for turn in range(rounds):
        wobble = 0.01 * (turn % 2) if steps else 0.0
        cache = gauges.get("cache", 0.0)
        page.show(**{**gauges, "cache": cache + wobble if cache else 0.0})
        page.work(steps, 4 * steps)
        if ends:
            page.finish(ends, seconds)
        one.answer = page.text
        states.append(one.look().state)
    return states


def rest(one: Watched, rounds: int, **round_: Any) -> list[Replica]:
    """So many rounds in which the page says the same."""
    return [one.look(**round_) for _ in range(rounds)]


def lived_until_saturated(one: Watched, speech: Speech, **work: Any) -> MovingPage:
    """Loading, idle, serving, saturated: each of them seen, and none of them a stall."""
    page = MovingPage(speech)
    assert {replica.state for replica in rest(one, 4)} == {LOADING}
    states = live(one, page, 6, steps=0, ends=0, running=0, waiting=0)
    assert states[-1] is IDLE
    assert set(states) <= {LOADING, IDLE}
    states = live(one, page, 14, running=4, waiting=0, cache=0.3, **work)
    assert states[-1] is SERVING
    assert set(states) <= {IDLE, SERVING}
    states = live(one, page, 10, running=8, waiting=20, cache=0.5, **work)
    assert states[-1] is SATURATED
    assert set(states) <= {SERVING, SATURATED}
    return page


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_counts_its_steps_is_seen_to_stall_within_two_minutes(
    engine: str, watched: Watched
) -> None:
    lived_until_saturated(watched, ENGINES[engine])
    last_step = watched.now
    stalled = next(one for one in rest(watched, 20) if one.state is STALLED)
    assert watched.now - last_step >= 75.0
    seen = [one.state for one in rest(watched, 4)]
    assert seen == [STALLED] * 4
    assert stalled.since - last_step <= STEP, "dated by its last step, not by when it was noticed"
    watched.answer = SourceHung("connected, and said nothing")
    (hung,) = rest(watched, 1)
    assert (hung.state, hung.reason) == (BLIND, "page hung")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_stall_is_called_one_no_later_than_two_minutes_after_the_last_step(
    engine: str, watched: Watched
) -> None:
    page = MovingPage(ENGINES[engine])
    live(watched, page, 8, running=4, waiting=2, cache=0.3)
    last_step = watched.now
    while watched.look().state is not STALLED:
        assert watched.now - last_step < 120.0
    assert watched.now - last_step <= 120.0


@pytest.mark.parametrize("engine", AT_THE_END)
def test_an_engine_that_counts_at_the_end_stalls_when_silent_beyond_its_requests(
    engine: str, watched: Watched
) -> None:
    lived_until_saturated(watched, AT_THE_END[engine])
    last_end = watched.now
    while watched.look().state is not STALLED:
        assert watched.now - last_end < 180.0, "8 s is all that its requests took"
    assert watched.now - last_end >= 75.0
    watched.answer = SourceHung("connected, and said nothing")
    assert watched.look().reason == "page hung"


def test_requests_that_take_minutes_are_waited_for_so_long(watched: Watched) -> None:
    page = lived_until_saturated(watched, AT_THE_END["trtllm"], seconds=190.0)
    calm = rest(watched, 12)
    assert STALLED not in {one.state for one in calm}, "190 s of silence are nothing for it"
    assert STALLED in {one.state for one in rest(watched, 16)}
    live(watched, page, 2, running=8, waiting=20, cache=0.5)
    assert watched.look().state is SATURATED, "one that goes on is no longer stalled"


@pytest.mark.parametrize("engine", AT_THE_END)
def test_a_long_generation_that_fills_the_cache_is_no_silence(
    engine: str, watched: Watched
) -> None:
    page = lived_until_saturated(watched, AT_THE_END[engine])
    states = live(watched, page, 20, steps=1, ends=0, running=1, waiting=0, cache=0.4)
    assert STALLED not in states


@pytest.mark.parametrize("engine", ["nim 1.x", "sglang 0.4"])
def test_requests_beyond_the_last_bound_leave_the_longest_unknown(
    engine: str, watched: Watched
) -> None:
    """Their bounds end at 60 s: of one that takes longer nobody knows how long is too long."""
    lived_until_saturated(watched, AT_THE_END[engine], seconds=100.0)
    assert STALLED not in {one.state for one in rest(watched, 30)}


@pytest.mark.parametrize("engine", [*ENGINES, *AT_THE_END])
def test_an_engine_that_nobody_reads_any_more_is_blind_and_never_stalled(
    engine: str, watched: Watched
) -> None:
    page = MovingPage({**ENGINES, **AT_THE_END}[engine])
    live(watched, page, 14, running=8, waiting=4, cache=0.5)
    seen = rest(watched, 30, scraped=False)
    assert STALLED not in {one.state for one in seen}
    assert (seen[-1].state, seen[-1].reason) == (BLIND, "not scraped")


@pytest.mark.parametrize("engine", [*ENGINES, *AT_THE_END])
def test_a_release_that_renames_everything_is_blind_and_says_what_it_read(
    engine: str, watched: Watched
) -> None:
    page = MovingPage({**ENGINES, **AT_THE_END}[engine])
    live(watched, page, 4, running=2, waiting=0, cache=0.2)
    watched.answer = page.renamed()
    replica = rest(watched, 6)[-1]
    assert (replica.state, replica.reason) == (BLIND, "unknown names")
    verdict, detail = watched.agent.verdicts[watched.url]
    assert (verdict, "brand_new_" in detail) == ("unknown names", True)
    assert len(detail) < 1000


def test_a_sleeping_engine_is_idle_though_work_waits(watched: Watched) -> None:
    page = MovingPage(ENGINES["vllm"])
    live(watched, page, 6, running=4, waiting=0, cache=0.3, awake=1)
    page.show(awake=0, running=0, waiting=3)
    for index in page._find(ENGINES["vllm"].awake):
        page.values[index] = 0.0
    watched.answer = page.text
    seen = rest(watched, 20)
    assert {one.state for one in seen[1:]} == {IDLE}
    assert seen[-1].reason == "asleep"


def test_a_prefill_server_makes_no_output_and_is_no_stall_while_it_reads(watched: Watched) -> None:
    """SGLang with prefill and decode apart: only the prompt's tokens move."""
    page = MovingPage(ENGINES["sglang"])
    for _ in range(20):
        page.show(running=2, waiting=0, cache=0.3)
        page.work(steps=4000)
        watched.answer = page.text
        assert watched.look().state is not STALLED


def test_ollama_is_blind_because_it_tells_nothing_of_its_work(tmp_path: Path) -> None:
    one = Watched(tmp_path, url="http://10.0.0.1:11434/api/ps")
    one.answer = b'{"models":[{"name":"qwen3:8b","size":7,"size_vram":7}]}'
    seen = rest(one, 20)
    one.close()
    assert (seen[-1].state, seen[-1].reason) == (BLIND, "tells nothing of its work")
    assert {replica.state for replica in seen} <= {LOADING, BLIND}
