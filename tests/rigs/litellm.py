"""
A real LiteLLM gateway, with keys that belong to tenants and its Prometheus page.

LiteLLM's own virtual keys need a PostgreSQL. Without one, its hook for authentication
(``general_settings.custom_auth``) may return what a database would have said, and the metrics
then carry it. Seen on the page of 1.108.7, for a key with every field of `Tenant` set:

* On every token, spend, request and latency metric: ``api_key_alias``, ``team`` (the team's id),
  ``team_alias``, ``user``, ``org_id`` as the hook gave them, ``hashed_api_key`` (SHA-256 of the
  key), ``org_alias`` and ``user_email`` here always "None". What is not known is the *text* "None".
* ``end_user`` is "None" unless ``enable_end_user_cost_tracking_prometheus_only`` is true. Then it
  is the ``user`` field of the request body; an end user that the hook returned overrides it.
  The request's ``user`` never reaches the label ``user``, its ``metadata`` reaches no label.
* A refused key is counted in ``litellm_proxy_total_requests_metric_total{status_code="401"}`` and
  ``litellm_proxy_failed_requests_metric_total`` with every tenant label "None". A failed upstream
  is counted there too, with the tenant's labels, and in no token or spend metric.
* ``litellm_spend_metric_total`` is in USD, from the prices per token of the route.
* ``requested_model`` is the public name, ``model`` what the upstream was asked for (absent on
  request counters), ``model_id`` a hash, ``client_ip`` and ``user_agent`` grow without bound.

Nine requests of three tenants make 230 kB of text: a collector must drop labels.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rigs import environments
from rigs.processes import Server, fetched, free_port, running, work_folder

MASTER_KEY = "sk-rig-master"

_PLAIN_ENVIRONMENT = {
    # It refuses to start without one.
    "LITELLM_MASTER_KEY": MASTER_KEY,
    # Otherwise it fetches a price list from the internet at every start.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who a key belongs to, in the gateway's own words; empty fields are not sent."""

    key_alias: str = ""
    team_id: str = ""
    team_alias: str = ""
    user_id: str = ""
    org_id: str = ""
    end_user_id: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One deployment behind a public model name. *price* is USD for one token in and out."""

    name: str
    url: str
    upstream_model: str = "mock"
    price: tuple[float, float] = (0.000001, 0.000002)


class Gateway(Server):
    """A running LiteLLM."""

    def metrics(self) -> str:
        """Its Prometheus page, which answers only to a key and only under this exact path."""
        status, text = fetched(f"{self.url}/metrics/", token=MASTER_KEY)
        assert status == 200, f"LiteLLM's metrics page answered {status}: {text[:200]}"
        return text


def config(routes: Sequence[Route], *, with_end_users: bool = True) -> dict[str, object]:
    """A configuration that routes to *routes*, asks our hook who calls, and counts everything."""
    return {
        "model_list": [
            {
                "model_name": route.name,
                "litellm_params": {
                    "model": f"openai/{route.upstream_model}",
                    "api_base": f"{route.url}/v1",
                    "api_key": "none",
                    "input_cost_per_token": route.price[0],
                    "output_cost_per_token": route.price[1],
                },
            }
            for route in routes
        ],
        "litellm_settings": {
            "callbacks": ["prometheus"],
            "num_retries": 0,
            "enable_end_user_cost_tracking_prometheus_only": with_end_users,
        },
        "general_settings": {"custom_auth": "litellm_auth.authenticate"},
    }


def program() -> Path:
    """The gateway's command, in an environment of its own, made if it is not there yet."""
    return environments.made("litellm").script("litellm")


@contextlib.contextmanager
def serve(configuration: Mapping[str, object], tenants: Mapping[str, Tenant]) -> Iterator[Gateway]:
    """
    A gateway with *configuration* (see `config`), whose keys are those of *tenants*.

    Requests authenticate with ``Authorization: Bearer KEY``; ``MASTER_KEY`` is an administrator.
    """
    command_of_litellm = program()
    port = free_port()
    with work_folder("litellm") as folder:
        # YAML reads JSON.
        (folder / "config.yaml").write_text(json.dumps(configuration), encoding="utf-8")
        shutil.copy2(Path(__file__).parent / "inside" / "litellm_auth.py", folder)
        owners = {
            key: {name: value for name, value in asdict(tenant).items() if value}
            for key, tenant in tenants.items()
        }
        (folder / "tenants.json").write_text(json.dumps(owners), encoding="utf-8")
        env = {
            **_PLAIN_ENVIRONMENT,
            "TIDEGAUGE_RIG_TENANTS": str(folder / "tenants.json"),
            "HOME": str(folder),
        }
        command: list[str | Path] = [
            command_of_litellm,
            *("--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)),
        ]
        with running(
            "litellm",
            command,
            port=port,
            folder=folder,
            ready="/health/liveliness",
            env=env,
            timeout_seconds=120,
            kind=Gateway,
        ) as gateway:
            yield gateway
