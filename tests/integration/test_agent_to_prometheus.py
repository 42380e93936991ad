"""The agent's page in real Prometheus servers, our rules in them, and one Alertmanager for all.

One llama-server that freezes; `tidegauge collect` whose page two Prometheus servers scrape, the
oldest and the newest we know, with the rules that `tidegauge rules build` wrote; `tidegauge up`
beside them. All of them tell both Alertmanagers, where the same failure is one group.
"""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from integration import products
from integration.products import Tidegauge, until
from rigs import alertmanager, llamacpp, load, prometheus
from rigs.processes import Server, fetched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

QUICK = {
    "interval_seconds": 2,
    "timeout_seconds": 1.5,
    "incidents": {"mitigated_seconds": 4, "quiet_seconds": 10, "ticket_seconds": 0},
    "alertmanager": {
        "resend_seconds": 2, "ends_after_seconds": 20, "resolved_seconds": 20, "hold_seconds": 5,
    },
}  # fmt: skip
SHORT = "10s"
"""What every rule waits here instead of its minutes; the expressions are as they were built."""
ROUTES = """\
route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: hook, webhook_configs: [{url: '%s', send_resolved: true}]}]
"""


@dataclass(slots=True)
class Hook:
    """A receiver that keeps what an Alertmanager tells it."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)

    def sources(self, alertname: str, status: str) -> set[str]:
        """Who sent alerts of that name that are in that status in the newest notification."""
        groups = [one for one in self.told if one["groupLabels"]["alertname"] == alertname]
        return {
            alert["labels"].get("source", "prometheus")
            for alert in (groups[-1]["alerts"] if groups else ())
            if alert["status"] == status
        }


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that runs."""

    engine: Server
    agent: Tidegauge
    product: Tidegauge
    prometheuses: tuple[Server, ...]
    hooks: tuple[Hook, ...]


def listening(stack: ExitStack) -> Hook:
    hook = Hook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join)
    stack.callback(server.shutdown)
    hook.url = f"http://127.0.0.1:{server.server_port}/"
    return hook


def configuration(agent: Tidegauge, product: Tidegauge, alertmanagers: list[Server]) -> str:
    token = (product.data / "token").read_text().strip()
    # Either page holds everything that was read; scraped both, every sum would double.
    only_own = [{"source_labels": ["__name__"], "regex": "tidegauge_pipeline_.*", "action": "keep"}]
    job = {"static_configs": [{"targets": [agent.url.removeprefix("http://")]}]}
    own = {
        "static_configs": [{"targets": [product.url.removeprefix("http://")]}],
        "authorization": {"credentials": token},
        "metric_relabel_configs": only_own,
    }
    peers = [one.url.removeprefix("http://") for one in alertmanagers]
    return json.dumps(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": peers}]}]},
            "scrape_configs": [
                {"job_name": "tidegauge-agent", "honor_labels": True, **job},
                {"job_name": "tidegauge", **own},
            ],
        }
    )


def built_rules(folder: Path) -> str:
    products.run("rules", "build", "--output-dir", folder, cwd=folder)
    text = (folder / "tidegauge.rules.yaml").read_text(encoding="utf-8")
    shortened, times = re.subn(r"^(\s+for:) .*$", rf"\1 {SHORT}", text, flags=re.MULTILINE)
    assert times > 10
    return shortened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    rules = built_rules(tmp_path_factory.mktemp("rules"))
    with products.or_skip(), ExitStack() as stack:
        engine = stack.enter_context(llamacpp.serve(size=llamacpp.SLOW))
        hooks = tuple(listening(stack) for _ in alertmanager.RELEASES)
        alertmanagers = [
            stack.enter_context(alertmanager.serve(ROUTES % hook.url, release=release))
            for hook, release in zip(hooks, alertmanager.RELEASES, strict=True)
        ]
        page = f"{engine.url}/metrics#model={llamacpp.MODEL}"
        agent = stack.enter_context(products.collect([page], QUICK))
        told = {**QUICK, "alertmanager_urls": [one.url for one in alertmanagers]}
        product = stack.enter_context(products.up([page], told))
        settings = configuration(agent, product, alertmanagers)
        prometheuses = tuple(
            stack.enter_context(prometheus.serve(settings, release=release, rules=rules))
            for release in prometheus.RELEASES
        )
        yield Site(engine, agent, product, prometheuses, hooks)


def asked(server: Server, path: str) -> Any:
    status, text = fetched(f"{server.url}/api/v1/{path}")
    assert status == 200, text[:300]
    return json.loads(text)["data"]


def rules_of(server: Server) -> list[dict[str, Any]]:
    return [rule for group in asked(server, "rules")["groups"] for rule in group["rules"]]


def health_of_jobs(server: Server) -> dict[str, str]:
    targets = asked(server, "targets")["activeTargets"]
    return {one["labels"]["job"]: one["health"] for one in targets}


def firing(server: Server) -> set[str]:
    alerts = asked(server, "alerts")["alerts"]
    return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


def value(server: Server, query: str) -> float | None:
    found = asked(server, f"query?query={query}")["result"]
    return float(found[0]["value"][1]) if found else None


def test_both_prometheus_versions_read_both_pages_and_every_rule(site: Site) -> None:
    for server in site.prometheuses:
        until(
            lambda server=server: all(rule["health"] == "ok" for rule in rules_of(server)),
            "every rule has been evaluated", site.product, seconds=60,
        )  # fmt: skip
        jobs = {"tidegauge-agent": "up", "tidegauge": "up"}
        until(
            lambda server=server, jobs=jobs: health_of_jobs(server) == jobs,
            "both pages are read", site.product, seconds=30,
        )  # fmt: skip
        assert not [rule["lastError"] for rule in rules_of(server) if rule.get("lastError")]
        assert len(rules_of(server)) > 40
        until(
            lambda server=server: value(server, "pool:targets_up:count") == 1.0,
            "the recorded count of engines that answer", site.product, seconds=30,
        )  # fmt: skip


def test_the_page_counts_what_the_engine_was_asked(site: Site) -> None:
    answers = load.send(site.engine.url, 4, prompt_tokens=16, max_tokens=10)
    assert all(answer.ok for answer in answers)
    for server in site.prometheuses:
        query = 'tidegauge_llm_output_tokens_total{job="tidegauge-agent"}'
        until(
            lambda server=server, query=query: value(server, query) == 40.0,
            "forty tokens", site.product, seconds=30,
        )  # fmt: skip


def test_a_frozen_engine_is_one_group_everywhere_and_then_resolved(site: Site) -> None:
    for server in site.prometheuses:
        until(
            lambda server=server: firing(server) == {"Watchdog"},
            "a healthy site fires the watchdog alone", site.product, seconds=60,
        )  # fmt: skip
    site.engine.freeze()
    try:
        for server in site.prometheuses:
            until(
                lambda server=server: "TargetHung" in firing(server),
                "Prometheus fires", site.product, seconds=90,
            )  # fmt: skip
        everyone = {"prometheus", "tidegauge"}
        for hook in site.hooks:
            until(
                lambda hook=hook: hook.sources("TargetHung", "firing") == everyone,
                "one notification holds what Prometheus and Tidegauge say", site.product,
                seconds=90,
            )  # fmt: skip
            newest = [one for one in hook.told if "TargetHung" in one["groupKey"]][-1]
            assert len(newest["alerts"]) == 2, "two Prometheus servers tell the same alert"
            assert {one["labels"]["model"] for one in newest["alerts"]} == {llamacpp.MODEL}
    finally:
        site.engine.thaw()
    for hook in site.hooks:
        until(
            lambda hook=hook: hook.sources("TargetHung", "firing") == set()
            and hook.sources("TargetHung", "resolved") != set(),
            "the group is resolved", site.product, seconds=120,
        )  # fmt: skip
    assert site.product.incident("target_hung", "resolved")
    for server in site.prometheuses:
        assert firing(server) == {"Watchdog"}
