"""A provider outside: it answers in its own time, refuses, and caches prompts or does not."""

from typing import Any

import pytest

from simulator.accounts import Account
from simulator.clusters import HOSTED
from simulator.faults.prompt_cache_miss import PromptCacheMiss
from simulator.faults.provider_errors import ProviderErrors
from simulator.history import history
from simulator.pages.litellm import spend
from simulator.world import World

NOON = 1_795_608_000.0


def of_route(world: World, route: str, tenant: str = "") -> list[Account]:
    return [account for (who, pool), account in world.gateway.accounts.items()
            if pool == route and tenant in ("", who)]  # fmt: skip


def counts(world: World, route: str, tenant: str = "") -> dict[str, float]:
    found = of_route(world, route, tenant)
    return {
        "ok": sum(one.succeeded for one in found),
        "attempts": sum(one.attempts_ok + sum(one.attempts_failed.values()) for one in found),
        "refused": sum(sum(one.attempts_failed.values()) for one in found),
        "input": sum(one.input_tokens for one in found),
        "cached": sum(one.cached_tokens for one in found),
        "usd": float(sum(spend(one, world.spec.pool(route)) for one in found)),
    }


def moved(world: World, seconds: float, *of: str) -> dict[str, float]:
    before = counts(world, *of)
    world.advance(world.now + seconds)
    return {name: value - before[name] for name, value in counts(world, *of).items()}


@pytest.fixture(name="world")
def _world() -> World:
    return World(7, NOON, HOSTED)


def test_it_answers_without_replicas_pages_or_gpus_of_ours(world: World) -> None:
    now = moved(world, 300.0, "frontier")
    assert now["ok"] > 100
    assert now["refused"] == 0
    assert world.pods("frontier") == []
    assert not any("frontier" in door.path for door in world.targets())
    page = world.page(world.gateway_name).decode()
    assert 'model_group="frontier"' in page
    mean = (
        sum(one.total.total for one in of_route(world, "frontier"))
        / counts(world, "frontier")["ok"]
    )
    assert 1.0 < mean < 30.0


def test_f10_calls_fail_there_alone_and_are_tried_again(world: World) -> None:
    world.inject(ProviderErrors(refused=0.6, duration=300.0))
    now = moved(world, 300.0, "frontier")
    assert now["refused"] == pytest.approx(0.6 * now["attempts"], rel=0.15)
    assert counts(world, "chat-70b")["refused"] == 0
    moved(world, 60.0, "frontier")
    assert moved(world, 300.0, "frontier")["refused"] == 0


def test_f35_the_cached_share_of_one_tenant_falls_and_a_token_costs_more(world: World) -> None:
    mine = ("frontier", "support-bot")
    before = moved(world, 200.0, *mine)
    world.inject(PromptCacheMiss(left=0.1, duration=400.0))
    moved(world, 60.0, *mine)
    now = moved(world, 300.0, *mine)
    assert now["cached"] / now["input"] < 0.2 * before["cached"] / before["input"]
    assert now["usd"] / now["input"] > 1.2 * before["usd"] / before["input"]
    moved(world, 100.0, *mine)
    again = moved(world, 200.0, *mine)
    assert again["cached"] / again["input"] == pytest.approx(0.6, abs=0.05)


def test_history_knows_the_gateways_books_of_it() -> None:
    block = next(iter(history(World(7, NOON, HOSTED), span=86_400.0)))
    told: dict[str, Any] = {
        series.name: values
        for series, values in zip(block.series, block.values, strict=True)
        if ("model", "frontier") in series.labels and ("tenant", "search") in series.labels
    }
    assert (
        told["tidegauge_gateway_operations_total"][-1]
        > told["tidegauge_gateway_operations_total"][0]
    )
    assert "tidegauge_gateway_spend_total" in told or len(told) >= 5
    assert not any(("pool", "serving/frontier") in series.labels for series in block.series)
