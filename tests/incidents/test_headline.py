"""The page's text is one plain, bounded line, whatever telemetry says."""

from hypothesis import given
from hypothesis import strategies as st
from incident_scenes import NOON, incident_about, pool_entity, rollout

from incidents.headline import MAX_CHARACTERS, headline, plain, title
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.entities import Entity, EntityKind


def test_says_everything_in_the_order_in_which_it_is_needed() -> None:
    card = Action(
        "i", "R01", "Take chat-0 out of rotation", Autonomy.ONE_CLICK, "leaves 2 of 3 replicas",
        "c", "d", "v", "u", "r", True,
    )  # fmt: skip
    told = headline(
        incident_about(f.ENGINE_STALLED, pool_entity(), changes=(rollout(),), actions=(card,))
    )
    order = [
        "model-chat / prod/chat: engine stalled while its health is green",
        "since 11:55 UTC",
        "Impact not known",
        "Most likely engine stalled",
        "Changed 4 min before: image vllm 0.32.0 -> 0.33.0.",
        "First step: Take chat-0 out of rotation [R01; leaves 2 of 3 replicas].",
    ]
    places = [told.find(part) for part in order]
    assert -1 not in places, told
    assert places == sorted(places)
    assert NOON


def test_passes_over_a_step_whose_precondition_fails() -> None:
    unsafe, safe = (
        Action("i", card, title, Autonomy.ONE_CLICK, "p", "c", "d", "v", "u", "r", met)
        for card, title, met in (("R01", "Unsafe", False), ("R02", "Unclear", None))
    )
    told = headline(incident_about(f.ENGINE_STALLED, pool_entity(), actions=(unsafe, safe)))
    assert "First step: Unclear" in told


@given(st.text(max_size=3000))
def test_is_one_line_of_printable_ascii_of_bounded_length(name: str) -> None:
    entity = Entity(EntityKind.TENANT, name)
    incident = incident_about(f.COST_SPIKE, entity, pool=name, model=name, tenants=(name,))
    for text in (headline(incident), title(incident), plain(name)):
        assert len(text) <= MAX_CHARACTERS
        assert text.isascii()
        assert text == "" or text.isprintable()


def test_spells_what_ascii_lacks() -> None:
    assert plain("Z\u00fcrich \u2192 M\u00fcnchen\x1b[31m\n\u202e!") == "Zurich -> Munchen[31m !"
