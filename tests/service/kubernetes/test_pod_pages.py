"""Which pods are read, under which name, and that no pod can aim the agent elsewhere."""

from typing import Any

import pytest
from fake_api_server import pod_body
from hypothesis import given
from hypothesis import strategies as st

from service.kubernetes.pod_objects import pod_of
from service.kubernetes.pod_pages import Found, PodRules, find_pages

RULES = PodRules("prod", "n1")
SCRAPE = {"prometheus.io/scrape": "true"}
PLAIN = [{"name": "api", "containerPort": 8000}]


def find(rules: PodRules = RULES, **more: Any) -> Found:
    return find_pages([pod_of(pod_body("chat-1", **more))], rules)


def urls(found: Found) -> list[str]:
    return [one.url for one in found.targets]


def test_a_pod_is_read_by_port_name_with_the_identity_kubernetes_gave_it() -> None:
    (target,) = find().targets
    assert target.url == "http://10.1.0.5:8000/metrics"
    assert dict(target.labels) == {
        "cluster": "prod", "node": "n1", "namespace": "llm", "pod": "chat-1", "pool": "llm/chat",
        "replica": "prod/llm/uid-chat-1/vllm", "version": "v0.33.0",
    }  # fmt: skip
    assert target.expected


def test_annotations_name_port_and_path() -> None:
    told = {**SCRAPE, "prometheus.io/port": "9000", "prometheus.io/path": "/m/x-1.y"}
    ports = [*PLAIN, {"containerPort": 9000}]
    assert urls(find(annotations=told, ports=ports)) == ["http://10.1.0.5:9000/m/x-1.y"]
    assert urls(find(annotations={"prometheus.io/scrape": "false"})) == []


def test_a_label_of_the_configuration_selects_pods_that_say_nothing() -> None:
    unknown = {"ports": PLAIN, "image": "acme/serve:1", "limits": {}}
    assert urls(find(**unknown)) == []
    rules = PodRules("prod", "n1", labels=("serving=llm",))
    found = find(rules, labels={"serving": "llm"}, **unknown)
    assert urls(found) == ["http://10.1.0.5:8000/metrics"]
    assert found.targets[0].expected


def test_a_page_of_a_pod_without_a_gpu_is_only_a_guess_and_may_be_a_gateway() -> None:
    (target,) = find(limits={}).targets
    assert not target.expected
    assert "pool" not in dict(target.labels)


@pytest.mark.parametrize(
    "more",
    [
        {"annotations": {**SCRAPE, "prometheus.io/port": "10250"}},
        {"annotations": {**SCRAPE, "prometheus.io/port": "22"},
         "ports": [{"containerPort": 22}]},
        {"annotations": {**SCRAPE, "prometheus.io/path": "/@169.254.169.254/latest"}},
        {"annotations": {**SCRAPE, "prometheus.io/path": "//evil?x=1"}},
        {"annotations": {**SCRAPE, "prometheus.io/path": "/metrics\n"}},
        {"annotations": {**SCRAPE, "prometheus.io/scheme": "file"}},
        {"host_network": True},
        {"ip": "10.0.0.1"},
        {"ip": "169.254.169.254"},
        {"ip": "127.0.0.1"},
        {"ip": "::1"},
        {"ip": "fe80::1"},
        {"ip": "0.0.0.0"},
        {"ip": "metadata.internal"},
        {"ip": ""},
        {"ports": [{"name": "metrics", "containerPort": 80}]},
        {"ports": [{"name": "metrics", "containerPort": 8000, "protocol": "UDP"}],
         "annotations": SCRAPE},
    ],
)  # fmt: skip
def test_no_pod_can_aim_the_agent_elsewhere(more: dict[str, Any]) -> None:
    found = find(**more)
    assert found.targets == ()
    assert found.refused[0][0] == "llm/chat-1"


OTHER = {"image": "acme/serve:1", "ports": PLAIN}


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (["vllm", "serve", "qwen3"], ":8000/metrics"),
        (["/bin/sh", "-c", "exec vllm serve qwen3 --port 9001"], ":9001/metrics"),
        (["python3", "-m", "vllm.entrypoints.openai.api_server"], ":8000/metrics"),
        (["python3", "-m", "sglang.launch_server", "--port=30001"], ":30001/metrics"),
        (["trtllm-serve", "m"], ":8000/prometheus/metrics"),
        (["tritonserver", "--metrics-port=8102"], ":8102/metrics"),
        (["text-generation-launcher", "--port", "3100"], ":3100/metrics"),
        (["lmdeploy", "serve", "api_server", "m", "--server-port", "23334"], ":23334/metrics"),
        (["/app/llama-server", "--port", "8081"], ":8081/metrics"),
        (["python", "-m", "dynamo.frontend", "--http-port", "8100"], ":8100/metrics"),
    ],
)
def test_a_model_server_is_known_by_its_command_line(line: list[str], url: str) -> None:
    found = find(command=line, **OTHER)
    assert urls(found) == [f"http://10.1.0.5{url}"]
    assert found.targets[0].expected
    assert not find(command=line, limits={}, **OTHER).targets[0].expected
    assert urls(find(PodRules("prod", "n1", commands=False), command=line, **OTHER)) == []


@pytest.mark.parametrize(
    "line",
    [["vllm-serve"], ["myvllm", "serve"], ["echo", "vllm"], ["ollama", "serve"],
     ["vllm", "serve", "--port", "80"], ["sglang.launch_servers"]],
)  # fmt: skip
def test_another_command_and_a_privileged_port_are_not_read(line: list[str]) -> None:
    assert urls(find(command=line, **OTHER)) == []


def test_nothing_a_command_line_says_aims_the_agent_at_another_host() -> None:
    line = ["vllm", "serve", "--host", "169.254.169.254", "--port", "10250 --port 22"]
    for url in urls(find(command=line, **OTHER)):
        assert url.startswith("http://10.1.0.5:")


def test_annotations_and_port_names_of_the_configuration_select_pods() -> None:
    rules = PodRules("prod", "n1", annotations=("team/llm", "tier=a"), port_names=("api",))
    other: dict[str, Any] = {"image": "acme/serve:1", "ports": [{"containerPort": 8000}]}
    assert urls(find(rules, annotations={"team/llm": "x"}, **other)) != []
    assert urls(find(rules, annotations={"tier": "a"}, **other)) != []
    assert urls(find(rules, annotations={"tier": "b"}, **other)) == []
    assert urls(find(rules, **OTHER)) == ["http://10.1.0.5:8000/metrics"]


def test_kserve_says_where_its_servers_show_their_page() -> None:
    told = {"serving.kserve.io/enable-prometheus-scraping": "true",
            "prometheus.kserve.io/port": "8080", "prometheus.kserve.io/path": "/v1/m"}  # fmt: skip
    ports = [*PLAIN, {"containerPort": 8080}]
    found = find(annotations=told, image="acme/serve:1", ports=ports)
    assert urls(found) == ["http://10.1.0.5:8080/v1/m"]
    assert urls(find(annotations={**told, "prometheus.kserve.io/port": "10250"}, ports=ports)) == []


def test_ports_are_looked_into_only_when_that_is_switched_on_and_only_as_a_guess() -> None:
    ports = [{"containerPort": 8000}, {"containerPort": 9000}, {"containerPort": 80}]
    other = {"image": "acme/serve:1", "ports": ports}
    assert urls(find(**other)) == []
    rules = PodRules("prod", "n1", look_inside=True)
    found = find(rules, **other)
    assert urls(found) == ["http://10.1.0.5:8000/metrics", "http://10.1.0.5:9000/metrics"]
    assert not any(one.expected for one in found.targets)
    assert urls(find(rules, limits={}, **other)) == []
    refused = {"prometheus.io/scrape": "false"}
    assert urls(find(rules, annotations=refused, **other)) == []


def test_host_network_is_read_where_the_configuration_allows_it() -> None:
    rules = PodRules("prod", "n1", host_network=True)
    assert urls(find(rules, host_network=True, ip="10.0.0.1")) == ["http://10.0.0.1:8000/metrics"]


@given(st.text(max_size=30), st.text(max_size=8), st.text(max_size=8))
def test_whatever_annotations_hold_only_the_pods_own_declared_door_is_asked(
    path: str, port: str, scheme: str
) -> None:
    told = {**SCRAPE, "prometheus.io/path": path, "prometheus.io/port": port,
            "prometheus.io/scheme": scheme}  # fmt: skip
    for url in urls(find(annotations=told)):
        assert url.startswith(("http://10.1.0.5:8000/", "https://10.1.0.5:8000/"))


@pytest.mark.parametrize(
    ("owners", "pool"),
    [
        ([{"kind": "ReplicaSet", "name": "my-chat-abc12"}], "llm/my-chat"),
        ([{"kind": "ReplicaSet", "name": "my-chat-6d4cf56db6"}], "llm/my-chat"),
        ([{"kind": "StatefulSet", "name": "chat"}], "llm/chat"),
        ([{"kind": "LeaderWorkerSet", "name": "big"}], "llm/big"),
        ([{"kind": "Node", "name": "n1"}], "llm/chat-1"),
        ([], "llm/chat-1"),
    ],
)
def test_the_pool_is_the_workload_that_owns_the_pod(owners: Any, pool: str) -> None:
    assert dict(find(owners=owners).targets[0].labels)["pool"] == pool


def test_a_standing_alone_pods_pool_is_its_application_label() -> None:
    found = find(owners=[], labels={"app.kubernetes.io/name": "chat"})
    assert dict(found.targets[0].labels)["pool"] == "llm/chat"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("reg:5000/a/b:v1.2", "v1.2"), ("reg:5000/a/b", ""),
        ("a/b:v1@sha256:" + "0" * 64, "v1"), ("a/b@sha256:0123456789abcdef", "0123456789ab"),
    ],
)  # fmt: skip
def test_the_version_is_the_images_tag(image: str, version: str) -> None:
    assert dict(find(image=image).targets[0].labels).get("version", "") == version


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "kind", "ports", "containers", "metadata", "spec", "status",
                         "uid", "namespace", "podIP", "ownerReferences", "resources"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["spec", "status"]), JSON))
def test_a_broken_object_is_never_a_crash(body: dict[str, Any]) -> None:
    meta = {"name": "p", "namespace": "n", "uid": "u"}
    find_pages([pod_of({**body, "metadata": meta})], RULES)
