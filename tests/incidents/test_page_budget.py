"""What wakes a person, and what only makes a ticket."""

from collections.abc import Callable
from decimal import Decimal

from incident_scenes import NOON, Story, finding, gpu_of, pool_entity, stalled, tenant

from incidents.settings import DeskSettings
from vocabulary import failure_modes as f
from vocabulary.failure_modes import Severity
from vocabulary.findings import Evidence

POOL = {"pool": "prod/chat", "model": "model-chat"}


def pages(story: Story) -> int:
    return story.desk.budget(story.clock.moment).realised


def test_an_event_pages_at_once(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    assert story.only().severity is Severity.CRITICAL
    assert pages(story) == 1


def test_one_family_must_last_before_it_pages(story: Story) -> None:
    story.world.add_pool()
    burst = finding(f.ERROR_BURST, pool_entity(), **POOL)
    story.tick(burst)
    incident = story.only()
    assert incident.severity is Severity.WARNING
    assert any(line.what == "page withheld" for line in incident.activity)
    story.hold(120, lambda now: finding(f.ERROR_BURST, pool_entity(), now, **POOL))
    assert story.only().severity is Severity.CRITICAL


def test_two_families_that_agree_page_at_once(story: Story) -> None:
    story.world.add_pool()
    story.tick(
        finding(f.ERROR_BURST, pool_entity(), **POOL),
        finding(f.LATENCY_BURN, pool_entity(), severity=Severity.WARNING, **POOL),
    )
    assert story.only().severity is Severity.CRITICAL


def test_a_mode_off_the_closed_list_makes_a_ticket_however_sure_it_is(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.hold(600, lambda now: finding(f.STRAGGLER_GPU, gpu_of(first), now, confidence=1.0))
    assert story.only().severity is Severity.WARNING
    assert pages(story) == 0


def test_money_that_a_detector_calls_critical_pages_at_once(story: Story) -> None:
    entity = tenant("acme")
    evidence = Evidence(
        "tenant_usd_per_hour", entity, NOON - 600, NOON, 90.0, "spends", 10.0, unit="USD/h"
    )
    story.tick(finding(f.COST_SPIKE, entity, evidence=(evidence,)))
    assert story.only().severity is Severity.CRITICAL
    assert story.only().impact.usd_per_hour == Decimal("80.00")


def test_a_spent_budget_makes_tickets_but_never_hides_a_dead_engine(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(settings=DeskSettings(max_pages_per_week=1))
    first, *_ = story.world.add_pool()
    other = story.world.add_pool("prod/code")[0]
    third = story.world.add_pool("prod/third")[0]
    story.tick(stalled(first))

    where = {"pool": other.pool, "model": other.model}
    story.hold(
        300,
        lambda now: stalled(first, now),
        lambda now: finding(f.ERROR_BURST, pool_entity("prod/code"), now, **where),
    )
    loud = {one.failure_mode: one for one in story.incidents()}
    assert loud[f.ENGINE_STALLED].severity is Severity.CRITICAL
    ticket = loud[f.ERROR_BURST]
    assert ticket.severity is Severity.WARNING
    assert "1 of 1 pages in a week" in ticket.activity[-1].text
    story.tick(stalled(third, story.clock.moment))
    assert pages(story) == 2
    budget = story.desk.budget(story.clock.moment)
    assert (budget.allowed, budget.spent) == (1, True)


def test_pages_older_than_a_week_are_paid_off(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    assert story.desk.budget(story.clock.moment + 8 * 86400).realised == 0


def test_severity_never_softens_while_it_lasts(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    story.hold(60, lambda now: stalled(first, now, severity=Severity.WARNING))
    assert story.only().severity is Severity.CRITICAL
