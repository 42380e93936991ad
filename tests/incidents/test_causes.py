"""The most likely cause comes first, with its reasons, and the same way every time."""

import numpy as np
from incident_scenes import NOON, Story, finding, pool_entity, stalled, tenant

from vocabulary import failure_modes as f
from vocabulary.entities import Change, Entity, EntityKind, ReplicaState
from vocabulary.failure_modes import Severity
from vocabulary.findings import Evidence

POOL = {"pool": "prod/chat", "model": "model-chat"}


def test_a_stall_explains_errors_latency_and_retries(story: Story) -> None:
    first, _ = story.world.add_pool(size=2)
    story.world.set_state(first.entity, ReplicaState.STALLED)
    story.tick(
        stalled(first, since=NOON - 180),
        *(
            finding(mode, pool_entity(), severity=Severity.WARNING, **POOL)
            for mode in (f.ERROR_BURST, f.LATENCY_BURN, f.RETRY_STORM)
        ),
    )
    causes = story.only().causes
    assert causes[0].failure_mode is f.ENGINE_STALLED
    assert causes[0].score > 2 * causes[1].score
    assert "explains" in causes[0].why
    assert "began 60 s before the rest" in causes[0].why, "finding() dates the others at 120 s"
    assert "50% of the pool's replicas did not work" in causes[0].why
    assert sum(cause.score for cause in causes) < 1.0
    known = {record.id for record in story.only().evidence}
    assert all(set(cause.evidence_ids) <= known for cause in causes)


def test_a_retry_storm_explains_the_errors_when_nothing_is_stalled(story: Story) -> None:
    story.world.add_pool()
    story.tick(
        finding(f.ERROR_BURST, pool_entity(), **POOL), finding(f.RETRY_STORM, pool_entity(), **POOL)
    )
    assert story.only().causes[0].failure_mode is f.RETRY_STORM


def test_a_regression_right_after_a_rollout_names_the_change(story: Story) -> None:
    first, *_ = story.world.add_pool()
    what = "image vllm 0.32.0 to 0.33.0"
    story.world.changes = [
        Change(NOON - 80_000, "rollout", pool_entity(), "an old one", "prod/chat"),
        Change(NOON - 360, "rollout", pool_entity(), what, "prod/chat"),
        Change(NOON - 200, "rollout", pool_entity("prod/other"), "not ours", "prod/other"),
    ]
    story.tick(finding(f.THROUGHPUT_REGRESSION, first, severity=Severity.WARNING))
    incident = story.only()
    assert [change.what for change in incident.changes] == [what]
    assert incident.changes[0].offset_seconds == -240.0
    assert "began 4 min after rollout" in incident.causes[0].why
    assert "Changed 4 min before: image vllm 0.32.0 to 0.33.0." in incident.headline


def test_what_somebody_did_comes_before_what_was_seen_to_happen(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.changes = [
        Change(NOON - 700, "rollout", pool_entity(), "vllm 0.32.0 to 0.33.0", "prod/chat"),
        Change(NOON - 300, "scale", first.entity, "chat-9 is no longer seen", "prod/chat"),
    ]
    story.tick(finding(f.THROUGHPUT_REGRESSION, first, severity=Severity.WARNING))
    assert [change.kind for change in story.only().changes] == ["rollout", "scale"]
    assert "Changed 10 min before: vllm" in story.only().headline


def test_a_pod_seen_to_leave_after_the_onset_is_no_suspect(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.world.changes = [Change(NOON - 60, "scale", first.entity, "no longer seen", "prod/chat")]
    story.tick(finding(f.ENGINE_DEAD, first))
    assert "began" not in story.only().causes[0].why


def spike(now: float = NOON, **usual: float) -> object:
    entity = tenant("acme")
    spend = Evidence(
        "tenant_usd_per_hour", entity, now - 900, now, 90.0, "spends 90 USD/h", 4.0, unit="USD/h"
    )
    more = [
        Evidence(f"tenant_{what}_per_second", entity, now - 900, now, factor * 3.0, "more", 3.0)
        for what, factor in usual.items()
    ]
    return finding(f.COST_SPIKE, entity, now, evidence=(spend, *more), tenant="acme")


def calls(story: Story, per_second: np.ndarray, growth: float) -> None:
    """Calls, and prompts that grow evenly by *growth* over the half hour."""
    labels = {"tenant": "acme", "model": "model-chat"}
    size = np.linspace(1000.0, 1000.0 * growth, len(per_second))
    story.world.series.update(
        {
            "tenant_operations_per_second": [(labels, per_second)],
            "tenant_calls_per_second": [(labels, per_second)],
            "tenant_input_tokens_per_second": [(labels, per_second * size)],
        }
    )


def test_regular_calls_with_growing_prompts_are_a_runaway_agent(story: Story) -> None:
    calls(story, np.full(30, 0.2), growth=3.0)
    story.tick(spike())
    cause = story.only().causes[0]
    assert cause.failure_mode is f.RUNAWAY_AGENT
    assert "as regular as a program" in cause.why


def test_a_loop_hidden_in_a_busy_tenants_calls_is_known_by_its_growing_prompts(
    story: Story,
) -> None:
    random = np.random.default_rng(1)
    calls(story, random.poisson(1500.0, 30) / 300.0 * random.uniform(0.7, 1.3, 30), growth=1.0)
    story.tick(spike(calls=1.13, input_tokens=2.9, output_tokens=1.1))
    first, second = story.only().causes[:2]
    assert first.failure_mode is f.RUNAWAY_AGENT
    assert "1.1 times the usual calls, each with 2.6 times the prompt" in first.why
    assert second.failure_mode in (f.CONTEXT_BLOAT, f.COST_SPIKE)


def test_longer_answers_with_longer_prompts_are_no_loop(story: Story) -> None:
    story.tick(spike(calls=1.2, input_tokens=3.0, output_tokens=6.0))
    assert story.only().causes[0].failure_mode is f.COST_SPIKE


def test_the_diagnosis_stays_when_the_spending_fades(story: Story) -> None:
    story.tick(spike(calls=1.13, input_tokens=2.9, output_tokens=1.1))
    story.hold(900)
    assert story.only().resolved_at is not None
    assert story.only().causes[0].failure_mode is f.RUNAWAY_AGENT


def test_irregular_calls_with_growing_prompts_are_context_bloat(story: Story) -> None:
    random = np.random.default_rng(1)
    calls(story, random.poisson(60.0, 30) / 300.0 * random.uniform(0.5, 1.5, 30), growth=3.0)
    story.tick(spike())
    assert story.only().causes[0].failure_mode is f.CONTEXT_BLOAT


def test_irregular_calls_of_the_usual_length_stay_a_cost_spike(story: Story) -> None:
    random = np.random.default_rng(1)
    calls(story, random.poisson(60.0, 30) / 300.0, growth=1.0)
    story.tick(spike())
    assert [cause.failure_mode for cause in story.only().causes] == [f.COST_SPIKE]


def test_too_few_calls_accuse_nobody(story: Story) -> None:
    calls(story, np.full(30, 0.001), growth=1.0)
    story.tick(spike())
    assert [cause.failure_mode for cause in story.only().causes] == [f.COST_SPIKE]


def test_evidence_against_lowers_a_score_and_is_said(story: Story) -> None:
    first, *_ = story.world.add_pool()
    good = Evidence("requests_waiting", first.entity, NOON - 60, NOON, 9.0, "9 wait")
    bad = Evidence(
        "requests_running", first.entity, NOON - 60, NOON, 0.0, "nothing in flight",
        speaks_against=True,
    )  # fmt: skip
    story.tick(stalled(first, evidence=(good,)))
    sure = story.only().causes[0].score
    story.hold(75, lambda now: stalled(first, now, evidence=(good, bad)))
    doubted = story.only().causes[0]
    assert doubted.score < sure
    assert "against it: nothing in flight" in doubted.why


def test_every_piece_of_evidence_brings_the_query_that_shows_it(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(stalled(first))
    record = story.only().evidence[0]
    assert 'replica="east/prod/uid-chat-0/engine"' in record.promql
    assert "tidegauge_llm_requests_waiting" in record.promql


def test_evidence_stays_bounded_over_a_long_incident(story: Story) -> None:
    first, *_ = story.world.add_pool()

    def drifting(now: float) -> object:
        seen = Evidence("requests_waiting", first.entity, now - 60, now, float("nan"), "waits")
        return stalled(first, now, evidence=(seen,))

    story.hold(1200, drifting)
    assert len(story.only().evidence) == 1
    assert story.only().evidence[0].observed is None, "JSON knows no NaN"


def test_a_mode_named_by_one_tenant_says_who(story: Story) -> None:
    story.tick(spike())
    assert story.only().tenants == ("acme",)
    assert story.only().entity == Entity(EntityKind.TENANT, "acme")


def tenants_share(story: Story, hog: list[float], other: list[float]) -> None:
    """Calls a second of two tenants by minute, the newest last."""
    story.world.series["tenant_calls_per_second"] = [
        ({"tenant": "batch", "model": "model-chat"}, hog),
        ({"tenant": "chat", "model": "model-chat"}, other),
    ]


def shortage(story: Story) -> tuple[f.FailureMode, Entity]:
    """The first cause of a shortage that began ten minutes ago."""
    story.world.add_pool()
    told = finding(
        f.CAPACITY_SHORTAGE, pool_entity(), since=NOON - 600, severity=Severity.WARNING, **POOL
    )
    story.tick(told)
    first = story.only().causes[0]
    return first.failure_mode, first.entity


def test_a_tenant_that_came_to_have_most_of_a_short_pool_is_the_cause(story: Story) -> None:
    tenants_share(story, [1.0] * 105 + [12.0] * 16, [4.0] * 121)
    assert shortage(story) == (f.TENANT_HOG, tenant("batch"))


def test_a_tenant_that_always_had_most_of_a_pool_is_no_hog(story: Story) -> None:
    tenants_share(story, [8.0] * 105 + [20.0] * 16, [4.0] * 105 + [10.0] * 16)
    assert shortage(story) == (f.CAPACITY_SHORTAGE, pool_entity())


def test_nobody_is_a_hog_because_the_others_went_away(story: Story) -> None:
    tenants_share(story, [4.0] * 121, [8.0] * 105 + [1.0] * 16)
    assert shortage(story) == (f.CAPACITY_SHORTAGE, pool_entity())
