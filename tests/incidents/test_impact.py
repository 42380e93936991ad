"""What it costs, from what was measured; what was not measured stays unknown."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
from incident_scenes import NOON, Story, finding, gpu_of, pool_entity, stalled, tenant

from incidents.impact import hourly_cost
from incidents.places import draw
from vocabulary import failure_modes as f
from vocabulary.entities import Gpu, GpuShare, Replica, ReplicaState
from vocabulary.failure_modes import Severity
from vocabulary.findings import Evidence, Finding


def four_dollars(gpu: Gpu) -> Decimal:
    return Decimal("4.00")


def rows(one: Replica, values: list[float]) -> list[tuple[dict[str, str], list[float]]]:
    return [({"replica": one.entity.id, "pool": one.pool, "model": one.model}, values)]


def test_a_stalled_replica_burns_its_gpus_and_holds_its_requests(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(price=four_dollars)
    first, *_ = story.world.add_pool()
    story.world.series["requests_running"] = rows(first, [7.0])
    story.world.series["requests_waiting"] = rows(first, [12.0])
    story.world.series["output_tokens_per_second"] = rows(first, [100.0] * 110 + [0.0] * 11)
    story.tick(stalled(first, since=NOON - 600))
    impact = story.only().impact
    assert impact.usd_per_hour == Decimal("4.00")
    assert impact.requests_affected == 19.0
    assert impact.tokens_lost == 66_000.0
    assert "median rate before the onset" in impact.basis
    headline = story.only().headline
    assert "19 requests hit, 66,000 tokens lost, 4.00 USD/h burning" in headline


def test_nothing_measured_is_nothing_known(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    impact = story.only().impact
    assert (impact.requests_affected, impact.tokens_lost) == (None, None)
    assert (impact.usd_per_hour, impact.slo_burn, impact.slo_budget_burnt) == (None, None, None)
    assert impact.basis
    assert "Impact not known." in story.only().headline


def test_a_dead_engine_makes_nothing_in_minutes_without_a_value(story: Story) -> None:
    first, *_ = story.world.add_pool()
    gap = [100.0] * 110 + [50.0] * 5 + [float("nan")] * 6
    story.world.series["output_tokens_per_second"] = rows(first, gap)
    story.tick(finding(f.ENGINE_DEAD, first, since=NOON - 640))
    assert story.only().impact.tokens_lost == 5 * 50.0 * 60.0 + 6 * 100.0 * 60.0


def test_a_slow_replica_burns_the_share_of_its_pace_that_is_lost_and_loses_no_tokens(
    make_story: Callable[..., Story],
) -> None:
    """At night its tokens a second halve as well: that is traffic, and no loss."""
    story = make_story(price=four_dollars)
    first, *_ = story.world.add_pool()
    story.world.series["output_tokens_per_second"] = rows(first, [100.0] * 60 + [10.0] * 61)
    pace = Evidence(
        "inter_token_latency_mean", first.entity, NOON - 600, NOON, 0.040, "40 ms", 0.030
    )
    slow = finding(
        f.THROUGHPUT_REGRESSION,
        first,
        since=NOON - 600,
        severity=Severity.WARNING,
        evidence=(pace,),
    )
    story.tick(slow)
    impact = story.only().impact
    assert impact.tokens_lost is None
    assert impact.usd_per_hour == Decimal("1.00")


def test_a_slow_replica_whose_pace_is_not_known_burns_an_unknown_amount(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(price=four_dollars)
    first, *_ = story.world.add_pool()
    story.tick(finding(f.KV_EXHAUSTION, first, severity=Severity.WARNING))
    assert story.only().impact.usd_per_hour is None


def test_what_is_over_tells_its_worst_hour(story: Story) -> None:
    def spend(now: float, amount: float) -> Finding:
        entity = tenant("acme")
        seen = Evidence(
            "tenant_usd_per_hour", entity, now - 600, now, 10.0 + amount, "s", 10.0, unit="USD/h"
        )
        return finding(f.COST_SPIKE, entity, now, evidence=(seen,))

    story.tick(spend(NOON, 80.0))
    story.hold(120, lambda now: spend(now, 20.0))
    assert story.only().impact.usd_per_hour == Decimal("20.00")
    story.restart()
    story.hold(900)
    over = story.only()
    assert over.impact.usd_per_hour == Decimal("80.00")
    assert "at their worst" in over.impact.basis


def test_a_shared_gpu_costs_each_replica_its_part(make_story: Callable[..., Story]) -> None:
    story = make_story(price=four_dollars)
    first, second, _ = story.world.add_pool()
    story.world.replicas[1] = replace(second, gpus=first.gpus)
    story.tick(stalled(first))
    assert story.only().impact.usd_per_hour == Decimal("2.00")


def test_one_unknown_price_makes_the_sum_unknown(make_story: Callable[..., Story]) -> None:
    story = make_story(price=lambda gpu: Decimal(4) if gpu.node == "node-chat-0" else None)
    first, second, _ = story.world.add_pool()
    story.tick(stalled(first), stalled(second))
    assert story.only().impact.usd_per_hour is None
    assert "not known" in story.only().impact.basis


def test_burn_is_the_gateways_error_share_over_the_budget(story: Story) -> None:
    first, *_ = story.world.add_pool()
    minutes = [0.0] * 110 + [3.0] * 11
    story.world.series["gateway_errors_per_second"] = [({"model": "model-chat"}, minutes)]
    story.world.series["gateway_operations_per_second"] = [({"model": "model-chat"}, [10.0] * 121)]
    story.tick(stalled(first, since=NOON - 645))
    impact = story.only().impact
    assert impact.slo_burn == 30.0
    assert impact.requests_affected == 11 * 3.0 * 60.0
    month = 0.01 * 10.0 * 30 * 86400.0
    assert impact.slo_budget_burnt == round(11 * 3.0 * 60.0 / month, 6)
    assert "0.8% of the month's error budget gone" in story.only().headline
    assert "failed calls since the onset, of 30 days" in impact.basis


def test_who_calls_what_suffers_is_hit_and_who_only_spends_is_not(story: Story) -> None:
    first, *_ = story.world.add_pool()
    about = {"model": "model-chat"}
    story.world.series["gateway_operations_per_second"] = [(about, [10.0] * 121)]
    story.world.series["tenant_operations_per_second"] = [
        ({"tenant": "beta", **about}, [1.0] * 121),
        ({"tenant": "acme", **about}, [9.0] * 121),
        ({"tenant": "gone", **about}, [9.0] * 60 + [0.0] * 61),
        ({"tenant": "other", "model": "model-code"}, [9.0] * 121),
    ]
    story.tick(stalled(first, since=NOON - 645))
    assert story.only().impact.tenants_hit == ("acme", "beta")
    assert story.only().tenants == ()
    assert "2 tenants hit" in story.only().headline


def test_a_tenants_own_spend_hits_nobody(story: Story) -> None:
    story.world.add_pool()
    about = {"model": "model-chat"}
    story.world.series["gateway_operations_per_second"] = [(about, [10.0] * 121)]
    story.world.series["tenant_operations_per_second"] = [({"tenant": "acme", **about}, [9.0] * 9)]
    story.tick(finding(f.COST_SPIKE, tenant("acme"), model="model-chat"))
    assert story.only().impact.tenants_hit is None


def test_calls_that_are_counted_and_never_fail_burn_nothing(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.series["gateway_operations_per_second"] = [({"model": "model-chat"}, [10.0] * 121)]
    story.tick(stalled(first))
    assert story.only().impact.slo_burn == 0.0
    assert "No failed call counted." in story.only().headline


def test_a_gateway_that_calls_a_model_by_its_pool_is_understood(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.series["gateway_errors_per_second"] = [({"model": "prod/chat"}, [1.0] * 121)]
    story.world.series["gateway_operations_per_second"] = [({"model": "prod/chat"}, [10.0] * 121)]
    story.tick(stalled(first))
    assert story.only().impact.slo_burn == 10.0


def test_what_was_counted_does_not_become_unknown_again(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.series["requests_running"] = rows(first, [7.0])
    story.tick(stalled(first))
    story.world.series.clear()
    story.hold(75, lambda now: stalled(first, now))
    impact = story.only().impact
    assert impact.requests_affected == 7.0
    assert "the most that was counted at any time" in impact.basis


def test_when_it_is_over_the_figures_are_those_of_the_trouble_not_of_the_recovery(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(price=four_dollars)
    first, *_ = story.world.add_pool()
    story.world.series["requests_waiting"] = rows(first, [163.0])
    story.tick(stalled(first))
    story.world.series["requests_waiting"] = rows(first, [2.0])
    story.hold(900)
    over = story.only()
    assert over.impact.requests_affected == 163.0
    assert over.impact.usd_per_hour == Decimal("4.00")
    assert "163 requests hit, 4.00 USD/h burnt" in over.headline
    assert "until 12:1" in over.headline
    assert "First step" not in over.headline


def test_sums_over_a_long_past_say_how_far_they_reach(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.series["requests_running"] = rows(first, list(np.full(121, 7.0)))
    story.tick(stalled(first, since=NOON - 90_000))
    assert "last 2 h alone" in story.only().impact.basis


def test_failures_from_before_the_onset_hit_nobody(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.series["gateway_operations_per_second"] = [({"model": "model-chat"}, [10.0] * 121)]
    # Four calls failed in the two minutes before the engine died, and none since.
    failed = [0.0] * 117 + [4 / 120, 4 / 120, 2 / 120, 0.0]
    story.world.series["gateway_errors_per_second"] = [({"model": "model-chat"}, failed)]
    story.tick(finding(f.ENGINE_DEAD, first, since=NOON - 60))
    assert story.only().impact.requests_affected == 0.0


def late(story: Story, share: float) -> None:
    story.world.series["gateway_operations_per_second"] = [({"model": "model-chat"}, [10.0] * 121)]
    story.world.series["gateway_first_tokens_late"] = [({"model": "model-chat"}, [share] * 121)]
    story.world.series["gateway_first_tokens_per_second"] = [({"model": "model-chat"}, [9.0] * 121)]


def test_first_tokens_that_come_late_burn_the_budget_too(story: Story) -> None:
    first, *_ = story.world.add_pool()
    late(story, 0.25)
    story.tick(stalled(first))
    impact = story.only().impact
    assert impact.slo_burn == 25.0
    assert "burn: late first tokens" in impact.basis
    month = 0.01 * 9.0 * 30 * 86400.0
    assert impact.slo_budget_burnt == round(3 * 0.25 * 9.0 * 60.0 / month, 6)
    assert "late first tokens since the onset" in impact.basis


def test_the_faster_of_two_burns_is_told(story: Story) -> None:
    first, *_ = story.world.add_pool()
    late(story, 0.05)
    story.world.series["gateway_errors_per_second"] = [({"model": "model-chat"}, [5.0] * 121)]
    story.tick(stalled(first))
    assert story.only().impact.slo_burn == 50.0


def test_a_replica_pays_for_its_own_part_of_a_shared_gpu(make_story: Callable[..., Story]) -> None:
    story = make_story(price=four_dollars)
    first, second, _ = story.world.add_pool()
    uuid = first.gpus[0]
    story.world.replicas[1] = replace(second, gpus=first.gpus)
    story.world.shares[uuid] = (
        GpuShare("pod", replica=first.entity.id, time=0.75),
        GpuShare("pod", replica=second.entity.id, time=0.25),
    )
    story.tick(stalled(first))
    assert story.only().impact.usd_per_hour == Decimal("3.00")


def test_a_replica_on_a_mig_instance_pays_for_that(make_story: Callable[..., Story]) -> None:
    story = make_story(price=four_dollars)
    first, *_ = story.world.add_pool()
    story.world.shares[first.gpus[0]] = (
        GpuShare("pod", replica=first.entity.id, mig="MIG-1", time=0.5),
        GpuShare("idle", mig="MIG-2", time=0.5),
    )
    scene = story.world.scene()
    story.world.replicas[0] = replace(first, gpus=("MIG-1",))
    drawn = draw(replace(scene, replicas=tuple(story.world.replicas)))
    assert hourly_cost(story.world.replicas[0], drawn, four_dollars) == Decimal("2.00")


def test_a_gpu_that_nobody_uses_burns_its_price(make_story: Callable[..., Story]) -> None:
    story = make_story(price=four_dollars)
    first, *_ = story.world.add_pool()
    story.tick(finding(f.IDLE_GPU, gpu_of(first), severity=Severity.WARNING))
    impact = story.only().impact
    assert impact.usd_per_hour == Decimal("4.00")
    assert "nobody uses" in impact.basis
    assert "96.00 USD more in a day" in impact.forecast


def test_idle_replicas_of_too_large_a_pool_burn_theirs(make_story: Callable[..., Story]) -> None:
    story = make_story(price=four_dollars)
    first, second, _ = story.world.add_pool()
    for one in (first, second):
        story.world.set_state(one.entity, ReplicaState.IDLE)
    story.tick(finding(f.OVER_REPLICATION, pool_entity(), pool="prod/chat"))
    assert story.only().impact.usd_per_hour == Decimal("8.00")
