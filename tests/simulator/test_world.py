"""The cluster as a whole: deterministic, conserving, fast, and honest about what changed."""

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from fleet.identity import parse_replica_id
from simulator.cluster import DEMO
from simulator.pods import Stage
from simulator.world import World
from vocabulary.entities import EntityKind
from vocabulary.errors import SourceDown, SourceHung

NOON = 1_795_608_000.0


def pages(world: World) -> dict[str, bytes]:
    return {door.name: world.page(door.name) for door in world.targets()}


def test_one_seed_writes_the_same_pages_byte_for_byte(new_world: Callable[[int], World]) -> None:
    first, second, other = new_world(3), new_world(3), new_world(4)
    for world in (first, second, other):
        world.advance(NOON + 600.0)
    assert pages(first) == pages(second)
    assert set(pages(other)) != set(pages(first))


def test_how_often_it_is_looked_at_changes_nothing(new_world: Callable[[int], World]) -> None:
    rarely, often = new_world(3), new_world(3)
    rarely.advance(NOON + 120.0)
    for second in range(121):
        often.advance(NOON + second)
        pages(often)
    assert pages(rarely) == pages(often)


def test_counters_never_fall_while_processes_live(new_world: Callable[[int], World]) -> None:
    world = new_world(5)
    known: dict[tuple[str, str], float] = {}
    for _scrape in range(40):
        world.advance(world.now + 15.0)
        for name, body in pages(world).items():
            for line in body.decode().splitlines():
                series, _, value = line.rpartition(" ")
                if re.match(r"[a-z:_0-9]+(_total|_bucket|_count|_sum)(\{|$)", series):
                    key = (name, series)
                    assert float(value) >= known.get(key, 0.0), series
                    known[key] = float(value)
    assert len(known) > 2000


def test_requests_are_conserved_over_gateway_and_engines(new_world: Callable[[int], World]) -> None:
    world = new_world(6)
    for _minute in range(20):
        world.advance(world.now + 60.0)
        gateway = world.gateway
        assert gateway.taken == gateway.answered + len(gateway.open)
        inside = sum(pod.engine.running + pod.engine.queued for pod in world.pods())
        waiting_to_retry = sum(one.request is None for one in gateway.open.values())
        assert inside + waiting_to_retry == len(gateway.open)


def test_it_runs_far_faster_than_real_time(new_world: Callable[[int], World]) -> None:
    world = new_world(7)
    began = time.process_time()
    for _scrape in range(40):
        world.advance(world.now + 15.0)
        pages(world)
    speed = 600.0 / (time.process_time() - began)
    assert speed > 120  # 60 times on half a core; it is an order of magnitude more when idle


def test_every_target_says_who_it_is(new_world: Callable[[int], World]) -> None:
    world = new_world(8)
    doors = world.targets()
    assert len(doors) == 9
    assert len({door.path for door in doors}) == 9
    for door in doors:
        labels = dict(door.labels)
        replica = parse_replica_id(labels["replica"])
        assert replica is not None
        assert (replica.cluster, replica.namespace) == ("demo", "serving")
        assert labels["pod"] == door.name
        assert labels["node"]
        assert labels["version"]
    engines = doors[:-1]
    assert {dict(door.labels)["pool"] for door in engines} == {
        "serving/chat-70b", "serving/code-8b", "serving/edge-3b",
    }  # fmt: skip
    assert doors[-1].path.endswith("/metrics/")
    assert "pool" not in dict(doors[-1].labels)


def test_gpus_are_held_by_one_replica_each(new_world: Callable[[int], World]) -> None:
    world = new_world(8)
    held = world.gpu_allocations()
    assert len(held) == 3 * 2 + 3 + 2
    assert len({one.gpu for one in held}) == len(held)
    assert {dict(one.labels)["node"] == one.node for one in held} == {True}


def test_it_starts_busy_and_old(new_world: Callable[[int], World]) -> None:
    world = new_world(9)
    assert world.now == world.start
    assert sum(pod.engine.running for pod in world.pods()) > 5
    for pod in world.pods():
        assert world.start - pod.engine.tally.started >= DEMO.uptime
        assert pod.engine.tally.generated_tokens > 1_000_000


def test_a_rollout_replaces_pod_by_pod_without_failing_a_call(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(10)
    before = {pod.uid for pod in world.pods("code-8b")}
    failed = sum(sum(one.failed.values()) for one in world.gateway.accounts.values())
    world.rollout("code-8b", "0.33.0", pause=10.0)
    seen = set()
    for _step in range(120):
        world.advance(world.now + 5.0)
        ready = [pod for pod in world.pods("code-8b") if pod.stage is Stage.READY]
        assert len(ready) >= 3
        seen |= {pod.version for pod in ready}
    assert seen == {"0.32.0", "0.33.0"}
    assert {pod.version for pod in world.pods("code-8b")} == {"0.33.0"}
    assert not before & {pod.uid for pod in world.pods("code-8b")}
    assert len(world.pods("code-8b")) == 3
    assert failed == sum(sum(one.failed.values()) for one in world.gateway.accounts.values())
    (change,) = world.changes(world.start - 1)
    assert (change.kind, change.pool) == ("rollout", "serving/code-8b")
    assert change.entity.kind is EntityKind.POOL
    assert change.what == "image vllm 0.32.0 → 0.33.0"


def test_a_pool_without_a_spare_gpu_goes_one_down_before_one_comes(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(10)
    world.rollout("edge-3b", "b6500", pause=5.0)
    fewest = 2
    for _step in range(100):
        world.advance(world.now + 2.0)
        ready = sum(pod.stage is Stage.READY for pod in world.pods("edge-3b"))
        fewest = min(fewest, ready)
    assert fewest == 1
    assert [pod.version for pod in world.pods("edge-3b")] == ["b6500", "b6500"]


def test_a_surge_scales_out_late_and_says_so(new_world: Callable[[int], World]) -> None:
    world = new_world(11)
    for source in world.traffic.of(pool="chat-70b"):
        source.rate_factor = 2.6
    world.advance(world.start + 250.0)
    assert not world.changes(world.start)
    world.advance(world.start + 900.0)
    change = world.changes(world.start)[0]
    assert (change.kind, change.what) == ("scale", "replicas 3 → 4")
    fourth = world.pods("chat-70b")[-1]
    assert fourth.stage is Stage.READY
    assert fourth.since - change.at == pytest.approx(DEMO.pool("chat-70b").engine.load_seconds, 0.1)
    for source in world.traffic.of(pool="chat-70b"):
        source.rate_factor = 0.5
    world.advance(world.now + 1800.0)
    assert [one.what for one in world.changes(change.at)] == ["replicas 4 → 3"]


def test_a_loading_pod_refuses_and_a_hanging_one_hangs(new_world: Callable[[int], World]) -> None:
    world = new_world(12)
    pod = world.pods("code-8b")[0]
    pod.hangs = True
    with pytest.raises(SourceHung):
        world.page(pod.name)
    pod.crash(world.now)
    with pytest.raises(SourceDown):
        world.page(pod.name)
    with pytest.raises(SourceDown):
        world.page("nobody")


def test_a_crashed_pod_comes_back_counting_from_zero(new_world: Callable[[int], World]) -> None:
    world = new_world(12)
    pod = world.pods("code-8b")[0]
    pod.crash(world.now)
    world.advance(world.now + 10.0 + pod.engine.model.load_seconds + 30.0)
    assert pod.stage is Stage.READY
    assert pod.restarts == 1
    assert pod.engine.tally.started > world.start
    assert 0 < pod.engine.tally.prompt_tokens < 1_000_000
    assert world.changes(world.start)[0].kind == "restart"
    assert all(one.failed == {} for one in world.gateway.accounts.values())


def test_each_nvml_module_sees_its_node(new_world: Callable[[int], World]) -> None:
    world = new_world(13)
    world.advance(world.start + 60.0)
    assert [world.nvml(node.name).nvmlDeviceGetCount() for node in world.spec.nodes] == [8, 4, 2]
    nvml = world.nvml("gpu-h100-1")
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(8)]
    busy = [nvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in handles]
    assert min(busy[:6]) > 50
    assert busy[6:] == [0, 0]


def test_another_cluster_is_a_matter_of_settings() -> None:
    small = replace(
        DEMO, pools=DEMO.pools[1:2], nodes=DEMO.nodes[1:2], warm_up=60.0,
        streams=tuple(one for one in DEMO.streams if one.pool == "code-8b"),
    )  # fmt: skip
    world = World(1, NOON, small)
    world.advance(NOON + 60.0)
    assert len(world.targets()) == 4
