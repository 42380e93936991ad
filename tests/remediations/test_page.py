"""The page about the cards says what the cards say."""

from pathlib import Path

import pytest

import remediations
from vocabulary import failure_modes as f
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover

PAGE = (Path(__file__).parents[2] / "docs" / "remediations.md").read_text(encoding="utf-8")
CARDS = discover(remediations, Remediation)  # type: ignore[type-abstract]


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_on_the_page_with_what_it_answers(name: str) -> None:
    card = CARDS[name]
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {card.card} | `{name}` |")]
    if card.answers != f.ALL:
        assert set(row.split("|")[-2].strip().split(", ")) == {mode.word for mode in card.answers}


def test_there_are_twenty_five_cards() -> None:
    assert sorted(card.card for card in CARDS.values()) == [f"R{n:02}" for n in range(1, 26)]
