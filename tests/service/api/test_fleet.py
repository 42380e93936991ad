"""The fleet over HTTP: topology with states and counts, replicas, GPUs, changes, money, health."""

from dataclasses import replace
from typing import Any

import pytest

NOW = 1_795_426_000.0


def test_topology_leads_from_who_asks_down_to_what_runs(client: Any, world: Any) -> None:
    world.store.rows["tenant_operations_per_second"] = [
        ({"tenant": "team-a", "model": "llama"}, lambda times: times * 0 + 2.5),
        ({"tenant": "silent", "model": "llama"}, lambda times: times * 0),
    ]
    body = client.get("/api/v1/topology").json()
    nodes = {f"{one['kind']}/{one['id']}": one for one in body["nodes"]}
    edges = {(one["from"], one["to"]) for one in body["edges"]}
    assert nodes["tenant/team-a"]["operations_per_second"] == 2.5
    assert "tenant/silent" not in nodes
    assert nodes["pool/ns/llama"]["state"] == "stalled", "the worst replica speaks for its pool"
    assert nodes["pool/ns/llama"]["replicas"] == {"stalled": 1, "serving": 1}
    assert nodes["replica/c/ns/u-1/vllm"]["incidents"] == 3
    assert nodes["replica/c/ns/u-2/vllm"]["incidents"] == 0
    assert edges == {
        ("tenant/team-a", "pool/ns/llama"),
        ("pool/ns/llama", "replica/c/ns/u-1/vllm"),
        ("pool/ns/llama", "replica/c/ns/u-2/vllm"),
        ("replica/c/ns/u-1/vllm", "gpu/GPU-1"),
        ("gpu/GPU-1", "node/node-1"),
        ("replica/c/ns/u-2/vllm", "node/node-1"),
    }


def test_replicas_and_gpus_are_listed_and_narrowed(client: Any) -> None:
    replicas = client.get("/api/v1/replicas").json()["replicas"]
    assert [one["state"] for one in replicas] == ["stalled", "serving"]
    assert replicas[0]["entity"] == {
        "kind": "replica", "id": "c/ns/u-1/vllm", "name": "llama-0",
    }  # fmt: skip
    narrowed = client.get("/api/v1/replicas", params={"state": "serving", "pool": "ns/llama"})
    assert len(narrowed.json()["replicas"]) == 1
    assert client.get("/api/v1/replicas", params={"pool": "x"}).json()["replicas"] == []
    assert client.get("/api/v1/replicas", params={"state": "green"}).status_code == 400
    gpus = client.get("/api/v1/gpus").json()["gpus"]
    assert (gpus[0]["node"], gpus[0]["replicas"]) == ("node-1", ["c/ns/u-1/vllm"])
    assert client.get("/api/v1/gpus", params={"node": "x"}).json()["gpus"] == []


def test_changes_come_newest_first_within_half_open_bounds(client: Any) -> None:
    kinds = [one["kind"] for one in client.get("/api/v1/changes").json()["changes"]]
    assert kinds == ["restart", "rollout"]
    window = {"from": NOW - 300, "to": NOW - 100}
    kinds = [one["kind"] for one in client.get("/api/v1/changes", params=window).json()["changes"]]
    assert kinds == ["rollout"]


def test_changes_are_narrowed_by_kind_pool_and_entity(client: Any) -> None:
    def found(**query: str) -> list[str]:
        body = client.get("/api/v1/changes", params=query).json()
        return [one["kind"] for one in body["changes"]]

    everything = client.get("/api/v1/changes").json()["changes"]
    assert found(kind="rollout") == ["rollout"]
    assert found(kind="rollout,restart,x") == ["restart", "rollout"]
    assert found(kind="x") == []
    assert found(pool=everything[0]["pool"]) != []
    assert found(pool="elsewhere") == []
    one = everything[0]["entity"]
    assert found(entity=f"{one['kind']}/{one['id']}") == ["restart", "rollout"]
    assert found(entity="node/n1") == []


def test_usage_and_budgets_pass_through_with_their_period(client: Any) -> None:
    query = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z", "by": "tenant,model"}
    body = client.get("/api/v1/usage", params=query).json()
    assert body["from"] == "2026-11-01T00:00:00.000Z"
    assert body["usage"] == [{"tenant": "a", "cost": "0.10", "by": "tenant,model"}]
    assert client.get("/api/v1/budgets").json()["budgets"][0]["spent"] == "3.00"
    assert client.get("/api/v1/usage", params={"by": "1; drop table"}).status_code == 400
    assert client.get("/api/v1/usage", params={"from": NOW, "to": NOW - 1}).status_code == 400


def test_status_says_how_many_sources_answer_and_how_old_it_all_is(client: Any, world: Any) -> None:
    world.store.rows["target_up"] = [
        ({"target": "a", "verdict": "ok"}, lambda times: times * 0 + 1),
        ({"target": "a", "verdict": "down"}, lambda times: times * 0),
        ({"target": "b", "verdict": "hung"}, lambda times: times * 0),
    ]
    body = client.get("/api/v1/status").json()
    assert (body["sources_answering"], body["sources"]) == (1, 2)
    assert (body["version"], body["stale"], body["simulated"]) == ("1.2.3", False, False)
    world.clock.move_to(NOW + 3600)
    assert client.get("/api/v1/status").json()["stale"] is True
    world.store.down = True
    assert "does not answer" in client.get("/api/v1/status").json()["problems"][0]


def test_health_is_open_and_everything_else_is_not(world: Any) -> None:
    anonymous = world.client(None)
    app = anonymous.app
    assert anonymous.get("/healthz").status_code == 200
    assert anonymous.get("/readyz").status_code == 200
    paths = {path for path in app.openapi()["paths"] if path not in {"/healthz", "/readyz"}}
    assert len(paths) > 20
    for path in [*paths, "/openapi.json", "/docs", "/nope"]:
        for method in ("GET", "POST"):
            answer = anonymous.request(method, path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_ready_only_while_the_pipeline_judges_the_present(client: Any, world: Any) -> None:
    assert client.get("/readyz").status_code == 200
    world.info = replace(world.info, as_of=NOW - 3600)
    late = client.get("/readyz")
    assert (late.status_code, late.json()["title"]) == (503, "not ready")
    assert "behind" in late.json()["detail"]
    world.info = replace(world.info, as_of=None)
    assert client.get("/readyz").status_code == 503


def test_an_accelerated_clock_is_not_called_late_for_running_fast(client: Any, world: Any) -> None:
    world.info = replace(world.info, as_of=NOW - 300, speed=60.0, simulated=True)
    assert client.get("/readyz").status_code == 200
    world.info = replace(world.info, as_of=NOW - 700, speed=60.0, simulated=True)
    assert client.get("/readyz").status_code == 503


def test_our_own_metrics_are_a_prometheus_page(client: Any) -> None:
    answer = client.get("/metrics")
    assert answer.text == "tidegauge_up 1\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8780", "127.0.0.1.evil.example"])
def test_a_rebound_name_reaches_nothing(client: Any, host: Any) -> None:
    for path in ("/api/v1/incidents", "/openapi.json", "/metrics"):
        answer = client.get(path, headers={"host": host})
        assert answer.status_code == 403
        assert "allowed_hosts" in answer.json()["detail"]


def test_a_page_of_somebody_else_reaches_nothing(client: Any) -> None:
    answer = client.post("/api/v1/incidents/i-0/ack", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


def test_what_fails_inside_tells_nothing_of_the_inside(world: Any, capsys: Any) -> None:
    def explode(*_: object) -> None:
        held = "bearer-kept-in-a-variable"
        raise RuntimeError("secret path /srv/x" if held else "")

    answer = world.client(usage=explode).get("/api/v1/usage")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert "line" in logged, "whoever runs it learns where"
    assert "bearer-kept" not in logged, "variables are not printed"
    assert "operator-secret" not in logged


def test_openapi_describes_every_path_of_the_contract(client: Any) -> None:
    document = client.get("/openapi.json").json()
    paths = document["paths"]
    wanted = {
        "/v1/metrics": "post", "/v1/traces": "post", "/v1/logs": "post",
        "/api/v1/incidents": "get", "/api/v1/incidents/{incident_id}": "get",
        "/api/v1/incidents/{incident_id}/ack": "post",
        "/api/v1/incidents/{incident_id}/assign": "post",
        "/api/v1/incidents/{incident_id}/silence": "post",
        "/api/v1/incidents/{incident_id}/resolve": "post",
        "/api/v1/incidents/{incident_id}/note": "post",
        "/api/v1/topology": "get", "/api/v1/replicas": "get", "/api/v1/gpus": "get",
        "/api/v1/series": "get", "/api/v1/changes": "get", "/api/v1/usage": "get",
        "/api/v1/usage/runs": "get", "/api/v1/budgets": "get", "/api/v1/status": "get",
        "/api/v1/actions/{action_id}/dry-run": "post",
        "/api/v1/actions/{action_id}/approve": "post",
        "/api/v1/actions/{action_id}/execute": "post",
        "/hooks/alertmanager": "post", "/metrics": "get", "/healthz": "get", "/readyz": "get",
    }  # fmt: skip
    for path, method in wanted.items():
        operation = paths[path][method]
        assert operation["summary"], path
        assert operation["description"], path
    names = [one["name"] for one in paths["/api/v1/series"]["get"]["parameters"]]
    assert names == ["signal", "to", "from", "step", "entity", "incident"]
    keys = [
        one["name"] for one in paths["/api/v1/incidents/{incident_id}/ack"]["post"]["parameters"]
    ]
    assert "Idempotency-Key" in keys
