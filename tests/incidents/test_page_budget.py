"""What wakes a person, and what only makes a ticket."""

from collections.abc import Callable
from decimal import Decimal

from incident_scenes import Story, finding, gpu_of, pool_entity, stalled, tenant

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


def overspend(now: float, amount: float) -> object:
    entity = tenant("acme")
    evidence = Evidence(
        "tenant_usd_per_hour", entity, now - 600, now, 10.0 + amount, "spends", 10.0, unit="USD/h"
    )
    return finding(f.COST_SPIKE, entity, now, evidence=(evidence,))


def test_money_pages_by_what_burns(make_story: Callable[..., Story]) -> None:
    for amount, severity in ((20.0, Severity.WARNING), (80.0, Severity.CRITICAL)):
        story = make_story()
        story.hold(300, lambda now, amount=amount: overspend(now, amount))
        assert story.only().severity is severity
        assert story.only().impact.usd_per_hour == Decimal(f"{amount:.2f}")


def test_a_spent_budget_makes_tickets_but_never_hides_a_dead_engine(
    make_story: Callable[..., Story],
) -> None:
    story = make_story(settings=DeskSettings(max_pages_per_week=1))
    first, *_ = story.world.add_pool()
    other = story.world.add_pool("prod/code")[0]
    third = story.world.add_pool("prod/third")[0]
    story.tick(stalled(first))

    def burst(now: float) -> object:
        return finding(
            f.ERROR_BURST, pool_entity("prod/code"), now, pool=other.pool, model=other.model
        )

    story.hold(300, lambda now: stalled(first, now), burst)
    loud = {one.failure_mode: one.severity for one in story.incidents()}
    assert loud == {f.ENGINE_STALLED: Severity.CRITICAL, f.ERROR_BURST: Severity.WARNING}
    withheld = [
        line.text
        for one in story.incidents()
        for line in one.activity
        if line.what == "page withheld"
    ]
    assert any("1 of 1" in text for text in withheld) or len(withheld) == 1
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
