"""Pools whose prompts are computed apart: both replicas, the way between them, and F13 on it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from collectors.vllm import Vllm
from simulator.agreement import alone, both
from simulator.cluster import ClusterSpec
from simulator.clusters import APART
from simulator.engine_roles import Decoding, Prefilling
from simulator.fast import SimulatedReach, page_targets
from simulator.faults.kv_transfer_broken import KvTransferBroken
from simulator.history import history
from simulator.outlook import outlook
from simulator.pods import Pod
from simulator.world import World
from vocabulary import metrics as m

NOON = 1_795_608_000.0
POOL, BEFORE = "chat-70b", "chat-70b-prefill"


ONLY = replace(
    APART,
    pools=APART.pools[:1],
    streams=tuple(one for one in APART.streams if one.pool == POOL),
    warm_up=30.0,
)


def world_of(spec: ClusterSpec = ONLY, seed: int = 1) -> World:
    return World(seed, NOON, spec)


def linked(**changes: Any) -> ClusterSpec:
    pool = ONLY.pools[0]
    assert pool.prefill is not None
    return replace(ONLY, pools=(replace(pool, prefill=replace(pool.prefill, **changes)),))


def decoding(world: World) -> list[Decoding]:
    return [one.engine for one in world.pods(POOL) if isinstance(one.engine, Decoding)]


def prefilling(world: World) -> list[Prefilling]:
    return [one.engine for one in world.pods(BEFORE) if isinstance(one.engine, Prefilling)]


def read(world: World, pod: Pod) -> dict[str, float]:
    """By name and what sets it apart: what the collector reads off the page of *pod*."""
    (target,) = [one for one in page_targets(world) if f"/{pod.name}/" in one.url]
    samples = Vllm().collect(target, SimulatedReach(world), world.now)
    return {one.series.name: one.value for one in samples}


def since(world: World, seconds: float, *names: str) -> list[float]:
    """How much tallies of the pool's decoding replicas grow."""
    begin = [sum(getattr(one.tally, name) for one in decoding(world)) for name in names]
    world.advance(world.now + seconds)
    end = [sum(getattr(one.tally, name) for one in decoding(world)) for name in names]
    return [after - before for before, after in zip(begin, end, strict=True)]


def test_every_prompt_is_computed_by_the_one_and_decoded_with_by_the_other() -> None:
    world = world_of()
    prompts = sum(one.tally.prompt_tokens for one in prefilling(world))
    asked, fetched, cached = since(
        world, 90.0, "prompt_tokens", "prompt_fetched_tokens", "prompt_cached_tokens"
    )
    computed = sum(one.tally.prompt_tokens for one in prefilling(world)) - prompts
    assert computed == pytest.approx(asked, rel=0.05)
    assert asked > 100_000
    count = asked - fetched - cached  # the last token of each
    assert 150 < count < 450
    for one in prefilling(world):
        assert one.tally.per_token.count == 0
        assert one.tally.finished["stop"] == 0


def test_nothing_is_left_behind_when_no_call_is_open() -> None:
    world = world_of()
    for source in world.traffic.of(pool=POOL):
        source.rate_factor = 0.0
    world.advance(world.now + 120.0)
    for engine in (*decoding(world), *prefilling(world)):
        assert (engine.kv_used, engine.kv_unread, engine.requests()) == (0, 0, [])
    assert not any(one.kept for one in prefilling(world))


def test_the_same_seed_gives_the_same_pages() -> None:
    def pages() -> list[bytes]:
        world = world_of(seed=3)
        world.inject(KvTransferBroken(how="failing", duration=600.0))
        world.advance(world.now + 30.0)
        return [world.page(door.name) for door in world.targets()]

    assert pages() == pages()


def test_pages_and_collector_tell_of_transfers_where_there_are_some() -> None:
    world = world_of()
    world.advance(world.now + 60.0)
    first, here = read(world, world.pods(POOL)[0]), read(world, world.pods(BEFORE)[0])
    took = first[f"{m.KV_TRANSFER_DURATION.name}_sum"]
    speed = first[m.KV_TRANSFER_BYTES.series_names[0]] / took
    assert 5e9 < speed < 20e9, "each of two GPUs tells its half"
    assert here[f"{m.KV_TRANSFER_DURATION.name}_count"] == 0
    assert here[m.KV_TRANSFERS_EXPIRED.series_names[0]] == 0
    whole = world_of(replace(ONLY, pools=(replace(ONLY.pools[0], prefill=None),)))
    assert not any("kv_transfer" in name for name in read(whole, whole.pods(POOL)[0]))


def test_a_page_of_either_half_counts_what_waits_for_its_kv_as_deferred() -> None:
    world = world_of(linked(bandwidth=3e8))
    world.advance(world.now + 60.0)
    (engine, *_), (pod, *_) = decoding(world), world.pods(POOL)
    assert engine.deferred > 0
    page = world.page(pod.name).decode()
    assert f'reason="deferred"}} {float(engine.deferred)}' in page


def test_a_slow_link_shows_in_the_wait_and_not_in_decoding() -> None:
    fast, slow = world_of(), world_of(linked(bandwidth=1e9))
    told = []
    for world in (fast, slow):
        first = world.gateway.accounts[("search", POOL)].to_first_token
        count, total = first.count, first.total
        world.advance(world.now + 120.0)
        told.append((first.total - total) / (first.count - count))
    assert told[1] > 1.5 * told[0]
    pace = [
        np.mean([one.tally.between_tokens.total / one.tally.between_tokens.count
                 for one in decoding(world)])
        for world in (fast, slow)
    ]  # fmt: skip
    assert pace[1] == pytest.approx(pace[0], rel=0.1)


def test_without_prefill_replicas_prompts_are_computed_where_they_are_decoded() -> None:
    world = world_of()
    for pod in world.pods(BEFORE):
        pod.crash(world.now)
    fetched, asked = since(world, 20.0, "prompt_fetched_tokens", "prompt_tokens")
    assert asked > 10_000
    assert fetched < 0.3 * asked
    assert sum(sum(one.failed.values()) for one in world.gateway.accounts.values()) == 0


def test_failing_transfers_are_computed_anew_or_fail_as_the_setting_says() -> None:
    world, strict = world_of(), world_of(linked(recompute=False))
    failed = []
    for one in (world, strict):
        one.inject(KvTransferBroken(how="failing", failing=1.0, duration=900.0))
        one.advance(one.now + 45.0)
        engine = decoding(one)[0]
        assert engine.tally.transfers_failed > 10
        failed.append(engine.tally.finished["error"])
    assert failed[0] == 0
    assert failed[1] > 10
    assert sum(len(one.kept) for one in prefilling(world)) > 3, "nobody says that it may go"


def test_kept_prompts_are_given_up_when_their_lease_is_over() -> None:
    world = world_of()
    injection = world.inject(KvTransferBroken(how="unheard", unheard=1.0, duration=120.0))
    world.advance(world.now + 25.0)
    assert isinstance(injection.fault, KvTransferBroken)
    pod = world.pod_of(injection.fault.victim)
    assert pod is not None
    assert isinstance(pod.engine, Prefilling)
    held, kept = pod.engine.kv_unread, len(pod.engine.kept)
    assert kept > 10
    assert held > 10_000
    assert pod.engine.tally.transfers_expired == 0
    world.advance(world.now + 90.0)
    assert pod.engine.tally.transfers_expired >= kept
    world.advance(world.now + 60.0)
    assert len(pod.engine.kept) < 5, "and it is over with the fault"


def test_a_slow_link_takes_the_link_of_one_replica_and_gives_it_back() -> None:
    world = world_of()
    injection = world.inject(KvTransferBroken(how="slow", duration=60.0))
    world.advance(world.now + 30.0)
    assert isinstance(injection.fault, KvTransferBroken)
    shares = [one.inbound.share for one in decoding(world)]
    assert sorted(shares) == [injection.fault.bandwidth_left, 1.0, 1.0]
    world.advance(world.now + 60.0)
    assert {one.inbound.share for one in decoding(world)} == {1.0}


@pytest.mark.parametrize(
    ("factor", "seconds"),
    [(1.0, 150.0)] + [pytest.param(one, 600.0, marks=pytest.mark.prove) for one in (0.3, 1.0, 2.0)],
)
def test_both_fidelities_agree(factor: float, seconds: float) -> None:
    requests, flows, _ = both(alone(APART, POOL, factor), 5, NOON, seconds)
    assert flows.output_tokens == pytest.approx(requests.output_tokens, rel=0.1)
    assert flows.running == pytest.approx(requests.running, rel=0.15)
    assert flows.between_tokens == pytest.approx(requests.between_tokens, rel=0.1)
    assert flows.busy == pytest.approx(requests.busy, abs=0.1)
    assert flows.watts == pytest.approx(requests.watts, rel=0.07)
    if factor < 1.0:
        assert flows.to_first_token == pytest.approx(requests.to_first_token, rel=0.1)


@pytest.mark.prove
def test_flows_wait_behind_a_link_that_is_too_slow() -> None:
    """By request and by tick alike: what does not come over is not decoded."""
    spec = alone(linked(bandwidth=1.5e8), POOL, 1.0)
    requests, flows, _ = both(spec, 5, NOON, 100.0)
    assert flows.output_tokens == pytest.approx(requests.output_tokens, rel=0.35)
    assert flows.to_first_token > 20.0
    assert requests.to_first_token > 20.0


def test_the_preview_has_a_row_for_either_half() -> None:
    rows = {one.pool: one for one in outlook(ONLY, 1, NOON, 300.0)}
    assert rows[BEFORE].replicas == 2
    assert rows[BEFORE].calls == pytest.approx(rows[POOL].calls, rel=0.1)
    assert rows[BEFORE].busy < rows[POOL].busy


def test_history_tells_of_both_and_goes_on_in_the_live_world() -> None:
    world = World(4, NOON, replace(ONLY, warm_up=300.0))
    coarse, fine = history(world, span=7200.0, recent=900.0)
    world.advance(world.start + 15.0)
    live = {}
    for target in page_targets(world):
        if f"/{POOL}" in target.url:
            for sample in Vllm().collect(target, SimulatedReach(world), world.now):
                live[sample.series] = sample.value
    checked = 0
    for at, series in enumerate(fine.series):
        told = series.label("pool") or ""
        counts = series.name.endswith(("_total", "_count", "_sum"))
        if series.label("vantage") == "engine" and told.startswith(f"serving/{POOL}") and counts:
            path = [*coarse.values[at], *fine.values[at], live[series]]
            assert np.all(np.diff(path) >= -1e-6 * abs(path[-1])), series
            checked += 1
    assert checked > 100
