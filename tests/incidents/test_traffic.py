"""What callers changed near the onset is told of as a change, and ranked by what it fits."""

from collections.abc import Callable

import numpy as np
import pytest
from incident_scenes import NOON, Story, finding, pool_entity

from incidents.change_fit import fits
from vocabulary import failure_modes as f
from vocabulary.entities import Change, Entity, EntityKind
from vocabulary.failure_modes import FailureMode
from vocabulary.samples import Array

MODEL = "model-chat"
POOL = {"pool": "prod/chat", "model": MODEL}
MINUTES = np.arange(-120, 1)


def ramp(before: float, after: float, at: int = -20) -> Array:
    """A sudden shift as a rate over a quarter of an hour shows it."""
    done = np.clip((MINUTES - at) / 15.0, 0.0, 1.0)
    course: Array = before + (after - before) * done
    return course


def traffic(story: Story, **rows: tuple[Array, Array, Array]) -> None:
    """By tenant: calls, prompt tokens and generated tokens a second."""
    names = ("tenant_calls_per_second", "tenant_input_tokens_per_second",
             "tenant_output_tokens_per_second")  # fmt: skip
    for place, name in enumerate(names):
        story.world.series[name] = [
            ({"tenant": tenant, "model": MODEL}, list(row[place])) for tenant, row in rows.items()
        ]


def steady(calls: float = 2.0, tokens: float = 2000.0) -> tuple[Array, Array, Array]:
    return ramp(calls, calls), ramp(tokens, tokens), ramp(200.0, 200.0)


def short(story: Story, mode: FailureMode = f.CAPACITY_SHORTAGE) -> list[tuple[str, str, float]]:
    """What is told to have changed before a shortage that began 8 minutes ago."""
    story.tick(finding(mode, pool_entity(), since=NOON - 480.0, **POOL))
    return [(one.kind, one.what, one.offset_seconds) for one in story.only().changes]


def test_a_tenant_that_came_to_have_most_of_it_is_a_change_with_its_offset(story: Story) -> None:
    story.world.add_pool()
    traffic(story, acme=(ramp(1.0, 3.0), ramp(500.0, 9000.0), ramp(50.0, 90.0)), beta=steady())
    told = short(story)
    (kind, what, offset), *_ = told
    assert (kind, what) == ("traffic", "acme 20% → 81% of the tokens of model-chat")
    assert offset == pytest.approx(-720.0, abs=90.0)
    assert any(what.startswith("prompts of model-chat 833 → ") for _, what, _ in told)


def test_many_more_calls_of_everybody_are_one(story: Story) -> None:
    story.world.add_pool()
    more = (ramp(2.0, 5.0), ramp(2000.0, 5000.0), ramp(200.0, 500.0))
    traffic(story, acme=more, beta=more)
    assert [what for _, what, _ in short(story)] == ["calls of model-chat 4 → 10 a second"]
    assert "Changed" in story.only().headline


@pytest.mark.parametrize("shape", [steady(), (ramp(2.0, 2.6), ramp(2000.0, 2600.0), ramp(1, 1))])
def test_traffic_that_moves_a_little_is_no_change(
    story: Story, shape: tuple[Array, Array, Array]
) -> None:
    story.world.add_pool()
    traffic(story, acme=shape, beta=steady())
    assert short(story) == []


def test_a_shift_hours_before_and_one_that_cannot_matter_are_left_out(
    make_story: Callable[..., Story],
) -> None:
    for at, mode in ((-100, f.CAPACITY_SHORTAGE), (-20, f.GPU_LOST)):
        story = make_story()
        story.world.add_pool()
        more = (ramp(2.0, 5.0, at), ramp(2000.0, 5000.0, at), ramp(200.0, 500.0, at))
        traffic(story, acme=more)
        assert short(story, mode) == []


def test_what_fits_comes_before_what_is_nearer(story: Story) -> None:
    story.world.add_pool()
    pool = pool_entity()
    story.world.changes = [
        Change(NOON - 500.0, "price", pool, "price × 0.7", "prod/chat"),
        Change(NOON - 900.0, "rollout", pool, "v1 → v2", "prod/chat"),
    ]
    assert [kind for kind, *_ in short(story)] == ["rollout", "price"]


@pytest.mark.parametrize(
    ("mode", "listed", "told"),
    [
        (f.COST_SPIKE, "model-chat", True),
        (f.COST_SPIKE, "other", False),
        (f.CAPACITY_SHORTAGE, "other", False),
    ],
)
def test_a_listed_price_is_near_the_spend_on_its_model(
    story: Story, mode: FailureMode, listed: str, told: bool
) -> None:
    """Lists know a model without the organisation before its name."""
    story.world.add_pool()
    entity = Entity(EntityKind.ROUTE, listed)
    story.world.changes = [Change(NOON - 300.0, "price", entity, "input 1 → 2")]
    about = {**POOL, "model": "Acme/Model-Chat"}
    story.tick(finding(mode, Entity(EntityKind.TENANT, "acme"), since=NOON - 200.0, **about))
    assert [one.kind for one in story.only().changes] == ["price"] * told


def test_a_price_is_near_spend_and_a_rollout_is_not_near_a_lost_gpu() -> None:
    def change(kind: str, what: str = "") -> Change:
        return Change(NOON, kind, Entity(EntityKind.POOL, "p"), what)

    assert fits(change("price"), f.COST_SPIKE)
    assert not fits(change("price"), f.ENGINE_STALLED)
    assert not fits(change("rollout"), f.GPU_LOST)
    assert fits(change("driver"), f.GPU_LOST)
    assert fits(change("node", "kernel of n1 6.8 → 6.12"), f.GPU_LOST)
    assert not fits(change("node", "n1 cordoned"), f.GPU_LOST)
    assert fits(change("traffic"), f.CAPACITY_SHORTAGE)
    assert not fits(change("traffic"), f.ENGINE_DEAD)
    assert not fits(change("rollout"), f.LEAKED_KEY)
    assert fits(change("rollout"), f.THROUGHPUT_REGRESSION)
