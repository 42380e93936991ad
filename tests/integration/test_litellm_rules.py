"""A real LiteLLM falls back and keeps budgets; the simulated page says it in the same words."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from integration.products import until
from rigs import litellm, upstream

from simulator.pages.text import families

pytestmark = [pytest.mark.integration, pytest.mark.prove, pytest.mark.timeout(600)]

_SERIES = re.compile(r"^(?P<name>[a-z_]+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
FALLBACKS = "litellm_deployment_successful_fallbacks_total"
TEAM = ("litellm_remaining_team_budget_metric", "litellm_team_max_budget_metric")
KEY = ("litellm_remaining_api_key_budget_metric", "litellm_api_key_max_budget_metric")


@dataclass(frozen=True, slots=True)
class Spender(litellm.Tenant):
    """A tenant whose team or key has a budget."""

    max_budget: float = 0.0
    spend: float = 0.0
    team_max_budget: float = 0.0
    team_spend: float = 0.0


@pytest.fixture(scope="module")
def gateway() -> Iterator[litellm.Gateway]:
    tenants = {
        "sk-team": Spender("t-key", "team-1", "t", team_max_budget=5.0, team_spend=1.0),
        "sk-key": Spender("k-key", "team-2", "k", max_budget=3.0, spend=2.0),
    }
    with upstream.serve() as behind:
        configuration: dict[str, Any] = litellm.config(
            [litellm.Route("dear", behind.url), litellm.Route("cheap", "http://127.0.0.1:9")]
        )
        rules = {"fallbacks": [{"cheap": ["dear"]}], "num_retries": 0}
        with litellm.serve({**configuration, "router_settings": rules}, tenants) as running:
            for key in tenants:
                ask(running.url, key)
            yield running


def ask(url: str, key: str) -> None:
    body = {"model": "cheap", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), headers
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        assert answer.status == 200


def series(page: str, name: str) -> list[tuple[dict[str, str], float]]:
    return [
        (dict(_LABEL.findall(one["labels"])), float(one["value"]))
        for one in _SERIES.finditer(page)
        if one["name"] == name
    ]


def test_a_call_that_fell_back_is_told_with_the_labels_of_the_simulated_page(
    gateway: litellm.Gateway,
) -> None:
    until(
        lambda: len(series(gateway.metrics(), FALLBACKS)) == 2, "both calls fell back", seconds=60
    )
    page = gateway.metrics()
    ours = next(one for one in families("litellm") if one.name == FALLBACKS)
    for labels, value in series(page, FALLBACKS):
        assert set(labels) == set(ours.labels)
        assert (labels["requested_model"], labels["fallback_model"]) == ("cheap", "dear")
        assert (labels["exception_status"], labels["model_id"], value) == ("500", "None", 1.0)
    counted = series(page, "litellm_proxy_total_requests_metric_total")
    assert {one["requested_model"] for one, _ in counted if one["status_code"] == "200"} == {
        "dear"
    }, "it is counted where it was answered"


@pytest.mark.parametrize("names", [TEAM, KEY], ids=["team", "key"])
def test_budgets_are_told_with_the_labels_of_the_simulated_page(
    gateway: litellm.Gateway, names: tuple[str, str]
) -> None:
    until(lambda: bool(series(gateway.metrics(), names[1])), "the budget is shown", seconds=60)
    page = gateway.metrics()
    for name in names:
        ours = next(one for one in families("litellm") if one.name == name)
        assert {tuple(sorted(labels)) for labels, _ in series(page, name)} == {
            tuple(sorted(ours.labels))
        }
    most = next(value for _, value in series(page, names[1]))
    left = [value for _, value in series(page, names[0]) if value < most]
    assert len(left) == 1
    assert left[0] == pytest.approx(most - (1.0 if names is TEAM else 2.0), abs=0.01)
