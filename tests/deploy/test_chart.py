"""The Helm chart, rendered: valid, restricted, least privileged, true to the program it runs."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import typer
import yaml

from metering.budgets import budgets_of
from metering.price_files import read_price_file
from metering.prices import TokenPrice, load_book
from service.cli import app
from service.config import load
from service.kubernetes import cluster_watch
from service.receivers import receivers_of
from service.rules import prometheus_rule, raw_rules, read_rules, with_thresholds
from service.scrape_entries import accesses
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart" / "tidegauge"
KUBERNETES = [f"1.{minor}" for minor in range(28, 37)]
Document = dict[str, Any]

VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "commonLabels": {"team": "sre"},
        "imagePullSecrets": [{"name": "registry"}],
        "image": {"repository": "example/tidegauge", "digest": "sha256:" + "a" * 64},
        "tls": {"existingSecret": "tidegauge-tls"},
        "server": {
            "scrape": ["http://vllm.llm.svc:8000/metrics"],
            "alertmanagerUrls": ["http://alertmanager:9093"],
            "allowedHosts": ["tidegauge.example.org"],
            "persistence": {"size": "5Gi", "storageClass": "fast"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "readConfigMaps": True,
            "config": {"retention_days": 7, "pages_per_week": 5},
            "prices": {
                "source": "our contract", "date": "2026-10-01",
                "tokens": {"own-7b": {"input": 0.1, "output": 0.0000003}},
                "gpus": [{"words": ["h100"], "usd_per_gpu_hour": 2.2}],
                "budgets": [{"name": "all", "usd": 1000, "period": "month"}],
            },
        },
        "agent": {
            "podResources": True, "hostProc": True,
            "kernelLog": {"path": "/var/log/kern.log", "group": 4}, "readResourceSlices": True,
            "runtimeClassName": "nvidia",
            "priorityClassName": "system-node-critical", "nodeSelector": {"gpu": "true"},
        },
        "console": {"externalUrl": "https://tidegauge.example.org"},
        "networkPolicy": {
            "apiFrom": [{"namespaceSelector": {"matchLabels": {"name": "edge"}}}],
            "consoleFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
        "monitoring": {"scrape": "server", "operatorInstalled": True, "labels": {"release": "k"}},
        "rules": {"enabled": True, "labels": {"release": "k"}},
    },
    "agents scraped": {"monitoring": {"scrape": "agents", "operatorInstalled": True}},
    "least": {
        "agent": {"enabled": False}, "console": {"enabled": False},
        "networkPolicy": {"enabled": False}, "token": {"existingSecret": "mine", "key": "t"},
        "server": {"persistence": {"existingClaim": "claim"}},
    },
    "blind to pods": {"agent": {"readPods": False}, "server": {"readCluster": False}},
}  # fmt: skip
BLIND_SERVERS = {"blind to pods"}
SERVER_READS = {
    "": ["pods", "nodes", "events"],
    "apps": ["deployments", "statefulsets"],
    "autoscaling": ["horizontalpodautoscalers"],
    "keda.sh": ["scaledobjects"],
    "leaderworkerset.x-k8s.io": ["leaderworkersets"],
}
READS_PODS = {"defaults", "everything", "agents scraped"}


def render(values: Mapping[str, Any], name: str = "tidegauge") -> list[Document]:
    texts = helm_python.Chart.load(str(CHART)).render(dict(values), name=name, namespace="sre")
    return [
        document
        for path, text in sorted(texts.items()) if path.endswith(".yaml")
        for document in yaml.safe_load_all(text) if document
    ]  # fmt: skip


RENDERED = {name: render(values) for name, values in VARIANTS.items()}
everywhere = pytest.mark.parametrize("variant", VARIANTS)


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    return [document for document in documents if document["kind"] == kind]


def one(documents: list[Document], kind: str, name: str = "") -> Document:
    (found,) = [d for d in of_kind(documents, kind) if d["metadata"]["name"].endswith(name)]
    return found


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    for document in documents:
        if document["kind"] in {"StatefulSet", "Deployment", "DaemonSet"}:
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


# -- valid ----------------------------------------------------------------------------------------


@everywhere
@pytest.mark.parametrize("release", KUBERNETES)
def test_every_object_is_valid_in_every_supported_kubernetes(variant: str, release: str) -> None:
    for document in RENDERED[variant]:
        if not document["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(document, release, strict=True)


def test_the_validation_would_find_a_misspelt_field() -> None:
    broken = json.loads(json.dumps(one(RENDERED["defaults"], "StatefulSet")))
    broken["spec"]["template"]["spec"]["runtimeClasName"] = "nvidia"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES[-1], strict=True)


def test_helm_finds_nothing_to_complain_of() -> None:
    found = helm_python.lint(str(CHART))
    assert found["errors"] == []
    assert [m for m in found["messages"] if "icon is recommended" not in m["error"]] == []


@everywhere
def test_no_two_objects_have_one_name(variant: str) -> None:
    names = [(d["kind"], d["metadata"]["name"]) for d in RENDERED[variant]]
    assert len(set(names)) == len(names)


@everywhere
def test_services_policies_and_workloads_select_the_pods_they_mean(variant: str) -> None:
    labels = [
        d["spec"]["template"]["metadata"]["labels"]
        for kind in ("StatefulSet", "Deployment", "DaemonSet")
        for d in of_kind(RENDERED[variant], kind)
    ]
    selectors = [d["spec"]["selector"] for d in of_kind(RENDERED[variant], "Service")]
    selectors += [
        d["spec"]["podSelector"]["matchLabels"] for d in of_kind(RENDERED[variant], "NetworkPolicy")
    ]
    for selector in selectors:
        assert sum(selector.items() <= one_pod.items() for one_pod in labels) == 1


def test_two_releases_share_no_object() -> None:
    first, second = (
        {(d["kind"], d["metadata"]["name"]) for d in render({}, name)} for name in ("blue", "green")
    )
    assert not first & second


@pytest.mark.parametrize(
    "values",
    [
        {"agnet": {"enabled": False}},
        {"server": {"scrape": ["vllm:8000"]}},
        {"server": {"persistence": {"size": "lots"}}},
        {"image": {"repository": "x", "digest": "latest"}},
        {"monitoring": {"scrape": "both"}},
        {"rules": {"thresholds": {"gpu": 1}}},
        {"cluster": ""},
    ],
)
def test_values_that_make_no_sense_are_refused_by_the_schema(values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        render(values)


def test_every_value_is_described_and_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    described = paths_with_a_description((CHART / "values.yaml").read_text())

    def walk(values: Document, known: Document, path: str) -> None:
        for key, value in values.items():
            assert key in known["properties"], f"{path}{key} is not in the schema"
            inner = known["properties"][key]
            if isinstance(value, dict) and "properties" in inner:
                walk(value, inner, f"{path}{key}.")
            else:
                assert f"{path}{key}" in described, f"{path}{key} has no comment"

    walk(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")


def paths_with_a_description(text: str) -> set[str]:
    """Keys of a values file, dotted, whose comment above begins as helm-docs reads it."""
    found, stack, described = set(), [], False
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            described = described or bare.startswith("# -- ")
            continue
        if key := re.match(r"( *)([A-Za-z]+):", line):
            stack = [*stack[: len(key[1]) // 2], key[2]]
            if described:
                found.add(".".join(stack))
        described = False
    return found


def test_a_value_without_a_comment_would_be_noticed() -> None:
    text = "a:\n  # -- Yes.\n  # More.\n  b: 1\n  c: 2\n# no\nd: 3\n"
    assert paths_with_a_description(text) == {"a.b"}


# -- restricted -----------------------------------------------------------------------------------


@everywhere
def test_every_pod_meets_the_restricted_standard(variant: str) -> None:
    for name, pod in pods(RENDERED[variant]):
        context = pod["securityContext"]
        asks_kubelet = variant == "everything" and name.endswith("agent")
        if not asks_kubelet:
            assert context["runAsNonRoot"], name
            assert context["runAsUser"] >= 10000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(key in pod for key in ("hostNetwork", "hostPID", "hostIPC"))
        folders = [one["hostPath"]["path"] for one in pod["volumes"] if "hostPath" in one]
        mounted = ["/var/lib/kubelet/pod-resources", "/var/log", "/proc"]
        assert folders == (mounted if asks_kubelet else [])
        assert context.get("supplementalGroups") == ([4] if asks_kubelet else None)
        assert all(
            one.get("readOnly")
            for c in pod["containers"]
            for one in c["volumeMounts"]
            if one["name"] in {"pod-resources", "kernel-log", "proc"}
        )
        for container in pod["containers"]:
            inner = container["securityContext"]
            assert inner["allowPrivilegeEscalation"] is False
            assert inner["readOnlyRootFilesystem"] is True
            assert inner["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in inner
            assert container["resources"]["limits"]["memory"]


@everywhere
def test_every_writable_folder_is_a_volume(variant: str) -> None:
    for name, pod in pods(RENDERED[variant]):
        mounts = {m["mountPath"]: m for c in pod["containers"] for m in c["volumeMounts"]}
        assert "/tmp" in mounts, name
        writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
        assert writable <= {"/tmp", "/var/lib/tidegauge"}


@everywhere
def test_nobody_may_write_to_the_cluster_and_few_may_read(variant: str) -> None:
    rules = [
        rule
        for kind in ("Role", "ClusterRole") for role in of_kind(RENDERED[variant], kind)
        for rule in role["rules"]
    ]  # fmt: skip
    read = ["get", "list", "watch"]
    wanted = []
    if variant in READS_PODS:
        wanted.append({"apiGroups": [""], "resources": ["pods"], "verbs": read})
    if variant == "everything":
        claims = {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"]}
        wanted.append({**claims, "verbs": ["get", "list"]})
    for group, kinds in SERVER_READS.items() if variant not in BLIND_SERVERS else ():
        wanted.append({"apiGroups": [group], "resources": kinds, "verbs": read})
    if variant == "everything":
        wanted.append({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]})
    assert rules == wanted


def test_the_server_may_read_exactly_what_it_follows() -> None:
    followed = {one.paths[0] for one in cluster_watch.READ}
    granted = set()
    for group, kinds in SERVER_READS.items():
        versions = {path.split("/")[-2] for path in followed if f"/{group}/" in path} or {"v1"}
        base = f"/apis/{group}/{versions.pop()}" if group else "/api/v1"
        granted |= {f"{base}/{kind}" for kind in kinds}
    assert granted == followed


@everywhere
def test_every_role_has_an_account_and_only_a_reading_agent_gets_its_token(variant: str) -> None:
    accounts = {d["metadata"]["name"]: d for d in of_kind(RENDERED[variant], "ServiceAccount")}
    used = dict(pods(RENDERED[variant]))
    assert {pod["serviceAccountName"] for pod in used.values()} == set(accounts)
    assert len(accounts) == len(used)
    assert not any(a["automountServiceAccountToken"] for a in accounts.values())
    for name, pod in used.items():
        agent = variant in READS_PODS and name.endswith("agent")
        reads = agent or (variant not in BLIND_SERVERS and name.endswith("server"))
        assert pod["automountServiceAccountToken"] is reads
    bound = [s["name"] for b in of_kind(RENDERED[variant], "ClusterRoleBinding")
             for s in b["subjects"]]  # fmt: skip
    assert set(bound) <= {name for name in accounts if name.endswith(("agent", "server"))}


def test_only_the_server_holds_the_private_key() -> None:
    for name, pod in pods(RENDERED["everything"]):
        secrets = {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
        assert ("tidegauge-tls" in secrets) is name.endswith("server")


def test_the_network_lets_in_those_that_have_business() -> None:
    closed = {
        d["metadata"]["name"]: d["spec"] for d in of_kind(RENDERED["defaults"], "NetworkPolicy")
    }
    assert closed["tidegauge-agent"]["ingress"] == []
    assert closed["tidegauge-console"]["ingress"] == []
    api, otlp = {"port": "api"}, {"port": "otlp-grpc"}
    assert [rule["ports"] for rule in closed["tidegauge-server"]["ingress"]] == [[otlp], [api]]
    assert all("from" in rule for rule in closed["tidegauge-server"]["ingress"])
    reach = closed["tidegauge-console"]["egress"]
    assert {p["port"] for rule in reach for p in rule["ports"]} == {"api", 53}
    opened = one(RENDERED["everything"], "NetworkPolicy", "-agent")["spec"]["ingress"]
    assert opened[0]["ports"] == [{"port": "metrics"}]


def test_a_token_is_generated_unless_one_exists() -> None:
    secret = one(RENDERED["defaults"], "Secret")
    assert len(secret["data"]["token"]) >= 43
    assert of_kind(RENDERED["least"], "Secret") == []
    assert secret["data"] != one(render({}), "Secret")["data"]
    for _, pod in pods(RENDERED["least"]):
        (volume,) = [v for v in pod["volumes"] if v["name"] == "token"]
        assert volume["secret"]["secretName"] == "mine"
        assert volume["secret"]["items"] == [{"key": "t", "path": "token"}]


# -- true to the program --------------------------------------------------------------------------


def settings(variant: str, role: str) -> Settings:
    """What the program makes of the file that the chart gives it."""
    text = one(RENDERED[variant], "ConfigMap")["data"][f"{role}.yaml"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tidegauge.yaml"
        file.write_text(text)
        return load(file, {}).settings


@everywhere
@pytest.mark.parametrize("role", ["server", "agent", "console"])
def test_the_configuration_is_one_the_program_takes(variant: str, role: str) -> None:
    made = settings(variant, role)
    assert made.host == "0.0.0.0"
    assert (made.port, made.otlp_grpc_port, made.console_port, made.agent_port) == (
        8780, 4317, 8501, 9478,
    )  # fmt: skip


def test_only_who_has_a_token_asks_the_kubernetes_api() -> None:
    for role in ("agent", "server"):
        assert settings("defaults", role).kubernetes == "auto"
        assert settings("blind to pods", role).kubernetes == "off"


def test_roles_meet_under_the_names_the_server_answers_to() -> None:
    for variant, scheme in (("defaults", "http"), ("everything", "https")):
        server, agent = settings(variant, "server"), settings(variant, "agent")
        host = "tidegauge-server.sre.svc"
        assert host in server.allowed_hosts
        assert agent.otlp_endpoint == f"{scheme}://{host}:4317"
        assert settings(variant, "console").api_url == f"{scheme}://{host}:8780"
        assert server.allow_insecure is (scheme == "http")
        assert server.token_file == agent.otlp_token_file == settings(variant, "console").token_file
    assert settings("everything", "server").retention_days == 7


def test_prices_and_budgets_reach_the_server_to_the_digit(tmp_path: Path) -> None:
    data = one(RENDERED["everything"], "ConfigMap")["data"]
    assert settings("everything", "server").price_file == Path("/etc/tidegauge/prices.yaml")
    (tmp_path / "prices.yaml").write_text(data["prices.yaml"])
    price = load_book(tmp_path / "prices.yaml").token_price("own-7b")
    assert isinstance(price, TokenPrice)
    assert price.rates.input == Decimal("0.0000001")
    assert price.rates.output == Decimal("3E-13")
    budgets = budgets_of(read_price_file(tmp_path / "prices.yaml")["budgets"])
    assert budgets[0].usd == Decimal(1000)
    (pod,) = [pod for name, pod in pods(RENDERED["everything"]) if name.endswith("server")]
    (volume,) = [v for v in pod["volumes"] if v["name"] == "config"]
    assert {"key": "prices.yaml", "path": "prices.yaml"} in volume["configMap"]["items"]
    assert settings("defaults", "server").price_file is None


def test_gpus_are_read_by_agents_and_pages_by_the_server_so_that_nothing_is_read_twice() -> None:
    assert settings("everything", "server").gpus is False
    assert settings("everything", "server").scrape == ("http://vllm.llm.svc:8000/metrics",)
    assert settings("everything", "agent").gpus is True
    assert settings("everything", "agent").scrape == ()


@everywhere
def test_every_command_and_flag_exists(variant: str) -> None:
    group = typer.main.get_command(app)
    for name, pod in pods(RENDERED[variant]):
        for container in pod["containers"]:
            command, *rest = container["args"]
            known = {flag for p in group.commands[command].params for flag in p.opts}  # type: ignore[attr-defined]
            flags = [word for word in rest if word.startswith("-")]
            assert set(flags) <= known, name


@everywhere
def test_environment_variables_are_settings_and_no_foreign_ones_come_in(variant: str) -> None:
    fields = Settings.__dataclass_fields__
    for name, pod in pods(RENDERED[variant]):
        assert pod["enableServiceLinks"] is False, name
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                key = variable["name"]
                if key.startswith("TIDEGAUGE_"):
                    assert key.removeprefix("TIDEGAUGE_").lower() in fields


@everywhere
def test_ports_are_the_ones_the_program_listens_on(variant: str) -> None:
    defaults = Settings()
    known = {defaults.port, defaults.otlp_grpc_port, defaults.agent_port, defaults.console_port}
    for name, pod in pods(RENDERED[variant]):
        names = {}
        for container in pod["containers"]:
            names.update({p["name"]: p["containerPort"] for p in container["ports"]})
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    assert container[probe]["httpGet"]["port"] in names, name
        assert set(names.values()) <= known
    for service in of_kind(RENDERED[variant], "Service"):
        assert {p["port"] for p in service["spec"]["ports"]} <= known


def test_agents_run_where_gpus_are_and_take_none() -> None:
    (pod,) = [pod for name, pod in pods(RENDERED["everything"]) if name.endswith("agent")]
    assert pod["runtimeClassName"] == "nvidia"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod[
        "tolerations"
    ]
    assert "nvidia.com/gpu" not in str(pod["containers"][0]["resources"])


# -- monitoring -----------------------------------------------------------------------------------


def test_prometheus_reads_one_of_the_two_pages_and_never_both() -> None:
    assert len(of_kind(RENDERED["everything"], "ServiceMonitor")) == 1
    assert of_kind(RENDERED["everything"], "PodMonitor") == []
    assert len(of_kind(RENDERED["agents scraped"], "PodMonitor")) == 1
    assert of_kind(RENDERED["agents scraped"], "ServiceMonitor") == []


def test_scraped_labels_are_those_of_what_was_measured() -> None:
    (service,) = of_kind(RENDERED["everything"], "ServiceMonitor")[0]["spec"]["endpoints"]
    (pod,) = of_kind(RENDERED["agents scraped"], "PodMonitor")[0]["spec"]["podMetricsEndpoints"]
    assert service["honorLabels"] is pod["honorLabels"] is True
    assert service["relabelings"][0]["replacement"] == "tidegauge-server.sre.svc:8780"
    assert service["authorization"]["credentials"]["name"] == "tidegauge-token"


def test_nothing_of_the_operators_is_installed_where_there_is_no_operator() -> None:
    values = {"monitoring": {"scrape": "server"}, "rules": {"enabled": True}}
    foreign = [d for d in render(values) if d["apiVersion"].startswith("monitoring.")]
    assert foreign == []


def test_the_chart_installs_what_the_command_builds() -> None:
    made = one(RENDERED["everything"], "PrometheusRule")
    assert made["spec"] == prometheus_rule(read_rules())["spec"]
    assert made["metadata"]["labels"]["release"] == "k"
    name = "threshold:gpu_utilization:ratio"
    rules = {"enabled": True, "runbookBase": "https://wiki/r/", "thresholds": {name: 0.7}}
    changed = one(
        render({"monitoring": {"operatorInstalled": True}, "rules": rules}), "PrometheusRule"
    )
    assert changed["spec"] == raw_rules(
        with_thresholds(read_rules(), {name: "0.7"}), "https://wiki/r"
    )


def test_a_threshold_that_does_not_exist_stops_the_installation() -> None:
    rules = {"enabled": True, "thresholds": {"threshold:no:such": 1}}
    with pytest.raises(helm_python.HelmError, match="there is no threshold:no:such"):
        render({"monitoring": {"operatorInstalled": True}, "rules": rules})


def test_the_notes_say_the_next_command() -> None:
    texts = helm_python.Chart.load(str(CHART)).render({}, name="tidegauge", namespace="sre")
    notes = next(text for path, text in texts.items() if path.endswith("NOTES.txt"))
    assert "port-forward service/tidegauge-console 8501" in notes
    assert "tidegauge doctor" in notes
    assert "No model server is named yet" in notes


def test_the_kernel_log_is_read_where_it_is_mounted_and_nothing_else_of_the_host() -> None:
    made = settings("everything", "agent")
    assert one(RENDERED["everything"], "DaemonSet")
    text = of_kind(RENDERED["everything"], "ConfigMap")[0]["data"]["agent.yaml"]
    assert yaml.safe_load(text)["collectors"] == {"kernel_log": {"path": "/host/var/log/kern.log"}}
    assert made.gpus
    for path in ("/dev/kmsg", "/etc/shadow", "kern.log"):
        with pytest.raises(Exception, match="kernelLog"):
            render({"agent": {"kernelLog": {"path": path}}})


# -- secrets, receivers and what is sent on -------------------------------------------------------

MORE = "/run/secrets/tidegauge/more"
GUARDED: dict[str, Any] = {
    "server": {
        "scrape": [
            "http://vllm.llm.svc:8000/metrics",
            {"url": "https://gateway.llm.svc:4000/metrics", "user": "prometheus",
             "password_file": f"{MORE}/gateway/password"},
        ],
        "access": {
            "token": {"secret": "pages"}, "ca": {"secret": "pages", "key": "authority.pem"},
            "certificate": "our-certificate", "redirects": "same-host",
            "timeoutSeconds": 8, "maxPageMib": 4,
        },
        "secrets": ["gateway", "slack"],
        "receivers": [
            {"kind": "slack", "url_file": f"{MORE}/slack/url"},
            {"kind": "webhook", "url": "http://hooks.sre.svc:9000/in"},
            {"kind": "pagerduty", "key_file": f"{MORE}/slack/key", "proxy": "http://proxy:3128"},
            {"kind": "mail", "host": "smtp.example.org", "port": 2525,
             "sender": "t@example.org", "to": ["o@example.org"]},
        ],
        "otlpForward": {
            "endpoint": "http://collector.observability", "protocol": "http",
            "token": {"secret": "collector", "key": "bearer"}, "ca": {"secret": "collector"},
            "headers": "x-scope-orgid=inference",
        },
        "alertmanagerUrls": ["http://alertmanager:9093"],
        "prometheusUrl": "https://prometheus.example.org",
    },
    "agent": {"access": {"ca": {"secret": "pages"}, "insecure": True}, "secrets": ["pages"]},
    "networkPolicy": {"serverEgress": {
        "enabled": True, "rules": [{"ports": [{"port": 11434, "protocol": "TCP"}]}],
    }},
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded() -> list[Document]:
    documents = render(GUARDED)
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES[-1], strict=True)
    return documents


@pytest.fixture(scope="module")
def loaded(guarded: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What server and agent make of their files."""
    data = one(guarded, "ConfigMap")["data"]
    folder = tmp_path_factory.mktemp("guarded")
    found = {}
    for role in ("server", "agent"):
        (folder / f"{role}.yaml").write_text(data[f"{role}.yaml"])
        found[role] = load(folder / f"{role}.yaml", {})
    return found


def test_pages_are_entered_with_the_secrets_that_values_name(loaded: Any) -> None:
    made = loaded["server"].settings
    assert made.scrape_token_file == Path(f"{MORE}/pages/token")
    assert made.scrape_ca_file == Path(f"{MORE}/pages/authority.pem")
    assert made.scrape_cert_file == Path(f"{MORE}/our-certificate/tls.crt")
    assert made.scrape_key_file == Path(f"{MORE}/our-certificate/tls.key")
    assert (made.scrape_redirects, made.scrape_insecure) == ("same-host", False)
    assert (made.timeout_seconds, made.max_page_mib) == (8, 4)
    gateway = accesses(made, loaded["server"].parts["scrape"])["https://gateway.llm.svc:4000"]
    assert gateway.password_file == Path(f"{MORE}/gateway/password")
    assert gateway.bearer_token_file is None, "an entry's own way in stands over that for all"
    agent = loaded["agent"].settings
    assert (agent.scrape_insecure, agent.scrape_token_file) == (True, None)
    assert agent.scrape_ca_file == Path(f"{MORE}/pages/ca.crt")


def test_how_pages_are_entered_is_the_programs_own_default_unless_said() -> None:
    plain = Settings()
    for role in ("server", "agent"):
        made = settings("defaults", role)
        for name in (
            "scrape_token_file", "scrape_ca_file", "scrape_cert_file", "scrape_key_file",
            "scrape_insecure", "scrape_redirects", "timeout_seconds", "max_page_mib",
        ):  # fmt: skip
            assert getattr(made, name) == getattr(plain, name), name


def test_receivers_and_the_endpoint_to_send_on_to_are_what_values_say(loaded: Any) -> None:
    told = loaded["server"].parts
    assert list(told["receivers"]) == ["slack", "webhook", "pagerduty", "mail"]
    assert set(receivers_of(loaded["server"])) == set(told["receivers"])
    assert told["otlp_forward"] == {
        "endpoint": "http://collector.observability", "protocol": "http", "content": False,
        "headers": "x-scope-orgid=inference", "token_file": f"{MORE}/collector/bearer",
        "ca_file": f"{MORE}/collector/ca.crt",
    }  # fmt: skip
    assert "otlp_forward" not in one(RENDERED["defaults"], "ConfigMap")["data"]["server.yaml"]


def test_every_secret_is_mounted_once_read_only_and_only_where_it_is_used(
    guarded: list[Document],
) -> None:
    wanted = {
        "tidegauge-server": ["gateway", "slack", "pages", "our-certificate", "collector"],
        "tidegauge-agent": ["pages"],
        "tidegauge-console": [],
    }
    for name, pod in pods(guarded):
        volumes = {v["name"]: v["secret"] for v in pod["volumes"] if v["name"].startswith("more-")}
        mounts = {
            m["name"]: m for m in pod["containers"][0]["volumeMounts"] if m["name"] in volumes
        }
        assert [one["secretName"] for one in volumes.values()] == wanted[name]
        assert {one["defaultMode"] for one in volumes.values()} <= {0o440}
        for volume, secret in volumes.items():
            assert mounts[volume]["mountPath"] == f"{MORE}/{secret['secretName']}"
            assert mounts[volume]["readOnly"] is True


def test_the_server_may_connect_to_the_ports_its_values_name_where_egress_is_closed(
    guarded: list[Document],
) -> None:
    policy = one(guarded, "NetworkPolicy", "-server")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    resolver, named, own = policy["egress"]
    assert {port["port"] for port in resolver["ports"]} == {53}
    assert {port["port"] for port in named["ports"]} == {
        443, 6443,  # the Kubernetes API; Slack and Prometheus have the first too
        8000, 4000, 9093, 9000, 3128, 2525, 80,
    }  # fmt: skip
    assert {port["protocol"] for port in named["ports"]} == {"TCP"}
    assert "to" not in named
    assert own == {"ports": [{"port": 11434, "protocol": "TCP"}]}
    narrow = {"enabled": True, "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    values = {"server": {"readCluster": False}, "networkPolicy": {"serverEgress": narrow}}
    assert len(one(render(values), "NetworkPolicy", "-server")["spec"]["egress"]) == 1
    assert one(RENDERED["defaults"], "NetworkPolicy", "-server")["spec"]["policyTypes"] == [
        "Ingress"
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"server": {"access": {"token": {"secret": "Not A Name"}}}},
        {"server": {"access": {"redirects": "anywhere"}}},
        {"agent": {"access": {"timeoutSeconds": 0}}},
        {"server": {"scrape": [{"model": "a page without a URL"}]}},
        {"server": {"receivers": [{"kind": "pigeon"}]}},
        {"server": {"otlpForward": {"endpoint": "collector:4317"}}},
        {"server": {"secrets": [""]}},
    ],
)
def test_ways_in_and_out_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        render(values)
