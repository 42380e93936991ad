"""What the chart gives to execution: nothing unless asked, then the least, a class at a time."""

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from service.config import load
from service.execution.settings import ExecutionSettings
from vocabulary.actions import ActionClass

CHART = Path(__file__).resolve().parents[2] / "deploy" / "chart" / "tidegauge"
Document = dict[str, Any]
RIGHTS = {
    "pods": [("", "pods", ["get", "patch"]), ("", "pods/eviction", ["create"])],
    "scale": [("apps", "deployments/scale", ["get", "patch"])],
    "rollouts": [("apps", "deployments", ["get", "patch"]), ("apps", "replicasets", ["list"])],
    "nodes": [("", "nodes", ["get", "patch"])],
    "autoscalers": [("autoscaling", "horizontalpodautoscalers", ["get", "patch"])],
}


def render(**execution: Any) -> list[Document]:
    chart = helm_python.Chart.load(str(CHART))
    texts = chart.render({"execution": execution}, name="tidegauge", namespace="sre")
    return [
        document
        for path, text in sorted(texts.items()) if path.endswith(".yaml")
        for document in yaml.safe_load_all(text) if document
    ]  # fmt: skip


def switched_on(*classes: str, **more: Any) -> list[Document]:
    people = {"secret": "approvers", "names": ["first", "second"]}
    told = {"people": people, "namespaces": ["llm", "batch"], **more}
    return render(enabled=True, classes=dict.fromkeys(classes, True), **told)


def ours(documents: list[Document]) -> list[Document]:
    return [d for d in documents if "-execute-" in d["metadata"]["name"]]


def server(documents: list[Document]) -> Document:
    (found,) = [d for d in documents if d["kind"] == "StatefulSet"]
    pod: Document = found["spec"]["template"]["spec"]
    return pod


def settings(documents: list[Document], folder: Path) -> ExecutionSettings:
    (found,) = [d for d in documents if d["kind"] == "ConfigMap"]
    (folder / "tidegauge.yaml").write_text(found["data"]["server.yaml"])
    return load(folder / "tidegauge.yaml", {}).part("execution", ExecutionSettings)


def test_nothing_of_it_is_installed_by_default(tmp_path: Path) -> None:
    for documents in (render(), render(classes={"pods": True}), switched_on()):
        assert ours(documents) == []
    assert settings(render(), tmp_path).enabled is False
    assert not [v for v in server(render())["volumes"] if v["name"] == "people"]


def test_the_classes_are_those_that_the_program_knows() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["execution"]
    assert values["enabled"] is False
    assert values["classes"] == {group.value: False for group in ActionClass}


@pytest.fixture(scope="module")
def everything() -> list[Document]:
    documents = switched_on(*RIGHTS)
    for one in documents:
        kubernetes_validate.validate(one, "1.34", strict=True)
    return documents


@pytest.mark.parametrize("name", RIGHTS)
def test_a_class_has_an_account_of_its_own_and_the_least_rights(
    everything: list[Document], name: str
) -> None:
    account = f"tidegauge-execute-{name}"
    documents = [d for d in everything if d["metadata"]["name"] in {account, f"{account}-sre"}]
    (made,) = [d for d in documents if d["kind"] == "ServiceAccount"]
    assert made["automountServiceAccountToken"] is False
    roles = [d for d in documents if d["kind"] in {"Role", "ClusterRole"}]
    wide = name == "nodes"
    where = [one["metadata"].get("namespace") for one in roles]
    assert where == ([None] if wide else ["llm", "batch"])
    for one in roles:
        told = [(r["apiGroups"][0], r["resources"][0], r["verbs"]) for r in one["rules"]]
        assert told == RIGHTS[name]
        assert all(len(r["apiGroups"]) == len(r["resources"]) == 1 for r in one["rules"])
    bindings = [d for d in documents if d["kind"].endswith("RoleBinding")]
    assert len(bindings) == len(roles)
    for one in bindings:
        subject = {"kind": "ServiceAccount", "name": account, "namespace": "sre"}
        assert one["subjects"] == [subject]


def test_the_server_itself_gets_no_right_to_write(everything: list[Document]) -> None:
    for one in everything:
        if one["kind"] in {"Role", "ClusterRole"} and "-execute-" not in one["metadata"]["name"]:
            verbs = {verb for rule in one["rules"] for verb in rule["verbs"]}
            assert verbs <= {"get", "list", "watch"}


def test_the_server_finds_each_credential_where_it_is_mounted(tmp_path: Path) -> None:
    documents = switched_on("pods", "nodes", settings={"most_per_hour": 2})
    accounts = [d for d in ours(documents) if d["kind"] == "ServiceAccount"]
    assert [d["metadata"]["name"].rpartition("-")[2] for d in accounts] == ["nodes", "pods"]
    made = settings(documents, tmp_path)
    assert (made.enabled, made.most_per_hour) == (True, 2)
    assert set(made.accounts) == {"pods", "nodes"}
    assert set(made.people) == {"first", "second"}
    pod = server(documents)
    mounts = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
    volumes = {v["name"]: v["secret"] for v in pod["volumes"] if "secret" in v}
    for file in (*made.accounts.values(), *made.people.values(), made.ca_file):
        mount = mounts[str(Path(file).parent)]
        assert mount["readOnly"] is True
        keys = {item["path"] for item in volumes[mount["name"]].get("items", ())}
        assert Path(file).name in keys or volumes[mount["name"]]["secretName"] == "approvers"
    secret = volumes["execute-pods"]["secretName"]
    (held,) = [d for d in documents if d["kind"] == "Secret" and d["metadata"]["name"] == secret]
    assert held["type"] == "kubernetes.io/service-account-token"
    assert held["metadata"]["annotations"] == {"kubernetes.io/service-account.name": secret}
    assert "data" not in held, "Kubernetes writes it, and no template knows it"


@pytest.mark.parametrize(
    ("execution", "told"),
    [
        ({"enabled": True, "classes": {"pods": True}, "people": {"secret": "p", "names": ["a"]}},
         "execution.namespaces"),
        ({"enabled": True}, "execution.people.secret"),
        ({"enabled": True, "classes": {"gateway": True}}, "gateway"),
        ({"namespaces": ["Not A Name"]}, "namespaces"),
        ({"people": {"names": ["a b"]}}, "names"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused(execution: Document, told: str) -> None:
    with pytest.raises(helm_python.HelmError, match=told):
        render(**execution)
