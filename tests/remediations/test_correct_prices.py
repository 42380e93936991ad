"""R25: the price list is mended, not the bill."""

from incident_scenes import World, incident_about, pool_entity

from remediations.correct_prices import CorrectPrices
from vocabulary import failure_modes as f


def test_says_which_price_and_by_how_much(world: World) -> None:
    incident = incident_about(f.SPEND_DATA_WRONG, pool_entity())
    action = CorrectPrices().propose(incident, world.scene())
    assert action is not None
    assert "price_file" in action.command
    assert "model-chat" in action.title
    assert "usage verify" in action.verify
