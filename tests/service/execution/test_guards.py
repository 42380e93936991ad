"""What keeps an approved plan from being carried out, and that each guard alone can do so."""

from collections.abc import Callable
from typing import Any

import pytest
from execution_site import DEPLOYMENT, FIRST, NODE, PODS, Site
from incident_scenes import incident_about

from store.maintenance import Window
from vocabulary import failure_modes as f
from vocabulary.entities import Entity, EntityKind, ReplicaState
from vocabulary.errors import RequestRefused
from vocabulary.incidents import IncidentState

POD = f"{PODS}/chat-0"


def refused(site: Site, plan: str) -> str:
    written = len(site.cluster.written)
    with pytest.raises(RequestRefused) as caught:
        site.executor.execute(plan, FIRST)
    assert caught.value.reason == "guarded"
    assert len(site.cluster.written) == written
    (entry,) = [one for one in site.records.actions.of_plan(plan) if one.what == "refused"][-1:]
    assert any(not one["passed"] for one in entry.body["decisions"]), "the log says which guard"
    return str(caught.value)


def window(site: Site, **scope: Any) -> None:
    now = site.clock.moment
    site.records.maintenance.put(Window("mw-1", now - 60, now + 600, "crew", "new fans", **scope))


def fewer(site: Site) -> None:
    site.world.replicas = site.world.replicas[:3]


def blind(site: Site, most: int = 3) -> None:
    for one in site.world.replicas[:most]:
        site.world.set_state(one.entity, ReplicaState.BLIND)


def spec_changed(site: Site) -> None:
    site.cluster.objects[POD]["spec"]["nodeName"] = "elsewhere"


def another_pod(site: Site) -> None:
    site.cluster.objects[POD]["metadata"]["uid"] = "another"


def stopped(site: Site) -> None:
    for one in site.world.replicas[1:]:
        site.world.set_state(one.entity, ReplicaState.STALLED)


def stale(site: Site) -> None:
    site.clock.moment += 300.0  # and nobody looked


def gone(site: Site) -> None:
    del site.cluster.objects[POD]


def over(site: Site) -> None:
    site.keep(site.incident.evolve(state=IncidentState.RESOLVED, resolved_at=site.clock.moment))


def merged(site: Site) -> None:
    site.keep(site.incident.evolve(merged_into="inc-other"))


def another_replica(site: Site) -> None:
    site.keep(site.incident.evolve(
        entity=site.pool[1].entity, entities=(site.pool[1].entity,), causes=(),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (fewer, "plan was made for 4 replicas, now 3 replicas: make a new one"),
        (blind, "frozen: 3 of 4 replicas of pool prod/chat are unseen"),
        (stale, "frozen: nothing was judged for 300 s"),
        (spec_changed, "its specification has changed since the plan was made"),
        (another_pod, "another one than was seen in trouble"),
        (stopped, "the precondition does not hold: leaves 0 of 4"),
        (gone, "answers 404"),
        (over, "is resolved"),
        (merged, "merged into inc-other"),
        (another_replica, "R02 would do something else now: make a new one"),
        (lambda site: window(site, pool="prod/chat"), "in maintenance mw-1 of crew: new fans"),
        (lambda site: window(site, entity="replica/" + site.pool[0].entity.id), "in maintenance"),
        (lambda site: window(site, failure_mode="engine_stalled"), "in maintenance mw-1"),
    ],
)
def test_what_happened_since_keeps_it_from_being_done(
    site: Site, happens: Callable[[Site], None], told: str
) -> None:
    plan = site.approved()
    happens(site)
    assert told in refused(site, plan)


def test_work_elsewhere_and_work_to_come_keep_nothing(site: Site) -> None:
    window(site, pool="prod/other")
    now = site.clock.moment
    site.records.maintenance.put(Window("mw-2", now + 60, now + 99, "crew", "", pool="prod/chat"))
    assert site.executor.execute(site.approved(), FIRST)["state"] == "executed"


def test_one_replica_that_is_not_seen_may_still_be_mended(site: Site) -> None:
    plan = site.approved()
    blind(site, 1)
    assert site.executor.execute(plan, FIRST)["state"] == "executed"


def test_a_deployment_that_was_scaled_meanwhile_is_told_by_its_numbers(site: Site) -> None:
    plan = site.approved("R04")
    site.cluster.objects[DEPLOYMENT]["spec"]["replicas"] = 3
    assert "plan was made for 4 replicas, now 3: make a new one" in refused(site, plan)


def test_a_write_between_the_last_look_and_ours_is_refused_by_the_server(site: Site) -> None:
    plan = site.approved("R09")

    def meanwhile() -> None:
        site.cluster.put(NODE, {"taints": []}, "n")

    real = site.cluster.ask

    def racing(group: Any, request: Any, *, dry: bool = False) -> Any:
        if request.method == "PATCH" and not dry:
            meanwhile()
        return real(group, request, dry=dry)

    site.cluster.ask = racing  # type: ignore[method-assign]
    told = site.executor.execute(plan, FIRST)
    assert (told["state"], told["answer"]) == ("failed", "409 the object has been modified")


def test_one_at_a_time_in_a_pool_until_the_first_is_checked(site: Site) -> None:
    first = site.approved()
    site.executor.execute(first, FIRST)
    site.cluster.put(POD, {"nodeName": "node-chat-0"}, "uid-chat-0")
    site.pass_time(60)
    second = site.approved("R01")
    assert f"one at a time: plan {first} on pool/prod/chat is executed" in refused(site, second)
    site.pass_time(16 * 60)
    assert site.state(first) == "cannot tell"
    assert site.executor.execute(site.approved("R01"), FIRST)["state"] == "executed"


def settled(site: Site, number: str = "R09") -> None:
    """Something that is done and checked at once."""
    site.cluster.put(NODE, {}, "n")
    site.pass_time(1)
    assert site.executor.execute(site.approved(number), FIRST)["state"] == "cured"


def test_an_hour_has_its_number_of_executions(site: Site) -> None:
    site.restart(most_per_hour=2, most_per_pool_per_hour=9, most_share_per_day=1.0)
    settled(site)
    settled(site)
    site.cluster.put(NODE, {}, "n")
    assert "2 executions in the last hour, and at most 2" in refused(site, site.approved("R09"))
    site.pass_time(3600)
    settled(site)


def test_an_hour_has_its_number_of_executions_in_a_pool(site: Site) -> None:
    site.restart(most_per_pool_per_hour=1)
    settled(site)
    site.cluster.put(NODE, {}, "n")
    told = refused(site, site.approved("R09"))
    assert "1 executions in the last hour on pool prod/chat" in told


def test_a_day_touches_no_more_than_its_share_of_the_fleet(site: Site) -> None:
    settled(site)
    other = site.pool[1]
    site.cluster.put(NODE.replace("chat-0", "chat-1"), {}, "n1")
    gpu = Entity(EntityKind.GPU, other.gpus[0])
    site.keep(incident_about(f.STRAGGLER_GPU, gpu))
    site.pass_time(1)
    assert "2 nodes of 4 in a day, and at most 1" in refused(site, site.approved("R09"))
    site.pass_time(86_400)
    assert site.executor.execute(site.approved("R09"), FIRST)["state"] == "cured"


def test_two_failures_in_a_day_open_the_breaker(site: Site) -> None:
    for _ in range(2):
        plan = site.approved()
        site.cluster.status = 403
        assert site.executor.execute(plan, FIRST)["state"] == "failed"
        site.cluster.status = 0
        site.pass_time(3601)
    told = refused(site, site.approved())
    assert "the breaker is open until a day has passed" in told


def test_every_refusal_names_every_guard(site: Site) -> None:
    plan = site.approved()
    fewer(site)
    with pytest.raises(RequestRefused) as caught:
        site.executor.execute(plan, FIRST)
    said = {one["guard"]: one["passed"] for one in caught.value.more["decisions"]}  # type: ignore[attr-defined]
    assert len(said) == 12
    assert said["approvals"] is True
    assert said["plan still fits"] is False
