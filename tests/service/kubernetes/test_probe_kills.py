"""Kills that only events tell of, and that no object, however broken, ends a watch."""

import contextlib
from typing import Any

import pytest
from fake_api_server import event_body
from hypothesis import given
from hypothesis import strategies as st

from service.kubernetes import autoscalers, nodes, probe_kills
from service.kubernetes.pod_objects import pod_of
from service.kubernetes.probe_kills import probe_kill_of
from vocabulary.entities import Change

FAILED = "Container vllm failed {} probe, will be restarted"


def told(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Change]:
    two = [None if one is None else probe_kill_of(one) for one in (before, after)]
    return list(probe_kills.changes_between(two[0], two[1], "c", 999.0))


@pytest.mark.parametrize("probe", ["liveness", "startup"])
def test_a_kill_names_probe_container_and_time(probe: str) -> None:
    (change,) = told(None, event_body("chat-1", FAILED.format(probe)))
    assert (change.at, change.kind, change.entity.label) == (300.0, "probe", "chat-1")
    assert change.entity.id == "c/llm/uid-chat-1/vllm"
    assert change.what.startswith(f"{probe} probe of vllm failed")


def test_an_event_that_counts_one_more_is_one_more_kill_and_its_end_is_none() -> None:
    first, again = (event_body("chat-1", FAILED.format("liveness"), count=n) for n in (1, 2))
    assert told(first, first) == []
    assert [one.id for one in told(first, again)] == ["uid-event/2"]
    assert told(again, None) == []


def test_a_container_that_is_stopped_on_purpose_was_not_killed() -> None:
    with pytest.raises(ValueError, match="no probe"):
        probe_kill_of(event_body("chat-1", "Stopping container vllm"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "conditions", "type", "status", "taints", "key", "nodeInfo",
                         "capacity", "scaleTargetRef", "minReplicas", "metrics", "series",
                         "containers", "containerStatuses", "state", "waiting", "reason"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
KEYS = st.sampled_from(["spec", "status", "involvedObject", "series", "message", "count"])


@given(st.dictionaries(KEYS, JSON))
def test_a_broken_object_is_never_a_crash(body: dict[str, Any]) -> None:
    meta = {"name": "p", "namespace": "n", "uid": "u"}
    whole = {**body, "metadata": meta}
    pod_of(whole)
    one, other = nodes.node_of(whole), nodes.node_of({"metadata": meta})
    list(nodes.changes_between(one, other, 1.0))
    for read in (autoscalers.hpa_of, autoscalers.scaled_object_of):
        list(autoscalers.changes_between(read(whole), read({"metadata": meta}), 1.0))
    with contextlib.suppress(ValueError):
        probe_kill_of(whole)
