"""R06: prompts or answers are capped at the gateway."""

from incident_scenes import World, incident_about, spending

from remediations.cap_tokens import CapTokens
from vocabulary import failure_modes as f


def test_watches_the_tenant_where_one_is_named(world: World) -> None:
    action = CapTokens().propose(spending("acme"), world.scene())
    assert action is not None
    assert 'tenant="acme"' in action.verify
    assert "max_tokens: 2048" in action.command


def test_watches_the_cache_otherwise(world: World) -> None:
    action = CapTokens().propose(
        incident_about(f.KV_EXHAUSTION, world.replicas[0].entity), world.scene()
    )
    assert action is not None
    assert "kv_cache" in action.verify
