"""Following pods through a real HTTP server: versions, bookmarks, 410, cuts and renewed tokens."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_api_server import FakeApiServer, pod_body

from service.kubernetes.api_server import ApiServer, Expired, api_server
from service.kubernetes.pod_watch import PodWatch
from vocabulary.errors import ConfigError, SourceDown, SourceUnauthorised

OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137,
                      "finishedAt": "2026-11-25T10:00:00Z"}}  # fmt: skip


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as one:
        yield one


@pytest.fixture
def watch(api: FakeApiServer, tmp_path: Path) -> Iterator[PodWatch]:
    token = tmp_path / "token"
    token.write_text("first\n")
    server = ApiServer(api.url, token, timeout_seconds=2.0, watch_seconds=5)
    one = PodWatch(server, "n1", "c", lambda: 1000.0, pause_seconds=0.02)
    yield one
    api.cut()
    one.close()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not come about in ten seconds"
        time.sleep(0.01)


def names(watch: PodWatch) -> set[str]:
    return {one.name for one in watch.pods()}


def test_pods_of_this_node_come_change_and_go(api: FakeApiServer, watch: PodWatch) -> None:
    api.put(pod_body("a"))
    api.put(pod_body("elsewhere", node="n2"))
    watch.start()
    until(lambda: names(watch) == {"a"})
    api.put(pod_body("b"))
    until(lambda: names(watch) == {"a", "b"})
    api.delete("uid-a")
    until(lambda: names(watch) == {"b"})
    api.put(pod_body("b", phase="Failed"))
    until(lambda: names(watch) == set())
    assert watch.trouble == ""
    assert len(api.lists()) == 1


def test_a_cut_watch_goes_on_from_the_last_version_without_a_new_list(
    api: FakeApiServer, watch: PodWatch
) -> None:
    api.put(pod_body("a"))
    watch.start()
    until(lambda: len(api.watches()) == 1 and names(watch) == {"a"})
    api.bookmark()
    until(lambda: watch._informer.version == str(api.version))
    api.cut()
    until(lambda: len(api.watches()) >= 2)
    assert api.watches()[-1]["resourceVersion"] == str(api.version)
    api.put(pod_body("b"))
    until(lambda: names(watch) == {"a", "b"})
    assert len(api.lists()) == 1


def test_a_version_too_old_is_answered_by_listing_again_and_nothing_is_missed(
    api: FakeApiServer, watch: PodWatch
) -> None:
    api.put(pod_body("a"))
    api.put(pod_body("b"))
    with pytest.raises(Expired):
        _list_then_lose_history(api, watch)
    watch.start()
    until(lambda: names(watch) == {"a", "c"})
    assert api.lists()[0]["resourceVersion"] == "0"
    assert "resourceVersion" not in api.lists()[1], "a list after 410 must not come from a cache"
    (change,) = watch.take_changes()
    assert change.kind == "restart"
    assert "OOMKilled" in change.what


def _list_then_lose_history(api: FakeApiServer, watch: PodWatch) -> None:
    watch._informer.relist()
    api.put(pod_body("a", restarts=1, last=OOM))
    api.put(pod_body("c"))
    api.delete("uid-b")
    api.forget()
    watch._informer.turn()


def test_a_renewed_token_is_read_again_and_a_refused_one_names_the_mend(
    api: FakeApiServer, watch: PodWatch, tmp_path: Path
) -> None:
    api.put(pod_body("a"))
    api.token = "second"
    watch.start()
    until(lambda: "agent.readPods" in watch.trouble)
    (tmp_path / "token").write_text("second")
    until(lambda: names(watch) == {"a"})
    until(lambda: watch.trouble == "")


def test_pods_known_last_stay_known_while_the_api_is_away(
    api: FakeApiServer, watch: PodWatch
) -> None:
    api.put(pod_body("a"))
    watch.start()
    until(lambda: len(api.watches()) == 1 and names(watch) == {"a"})
    api.token = "changed"
    api.cut()
    until(lambda: watch.trouble)
    assert names(watch) == {"a"}


def test_the_token_of_a_closed_server_goes_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    with FakeApiServer() as gone:
        url = gone.url
    with pytest.raises(SourceDown):
        ApiServer(url, tmp_path / "token", timeout_seconds=1.0).list_pods("n1")


def test_a_missing_token_is_no_right(tmp_path: Path) -> None:
    with pytest.raises(SourceUnauthorised):
        ApiServer("http://127.0.0.1:9", tmp_path / "none").list_pods("n1")


def test_outside_a_cluster_nobody_is_asked_unless_it_is_demanded(tmp_path: Path) -> None:
    inside = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert api_server("auto", {}, tmp_path) is None
    assert api_server("auto", inside, tmp_path) is None, "a pod without a token asks nobody"
    with pytest.raises(ConfigError, match=r"agent\.readPods"):
        api_server("on", inside, tmp_path)
    (tmp_path / "token").write_text("t")
    assert api_server("off", inside, tmp_path) is None
    found = api_server("auto", inside, tmp_path)
    assert found is not None
    assert found.url == "https://[fd00::1]:6443"


def test_what_happened_to_a_pod_while_no_agent_ran_is_told_after_its_restart(
    api: FakeApiServer, watch: PodWatch
) -> None:
    api.put(pod_body("a", annotations={"x": "canary"}, command=["--key", "canary"]))
    watch._informer.relist()
    memory = json.loads(json.dumps(watch.memory()))
    assert "canary" not in json.dumps(memory)
    api.put(pod_body("a", restarts=2, last=OOM))
    again = PodWatch(watch.api, "n1", "c", lambda: 1000.0, remembered=memory)
    assert again.pods() == (), "what was remembered is not read before it is seen again"
    again._informer.relist()
    assert "resourceVersion" not in api.lists()[-1]
    assert [one.id for one in again.take_changes()] == ["c/llm/uid-a/vllm/restart 2"]
    third = PodWatch(watch.api, "n1", "c", lambda: 1000.0, remembered=again.memory())
    third._informer.relist()
    assert third.take_changes() == []


def test_a_memory_that_another_version_wrote_is_let_go(watch: PodWatch) -> None:
    odd = {"u": {"name": "x", "what": 1}, "v": 5, "w": {"containers": [{"no": 1}]}}
    assert PodWatch(watch.api, "n1", "c", lambda: 1.0, remembered=odd).memory() == {}


def test_updates_that_change_nothing_we_kept_are_no_news(
    api: FakeApiServer, watch: PodWatch
) -> None:
    api.put(pod_body("a"))
    watch.start()
    until(lambda: len(api.watches()) == 1 and names(watch) == {"a"})
    before = watch.revision
    body = pod_body("a")
    body["status"]["qosClass"] = "Burstable"
    api.put(body)
    until(lambda: watch._informer.version == str(api.version))
    assert watch.revision == before
