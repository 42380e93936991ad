"""R20: the agent that calls itself in circles is stopped by its owner."""

from incident_scenes import World, spending

from remediations.stop_agent import StopAgent


def test_says_whom_to_ask_and_what_to_watch(world: World) -> None:
    action = StopAgent().propose(spending("acme"), world.scene())
    assert action is not None
    assert "the owner of acme" in action.command
    assert 'tenant="acme"' in action.verify
