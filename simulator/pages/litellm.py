"""A LiteLLM proxy page at /metrics/: one child for each tenant's key and model."""

import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal

from simulator.accounts import Account, list_price
from simulator.cluster import NAMESPACE, PoolSpec
from simulator.gateway import OVER_BUDGET, Gateway
from simulator.pages.process import process_rows
from simulator.pages.text import Family, Rows, Value, Writer, families

_ABSENT = "None"
_NOBODY = {"api_provider": _ABSENT, "model_id": _ABSENT}
"""What a call is said to have reached that was refused before anybody was asked."""
_UNLIMITED = 9.223372036854776e18

Child = tuple[Mapping[str, str], Value]


def render(writer: Writer, gateway: Gateway, now: float) -> bytes:
    """The page of *gateway* at *now*."""
    families_by_name = {family.name: family for family in families("litellm")}
    rows: dict[str, Rows] = dict(process_rows(gateway.started, now, 5.2e8))
    children: dict[str, list[Child]] = {}
    for (tenant, pool_name), account in sorted(gateway.accounts.items()):
        pool = gateway.pools[pool_name]
        labels = identity(tenant, pool)
        for name, child in _children(account, pool, labels):
            children.setdefault(name, []).append(child)
    for name, child in (*_detours(gateway), *_budgets(gateway, now)):
        children.setdefault(name, []).append(child)
    for pool in gateway.pools.values():
        children.setdefault("litellm_deployment_state", []).append((identity("", pool), 0.0))
    for name, found in children.items():
        rows[name] = _rows(families_by_name[name], found)
    for name in (
        "litellm_total_users", "litellm_active_users", "litellm_teams_count",
        "litellm_check_batch_cost_jobs_polled", "litellm_check_batch_cost_last_run_timestamp",
    ):  # fmt: skip
        rows[name] = [((), 0.0)]
    rows["litellm_in_flight_requests"] = [((), float(len(gateway.open)))]
    return writer.write(rows, gateway.started)


def identity(tenant: str, pool: PoolSpec) -> dict[str, str]:
    """Every label a tenant's call to a pool bears; unknown ones say `None`, as LiteLLM does."""
    return {
        "api_base": f"http://{pool.name}.{NAMESPACE}.svc:8000/v1",
        "api_key_alias": f"{tenant}-key",
        "api_provider": "hosted_vllm" if pool.server == "vllm" else "openai",
        "client_ip": "10.0.12.7",
        "hashed_api_key": hashlib.sha256(f"simulated key of {tenant}".encode()).hexdigest(),
        "litellm_model_name": pool.model,
        "model": pool.model,
        "model_group": pool.name,
        "model_id": hashlib.sha256(f"deployment of {pool.name}".encode()).hexdigest(),
        "requested_model": pool.name,
        "route": "/v1/chat/completions",
        "team": f"team-{tenant}",
        "team_alias": tenant,
        "user": "default_user_id",
        "user_agent": "openai-python/2.8.0",
    }


def spend(account: Account, pool: PoolSpec) -> Decimal:
    """What LiteLLM books for *account*: tokens at list price, but for what it books wrongly."""
    tokens = (account.input_tokens, account.cached_tokens, account.output_tokens)
    return list_price(pool, *tokens) + account.misbooked


def _rows(family: Family, children: list[Child]) -> Rows:
    return [
        (tuple(labels.get(label, _ABSENT) for label in family.labels), value)
        for labels, value in children
    ]


def _children(
    account: Account, pool: PoolSpec, labels: dict[str, str]
) -> Iterator[tuple[str, Child]]:
    yield from _operations(account, labels)
    yield from _attempts(account, labels)
    if not account.succeeded:
        return
    counted: dict[str, float] = {
        "litellm_spend_metric_total": float(spend(account, pool)),
        "litellm_total_tokens_metric_total": account.input_tokens + account.output_tokens,
        "litellm_input_tokens_metric_total": account.input_tokens,
        "litellm_output_tokens_metric_total": account.output_tokens,
        "litellm_input_cached_tokens_metric_total": account.cached_tokens,
        "litellm_provider_cache_read_input_tokens_metric_total": account.cached_tokens,
        "litellm_cache_misses_metric_total": account.succeeded,
        "litellm_requests_metric_total": account.succeeded,
        "litellm_remaining_api_key_requests_for_model": _UNLIMITED,
        "litellm_remaining_api_key_tokens_for_model": _UNLIMITED,
    }
    histograms = {
        "litellm_request_total_latency_metric": account.total,
        "litellm_llm_api_latency_metric": account.upstream,
        "litellm_llm_api_time_to_first_token_metric": account.to_first_token,
        "litellm_overhead_latency_metric": account.overhead,
        "litellm_overhead_with_guardrails_latency_metric": account.overhead,
        "litellm_request_queue_time_seconds": account.queue,
        "litellm_deployment_latency_per_output_token": account.per_token,
    }
    for name, value in counted.items():
        yield name, (labels, value)
    for name, histogram in histograms.items():
        yield name, (labels, histogram)


def _operations(account: Account, labels: dict[str, str]) -> Iterator[tuple[str, Child]]:
    total = "litellm_proxy_total_requests_metric_total"
    if account.succeeded:
        yield total, ({**labels, "status_code": "200"}, account.succeeded)
    for (exception, status), number in sorted(account.failed.items()):
        asked = labels if exception != OVER_BUDGET else {**labels, **_NOBODY}
        failed = {**asked, "exception_class": exception, "exception_status": status}
        yield total, ({**asked, "status_code": status}, number)
        yield "litellm_proxy_failed_requests_metric_total", (failed, number)
    failures = sum(n for (why, _), n in account.failed.items() if why != OVER_BUDGET)
    if failures:
        yield "litellm_llm_api_failed_requests_metric_total", (labels, failures)


def _detours(gateway: Gateway) -> Iterator[tuple[str, Child]]:
    """Calls that went to a fallback, with the exception that sent them there."""
    for detour, number in sorted(gateway.detours.items()):
        exception, status = detour.why
        labels = {
            **identity(detour.tenant, gateway.pools[detour.asked]),
            "fallback_model": detour.to,
            "exception_class": exception,
            "exception_status": status,
            "model_id": _ABSENT,
        }
        outcome = "successful" if detour.worked else "failed"
        yield f"litellm_deployment_{outcome}_fallbacks_total", (labels, number)


def _budgets(gateway: Gateway, now: float) -> Iterator[tuple[str, Child]]:
    """What teams and keys may spend still, as of the last call that LiteLLM booked for each."""
    for tenant, purses in sorted(gateway.purses.items()):
        labels = identity(tenant, next(iter(gateway.pools.values())))
        for purse in purses:
            name = "team" if purse.allowance.of == "team" else "api_key"
            hours = max(0.0, purse.until - now) / 3600.0
            yield f"litellm_remaining_{name}_budget_metric", (labels, float(purse.left))
            yield f"litellm_{name}_max_budget_metric", (labels, float(purse.allowance.usd))
            yield f"litellm_{name}_budget_remaining_hours_metric", (labels, hours)


def _attempts(account: Account, labels: dict[str, str]) -> Iterator[tuple[str, Child]]:
    failures = sum(account.attempts_failed.values())
    if account.attempts_ok:
        yield "litellm_deployment_success_responses_total", (labels, account.attempts_ok)
    for (exception, status), number in sorted(account.attempts_failed.items()):
        failed = {**labels, "exception_class": exception, "exception_status": status}
        yield "litellm_deployment_failure_responses_total", (failed, number)
    if account.attempts_ok or failures:
        yield "litellm_deployment_total_requests_total", (labels, account.attempts_ok + failures)
