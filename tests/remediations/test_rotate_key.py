"""R08: a leaked key is replaced and revoked."""

from incident_scenes import World, spending

from remediations.rotate_key import RotateKey
from vocabulary import failure_modes as f
from vocabulary.actions import Autonomy


def test_issues_a_new_key_before_it_deletes_the_old_one(world: World) -> None:
    world.series["tenant_calls_per_second"] = [({"tenant": "acme", "model": "m"}, [2.0] * 15)]
    action = RotateKey().propose(spending("acme").evolve(failure_mode=f.LEAKED_KEY), world.scene())
    assert action is not None
    first, second = action.command.split(" && ")
    assert '/key/generate" ' in first
    assert '--data \'{"keys": ["acme"]}\'' in second
    assert action.autonomy is Autonomy.TWO_PEOPLE
    assert "120 calls a minute" in action.risk


def test_says_that_calls_are_not_known_instead_of_none(world: World) -> None:
    action = RotateKey().propose(spending("acme"), world.scene())
    assert action is not None
    assert "not known how many calls" in action.risk


def test_never_guesses_whose_key_it_is(world: World) -> None:
    several = spending("acme").evolve(tenants=("acme", "other"))
    assert RotateKey().propose(several, world.scene()) is None
