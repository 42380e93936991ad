"""LiteLLM's proxy: what users asked for, what was tried upstream, tokens and spend by tenant.

Read `http://HOST:4000/metrics/` with the slash at the end: without it the proxy redirects, and
redirects are never followed. It answers 401 without a key unless
`require_auth_for_metrics_endpoint: false` is set.

Its labels hold e-mail addresses, client addresses, user agents, and once a mistyped bearer token
in clear. None of them leaves this file: a series is described by model, tenant and outcome alone.
Names and labels were read in recorded pages of LiteLLM 1.106.2.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import Folding, PageLabels, Word, clean
from vocabulary import metrics as m
from vocabulary.metrics import Metric
from vocabulary.pseudonyms import pseudonym

_SAYS_NOTHING = frozenset({"", "None", "null", "default_user_id", "litellm_proxy_master_key"})
"""LiteLLM writes a missing value as the word None, and its master key's user by these names."""

_RETRIED = frozenset({"408", "429"})
"""Refusals that are the service's fault, not the caller's: too slow, too many."""


_TEAM = (("tenant", "team_alias"),)
_CODES = ("200", "400", "401", "403", "404", "408", "422", "429", "500", "502", "503", "504")
"""Status codes that LiteLLM answers with, for asking its raw series."""


@dataclass(frozen=True, slots=True)
class Litellm(PageCollector):
    """A LiteLLM proxy with `callbacks: ["prometheus"]`."""

    tenant_from_users: bool = False
    """Also take `user` and `end_user` for tenants. Any caller may write them; off by default."""
    pseudonym_key: str = ""
    """Key of the pseudonyms that stand for tenants, as spans use it too; empty keeps teams'
    names, and hashes the names of keys and people even so."""
    max_tenants: int = 1000
    """Tenants told apart on one page; more are one called `other`."""

    engine: ClassVar[str] = "litellm"
    vantage: ClassVar[str] = "gateway"
    marks: ClassVar[tuple[str, ...]] = ("litellm_",)
    model_labels: ClassVar[tuple[str, ...]] = ("requested_model",)
    produces: ClassVar[tuple[Metric, ...]] = (
        m.GATEWAY_OPERATIONS,
        m.GATEWAY_ATTEMPTS,
        m.GATEWAY_FALLBACKS,
        m.GATEWAY_IN_FLIGHT,
        m.GATEWAY_SPEND,
        m.INPUT_TOKENS,
        m.INPUT_TOKENS_CACHED,
        m.OUTPUT_TOKENS,
        m.REQUEST_DURATION,
        m.TIME_TO_FIRST_TOKEN,
        m.TIME_PER_OUTPUT_TOKEN,
        m.QUEUE_DURATION,
    )

    def words(self) -> Iterable[Word]:
        folded = Folding(self.max_tenants)

        def tenant(page: PageLabels) -> Mapping[str, str] | None:
            if not _asked_for_a_model(page):
                return None
            return {"tenant": folded(self.tenant(page))}

        def operation(page: PageLabels) -> Mapping[str, str] | None:
            who = tenant(page)
            return who and {**who, "status": _status(page.get("status_code", ""))}

        def by_tenant(metric: Metric, name: str, **fixed: str) -> Word:
            plain = Word(metric, (name,), take=_TEAM, fixed=tuple(fixed.items()))
            return Word(metric, (name,), fixed=plain.fixed, label=tenant, raw=(plain,))

        operations = ("litellm_proxy_total_requests_metric_total",)
        return (
            Word(m.GATEWAY_OPERATIONS, operations, label=operation, raw=_plain(operations)),
            by_tenant(
                m.GATEWAY_ATTEMPTS, "litellm_deployment_success_responses_total", outcome="ok"
            ),
            by_tenant(
                m.GATEWAY_ATTEMPTS, "litellm_deployment_failure_responses_total", outcome="error"
            ),
            by_tenant(m.GATEWAY_FALLBACKS, "litellm_deployment_successful_fallbacks_total"),
            by_tenant(m.INPUT_TOKENS, "litellm_input_tokens_metric_total"),
            by_tenant(m.INPUT_TOKENS_CACHED, "litellm_input_cached_tokens_metric_total"),
            by_tenant(m.OUTPUT_TOKENS, "litellm_output_tokens_metric_total", count_at="finish"),
            by_tenant(m.GATEWAY_SPEND, "litellm_spend_metric_total"),
            Word(m.GATEWAY_IN_FLIGHT, ("litellm_in_flight_requests",)),
            Word(m.REQUEST_DURATION, ("litellm_request_total_latency_metric",)),
            Word(m.TIME_TO_FIRST_TOKEN, ("litellm_llm_api_time_to_first_token_metric",)),
            Word(
                m.TIME_PER_OUTPUT_TOKEN,
                ("litellm_deployment_latency_per_output_token",),
                take=(("model", "model_group"),),
            ),
            Word(m.QUEUE_DURATION, ("litellm_request_queue_time_seconds",)),
        )

    def tenant(self, page: PageLabels) -> str:
        """Who is charged: the team, else the key's alias, else the user where that is allowed.

        Empty when nobody is named.
        """
        key = self.pseudonym_key.encode()
        for label in ("team_alias", "team"):
            if page.get(label, "") not in _SAYS_NOTHING:
                return pseudonym(clean(page[label]), key)
        people = ("end_user", "user") if self.tenant_from_users else ()
        for label in ("api_key_alias", *people):
            name = page.get(label, "")
            if name not in _SAYS_NOTHING:
                return pseudonym(clean(name), key) if key else _hashed(name)
        return ""


def _hashed(name: str) -> str:
    return "k-" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _asked_for_a_model(page: PageLabels) -> bool:
    """Management calls and the metrics page itself are counted by the proxy too: no model."""
    return page.get("requested_model", "") not in _SAYS_NOTHING


def _status(code: str) -> str:
    """`ok`, `refused` when the caller was at fault, else `error`.

    A caller's mistakes (400, 401, 404) are no failure of the service and must not page anyone.
    """
    if code in _RETRIED or not code.isdecimal():
        return "error"
    return {"2": "ok", "3": "ok", "4": "refused"}.get(code[0], "error")


def _plain(operations: tuple[str, ...]) -> tuple[Word, ...]:
    return tuple(
        Word(
            m.GATEWAY_OPERATIONS,
            operations,
            take=_TEAM,
            where=(("status_code", code),),
            fixed=(("status", _status(code)),),
        )
        for code in _CODES
    )
