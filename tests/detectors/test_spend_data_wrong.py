"""F37: booked dollars against tokens at list price."""

from typing import Any

import pytest
from scene_builder import NOW, World, noisy, step

from detectors.spend_data_wrong import SpendDataWrong
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Change
from vocabulary.findings import Finding

ONSET = NOW - 3000.0


def findings(world: World) -> list[Finding]:
    return list(SpendDataWrong().detect(world.scene()))


def books(share: Any, worth: float = 10.0) -> World:
    """A model's tokens at list price, and what share of that is booked."""
    course = share if callable(share) else (lambda t, level=share: 0.0 * t + level)
    spent = noisy(worth, 0.3)
    world = World().replica("a", model="m").put(signals.POOL_SPEND, spent, model="m")
    return world.put(signals.BOOKED_SPEND, lambda t: spent(t) * course(t), model="m")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.85, 1.2, 10.0])
def test_books_that_came_off_the_list_price_are_found(share: float) -> None:
    (finding,) = findings(books(step(ONSET, 1.0, share)))
    assert finding.entity == identity.pool("chat")
    assert abs(finding.since - ONSET) <= 300.0


@pytest.mark.parametrize("share", [0.95, 1.0, 1.05])
def test_books_within_a_tenth_agree(share: float) -> None:
    assert findings(books(share)) == []


def test_a_price_that_was_always_wrong_is_found() -> None:
    assert findings(books(0.5))


def test_a_gateway_that_never_booked_a_model_is_left_alone() -> None:
    assert findings(books(0.0)) == []


def test_a_few_cents_are_not_compared() -> None:
    assert findings(books(step(ONSET, 1.0, 0.1), worth=0.01)) == []


def test_an_announced_change_of_prices_is_none() -> None:
    """B16."""
    world = books(step(ONSET, 1.0, 0.7))
    world.changes.append(Change(ONSET, "price", identity.pool("chat"), "list of June", "chat"))
    assert findings(world) == []
