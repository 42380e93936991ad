"""Faults that a gateway with fallbacks answers otherwise: elsewhere, and at another price."""

import pytest

from simulator.clusters import FALLBACKS
from simulator.faults.dear_model_mix import DearModelMix
from simulator.faults.provider_errors import ProviderErrors
from simulator.world import World

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


def test_f36_a_limit_that_is_too_low_sends_its_share_of_calls_to_the_dear_fallback() -> None:
    world = World(7, NOON, FALLBACKS)
    world.inject(DearModelMix(share=0.4, duration=900.0))
    cheap, dear = (world.gateway.account("code-assist", pool) for pool in ("code-8b", "chat-70b"))
    before = cheap.succeeded
    world.advance(NOON + 890.0)
    detours = {one: n for one, n in world.gateway.detours.items() if one.asked == "code-8b"}
    fell, stayed = sum(detours.values()), cheap.succeeded - before
    assert {(one.tenant, one.to, one.why[1]) for one in detours} == {
        ("code-assist", "chat-70b", "429")
    }
    assert fell / (fell + stayed) == pytest.approx(0.4, abs=0.05)
    assert dear.succeeded > fell * 0.9
    world.advance(NOON + 960.0)
    assert world.gateway.limited == {}
