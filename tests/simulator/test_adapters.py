"""LoRA adapters: those with a slot go ahead, the others wait, and loading stops everybody."""

import numpy as np
import pytest

from collectors.vllm import Vllm
from simulator.adapters import Adapters, AdapterUse, in_use
from simulator.clusters import ADAPTERS
from simulator.engine import Engine
from simulator.engine_presets import PRESETS
from simulator.fast import SimulatedReach, page_targets
from simulator.faults.lora_thrash import LoraThrash
from simulator.history import history
from simulator.requests import Request
from simulator.tallies import Tally
from simulator.world import World
from vocabulary import metrics as m

NOON = 1_795_608_000.0
MODEL = PRESETS["70b-fp8-2xh100"]


def engine(use: AdapterUse, requests: int = 60) -> Engine:
    found = Engine(
        MODEL, np.random.default_rng(1), 0.0, Tally(0.0, MODEL.max_context), adapters=Adapters(use)
    )
    for number in range(requests):
        found.submit(Request(number, number * 0.2, 400, 120, 0))
    return found


def call(adapter: int) -> Request:
    return Request(0, 0.0, 10, 10, 0, adapter=adapter)


def test_who_finds_no_slot_is_passed_over_and_the_base_model_needs_none() -> None:
    slots = Adapters(AdapterUse(slots=2))
    inside = [call(1), call(2), call(0)]
    assert in_use(inside) == {1, 2}
    for adapter, goes in ((3, False), (2, True), (0, True)):
        one = call(adapter)
        assert (slots.next_in_line([one], inside) is one) is goes
    later = call(1)
    assert slots.next_in_line([call(3), call(4), later], inside) is later
    assert slots.next_in_line([call(3)], [call(0)]) is not None


def test_the_least_lately_used_that_does_not_run_makes_room() -> None:
    slots = Adapters(AdapterUse(slots=2, load_seconds=0.5))
    assert [slots.load(one, []) for one in (1, 2, 1, 0)] == [0.5, 0.5, 0.0, 0.0]
    assert slots.load(3, [call(2)]) == 0.5
    assert slots.loaded == [2, 3], "1 was used after 2, but 2 runs"


@pytest.mark.parametrize("asked", [3, 20])
def test_every_call_is_answered_and_no_batch_holds_more_adapters_than_slots(asked: int) -> None:
    one = engine(AdapterUse(slots=4, asked=asked))
    most, answered = 0, 0
    while one.requests():
        one.advance(one.clock + 0.1)
        most = max(most, len(in_use((*one.prefilling, *one.decoding.values()))))
        answered += len(one.leavings())
    assert answered == 60
    assert most == min(4, asked)


def test_more_adapters_than_slots_make_the_same_calls_wait() -> None:
    waits = {}
    for asked in (3, 20):
        one = engine(AdapterUse(slots=4, asked=asked))
        while one.requests():
            one.advance(one.clock + 0.5)
        waits[asked] = one.tally.queue.total / one.tally.queue.count
    assert waits[20] > 5 * waits[3]


def told(world: World) -> dict[str, float]:
    target = next(one for one in page_targets(world) if "chat-70b" in one.url)
    read = Vllm().collect(target, SimulatedReach(world), world.now)
    return {one.series.name: one.value for one in read}


def test_thrash_is_told_on_the_page_and_ends() -> None:
    world = World(3, NOON, ADAPTERS)
    world.inject(LoraThrash(asked=24, duration=600.0), NOON + 120.0)
    waiting = {"before": 0.0, "during": 0.0, "after": 0.0}
    for look in range(80):
        world.advance(world.now + 15.0)
        when = "before" if look < 8 else "during" if 16 <= look < 48 else "after"
        if look < 8 or 16 <= look < 48 or look >= 72:
            waiting[when] += told(world)[str(m.LORA_WAITING)] >= 1.0
    assert waiting["before"] <= 1
    assert waiting["during"] >= 0.8 * 32
    assert waiting["after"] <= 1


def test_history_knows_of_adapters_and_none_waits_there() -> None:
    world = World(3, NOON, ADAPTERS)
    coarse, _fine = history(world, span=86_400.0)
    rows = dict(zip((one.name for one in coarse.series), coarse.values, strict=False))
    assert rows[str(m.LORA_ACTIVE)].max() <= 3
    assert not rows[str(m.LORA_WAITING)].any()
    assert {str(m.LORA_ACTIVE), str(m.LORA_WAITING)} <= set(told(world))
