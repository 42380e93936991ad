"""Pages read without their text: the same reading as from the text, for every kind of page."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from collectors._reading import PageReader, Reading
from service import assembly
from service.config import load
from service.drill.quick_reading import QuickReader
from simulator.cluster import DEMO, ClusterSpec
from simulator.clusters import CLUSTERS
from simulator.fast import SimulatedReach, page_targets
from simulator.faults.engine_dead import EngineDead
from simulator.pages.renames import NAMES
from simulator.pages.servers import SERVERS
from simulator.world import World

START = 1_763_337_600.0 + 36_000.0


def reader() -> PageReader:
    return replace(assembly.page_reader(load(None, {}, {})), monotonic=lambda: 0.0)


def served_by(server: str) -> ClusterSpec:
    return replace(DEMO, pools=tuple(replace(pool, server=server) for pool in DEMO.pools))


def readings(world: World, quick: QuickReader, rounds: int) -> Iterator[tuple[Reading, Reading]]:
    """Each page as it is read without its text, and as from the text."""
    plain, reach = reader(), SimulatedReach(world)
    for _ in range(rounds):
        world.advance(world.now + 15.0)
        for target in page_targets(world):
            yield quick.read(target, reach, world.now), plain.read(target, reach, world.now)


def texts(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages whose text was asked for from now on."""
    asked: list[str] = []
    get = SimulatedReach.get

    def counted(self: SimulatedReach, url: str, *arguments: object) -> object:
        asked.append(url)
        return get(self, url, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SimulatedReach, "get", counted)
    return asked


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_numbers_alone_give_the_same_samples_as_the_text(server: str) -> None:
    world = World(5, START, served_by(server))
    quick = QuickReader(reader(), world, text_every=1000)
    world.inject(EngineDead(), world.now + 20.0)  # lines of a page that were not there before
    seen = [0, 0]
    for short, text in readings(world, quick, 5):
        assert short == text
        seen[text.verdict == "ok"] += len(text.samples)
    assert seen[1] > 1000


@pytest.mark.parametrize("cluster", ["adapters", "drafting", "fallbacks", "held-out"])
def test_every_feature_of_a_page_is_read_alike(cluster: str) -> None:
    world = World(6, START, CLUSTERS[cluster])
    quick = QuickReader(reader(), world, text_every=1000)
    for short, text in readings(world, quick, 3):
        assert short == text


def test_pages_that_end_come_back_or_change_their_names_are_read_alike() -> None:
    world = World(7, START)
    quick = QuickReader(reader(), world, text_every=1000)
    assert all(short == text for short, text in readings(world, quick, 2))
    first, second, third, *_ = world.pods()
    first.crash(world.now)
    second.hangs = True
    third.writer.renamed = NAMES["tokens"]
    pairs = list(readings(world, quick, 3))
    assert all(short == text for short, text in pairs)
    assert {"ok", "down", "hung"} <= {text.verdict for _, text in pairs}
    second.hangs, first.engine.model = False, replace(first.engine.model, load_seconds=1.0)
    assert all(short == text for short, text in readings(world, quick, 3))
    world.scraping = False
    assert all(short.verdict == text.verdict == "hung" for short, text in readings(world, quick, 1))


def test_text_is_read_first_and_then_once_in_so_many_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(8, START)
    quick, reach = QuickReader(reader(), world, text_every=4), SimulatedReach(world)
    target = page_targets(world)[0]
    asked = texts(world, monkeypatch)
    rounds = []
    for _ in range(9):
        world.advance(world.now + 15.0)
        asked.clear()
        quick.read(target, reach, world.now)
        rounds.append(bool(asked))
    assert rounds == [True, False, False, False, True, False, False, False, True]
