"""What happened to a pod, from two looks at it."""

from typing import Any

import pytest
from fake_api_server import pod_body

from service.kubernetes.pod_changes import changes_between, unstuck
from service.kubernetes.pod_objects import pod_of
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.statements import statement


def changes(before: dict[str, Any] | None, after: dict[str, Any]) -> list[Change]:
    first = None if before is None else pod_of(pod_body("chat-1", **before))
    return list(changes_between(first, pod_of(pod_body("chat-1", **after)), "prod", 500.0))


def ended(code: int, reason: str) -> dict[str, Any]:
    run = {"reason": reason, "exitCode": code, "finishedAt": "1970-01-01T00:05:00Z"}
    return {"restarts": 1, "last": {"terminated": run}}


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (137, "OOMKilled", "out of memory"), (137, "Error", "SIGKILL"), (143, "Error", "SIGTERM"),
        (1, "Error", "exit code 1"),
    ],
)  # fmt: skip
def test_a_restart_says_why_and_when(code: int, reason: str, words: str) -> None:
    (change,) = changes({}, ended(code, reason))
    assert (change.at, change.kind, change.pool) == (300.0, "restart", "llm/chat")
    assert change.entity.id == "prod/llm/uid-chat-1/vllm"
    assert change.entity.label == "chat-1"
    assert words in change.what


def test_an_image_changed_in_place_is_a_rollout() -> None:
    (change,) = changes({"image": "a:1"}, {"image": "a:2"})
    assert (change.kind, change.what) == ("rollout", "image a:1 → a:2")


def test_an_eviction_is_told_of_once() -> None:
    gone = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    (change,) = changes({}, gone)
    assert change.kind == "node"
    assert "low on memory" in change.what
    assert changes(gone, gone) == []


def test_a_pod_seen_for_the_first_time_and_one_that_stays_tell_nothing() -> None:
    assert changes(None, ended(137, "OOMKilled")) == []
    assert changes(ended(1, "Error"), ended(1, "Error")) == []


@pytest.mark.parametrize(
    ("reason", "words"),
    [("PreemptionByScheduler", "higher priority"), ("EvictionByEvictionAPI", "drain"),
     ("SomethingNew", "taken away (SomethingNew)")],
)  # fmt: skip
def test_whoever_takes_a_pod_away_is_named_at_the_first_sign_alone(reason: str, words: str) -> None:
    going = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason}]}
    (change,) = changes({}, going)
    assert (change.kind, str(change.entity)) == ("node", "pool/llm/chat")
    assert words in change.what
    assert changes(going, {**going, "phase": "Failed", "reason": "Evicted"}) == []


def stuck(reason: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": "not found"}}}


def test_an_image_that_cannot_be_pulled_is_told_once_for_a_new_pod_too() -> None:
    for before in ({"image": "x/y:1"}, None):
        (change,) = changes(before, {**stuck("ErrImagePull"), "image": "x/y:1"})
        assert change.kind == "pending"
        assert change.what == "chat-1 cannot start vllm: ErrImagePull of x/y:1: not found"
    assert changes(stuck("ErrImagePull"), stuck("ImagePullBackOff")) == []
    assert changes({}, stuck("CrashLoopBackOff")) == []
    assert changes({}, stuck("ContainerCreating")) == []


def test_each_restart_has_an_id_of_its_own() -> None:
    first = changes({}, ended(1, "Error"))
    again = changes(ended(1, "Error"), {**ended(1, "Error"), "restarts": 2})
    assert first[0].id != again[0].id
    assert first[0].id == changes({}, ended(1, "Error"))[0].id


def test_a_pod_that_could_not_start_is_told_of_again_when_it_can_or_is_gone() -> None:
    waits = pod_of(pod_body("chat-1", **stuck("ErrImagePull")))
    for after in (pod_of(pod_body("chat-1")), None):
        (change,) = unstuck(waits, after, 500.0)
        assert (change.kind, change.pool) == ("pending", "llm/chat")
        assert statement(change.what) == ("chat-1", statements.CAN_START, "")
    assert list(unstuck(waits, waits, 500.0)) == []
    assert list(unstuck(pod_of(pod_body("chat-1")), None, 500.0)) == []


def test_the_fixed_words_are_found_in_what_is_told() -> None:
    (change,) = changes(None, {**stuck("ErrImagePull"), "image": "x/y:1"})
    assert statement(change.what) == (
        "chat-1", statements.CANNOT_START, "vllm: ErrImagePull of x/y:1: not found",
    )  # fmt: skip
    assert statement("taints of n1: +team:NoExecute") is None
