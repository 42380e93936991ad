"""R07: a runaway key is brought back to what it usually does."""

from incident_scenes import World, spending

from remediations.limit_key import LimitKey


def test_allows_half_as_much_again_as_is_usual(world: World) -> None:
    action = LimitKey().propose(spending("acme"), world.scene())
    assert action is not None
    assert '"key": "acme", "rpm_limit": 90, "tpm_limit": 189000' in action.command
    assert "/key/info" in action.dry_run
    assert '"rpm_limit": null' in action.undo


def test_leaves_a_quarter_of_the_present_rate_where_nothing_usual_is_known(world: World) -> None:
    action = LimitKey().propose(spending("acme", usual=False), world.scene())
    assert action is not None
    assert '"rpm_limit": 150' in action.command


def test_never_guesses_whose_key_it_is(world: World) -> None:
    incident = spending("acme").evolve(tenants=("acme", "other"))
    assert LimitKey().propose(incident, world.scene()) is None
