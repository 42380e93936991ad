"""Faults that a gateway with fallbacks answers otherwise: elsewhere, and at another price."""

from collectors._reading import PageReader
from collectors.litellm import Litellm
from simulator.clusters import FALLBACKS
from simulator.fast import SimulatedReach, page_targets
from simulator.faults.provider_errors import ProviderErrors
from simulator.faults.router_down import RouterDown
from simulator.world import World
from vocabulary.metrics import GATEWAY_FALLBACKS

NOON = 1_795_608_000.0


def test_f10_what_a_provider_refuses_is_answered_elsewhere_where_a_fallback_is_named() -> None:
    world = World(7, NOON, FALLBACKS)
    world.inject(ProviderErrors(refused=0.9, duration=600.0))
    before = {key: one.succeeded for key, one in world.gateway.accounts.items()}
    world.advance(NOON + 500.0)
    own, own_before = (
        sum(n for (_, pool), n in one.items() if pool == "chat-70b")
        for one in ({k: a.succeeded for k, a in world.gateway.accounts.items()}, before)
    )
    fell = {one: n for one, n in world.gateway.detours.items() if one.asked == "frontier"}
    worked = sum(n for one, n in fell.items() if one.worked)
    assert {one.to for one in fell} == {"chat-70b"}
    assert worked > 100
    assert own - own_before > worked
    failed = world.gateway.account("support-bot", "frontier").failed
    assert sum(failed.values()) < 0.05 * worked


def test_f09_a_pool_that_falls_back_turns_cheap_calls_into_dear_ones() -> None:
    world = World(7, NOON, FALLBACKS)
    accounts = world.gateway.accounts
    world.inject(RouterDown(pool="code-8b", share=1.0, duration=900.0))
    cheap, dear = (accounts["code-assist", pool].succeeded for pool in ("code-8b", "chat-70b"))
    world.advance(NOON + 240.0)
    detours = {one: n for one, n in world.gateway.detours.items() if one.tenant == "code-assist"}
    assert {(one.asked, one.to, one.why[1]) for one in detours} == {("code-8b", "chat-70b", "503")}
    reader = PageReader({"litellm": Litellm()})
    read = reader.read(page_targets(world)[-1], SimulatedReach(world), world.now)
    told = {
        dict(one.series.labels)["model"]: one.value
        for one in read.samples
        if one.series.name == GATEWAY_FALLBACKS.name
        and dict(one.series.labels)["tenant"] == "code-assist"
    }
    assert told == {"code-8b": sum(detours.values())}
    assert accounts["code-assist", "code-8b"].succeeded - cheap < 10
    assert accounts["code-assist", "chat-70b"].succeeded - dear > 200
