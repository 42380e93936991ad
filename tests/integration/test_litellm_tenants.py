"""A real LiteLLM in front of a mock upstream: what tenants did, to the token, and nothing more.

`tidegauge up` reads the gateway's page from before the first call. What it then says of every
tenant, by each of its doors, must be what was sent: no more, no less, failures and retries
included. Nothing that names a person or a key may be found in anything it wrote.
"""

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from integration import products
from integration.products import Tidegauge, until
from rigs import litellm, upstream

from store.embedded import EmbeddedStore
from vocabulary import metrics as m
from vocabulary.expressions import By, Last, Signal
from vocabulary.metrics import BY_SERIES_NAME, Metric

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

TENANTS = {
    "sk-secret-of-search": litellm.Tenant(
        key_alias="ci-key", team_id="team-17", team_alias="search", user_id="ann@example.com"
    ),
    "sk-secret-of-support": litellm.Tenant(
        key_alias="bot-key", team_id="team-18", team_alias="support", user_id="bob@example.com"
    ),
    "sk-secret-of-nobody": litellm.Tenant(key_alias="lonely-key", user_id="carl@example.com"),
}
PRIVATE = (
    "sk-secret", "sk-mistyped", litellm.MASTER_KEY, "ci-key", "bot-key", "lonely-key",
    "example.com", "eve-the-end-user", "NosyBrowser", "team-17",
)  # fmt: skip
"""What clients and keys are called; a client's address is looked for by its label."""
PRICE = (Decimal("0.000001"), Decimal("0.000002"))
"""USD for one token in and out, told to the gateway and to us."""
PRICES = {"tokens": {"chat": {"input": "1", "output": "2"}}, "source": "this test"}
IDENTITY = (
    "cluster", "node", "namespace", "pod", "pool", "replica", "model", "engine", "vantage",
    "version", "tenant", "gpu",
)  # fmt: skip


@dataclass(slots=True)
class Sent:
    """What was asked of the gateway, counted by whoever asked."""

    input: Counter[str] = field(default_factory=Counter)
    output: Counter[str] = field(default_factory=Counter)
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By tenant and outcome."""


@dataclass(slots=True)
class Client:
    """Sends calls to the gateway and keeps count."""

    url: str
    sent: Sent = field(default_factory=Sent)

    def ask(self, tenant: str, key: str, model: str, words: int, tokens: int, **more: Any) -> int:
        """One chat completion; gives the status."""
        message = {"role": "user", "content": " ".join(["word"] * words)}
        body = {"model": model, "messages": [message], "max_tokens": tokens, **more}
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {key}",
            "User-Agent": "NosyBrowser/1.0",
        }
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                answer.read()
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        if status == 200:
            self.sent.input[tenant] += words
            self.sent.output[tenant] += tokens
        outcome = {200: "ok", 401: "refused"}.get(status, "error")
        self.sent.operations[tenant, outcome] += 1
        return status


@pytest.fixture(scope="module")
def behind() -> Iterator[upstream.Upstream]:
    with upstream.serve() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(behind: upstream.Upstream) -> Iterator[litellm.Gateway]:
    routes = [
        litellm.Route("chat", behind.url, price=(float(PRICE[0]), float(PRICE[1]))),
        litellm.Route("broken", "http://127.0.0.1:9"),
    ]
    configuration = litellm.config(routes)
    configuration["router_settings"] = {"num_retries": 1, "disable_cooldowns": True}
    with products.or_skip(), litellm.serve(configuration, TENANTS) as running:
        yield running


@pytest.fixture(scope="module")
def product(
    gateway: litellm.Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tidegauge]:
    folder = tmp_path_factory.mktemp("told")
    (folder / "key").write_text(litellm.MASTER_KEY)
    (folder / "prices.json").write_text(json.dumps(PRICES))
    settings = {
        "interval_seconds": 2,
        "scrape_token_file": str(folder / "key"),
        "price_file": str(folder / "prices.json"),
    }
    with products.up([f"{gateway.url}/metrics/"], settings) as running:
        yield running


@pytest.fixture(scope="module")
def sent(gateway: litellm.Gateway, product: Tidegauge, behind: upstream.Upstream) -> Sent:
    """Calls of three tenants, two of them failing, and one with a key that nobody has."""
    until(lambda: product.get("status")["sources"] == 1, "read once", product, seconds=30)
    client = Client(gateway.url)
    search, support, nobody = TENANTS
    for number in range(5):
        assert client.ask("search", search, "chat", 3 + number, 10 + number) == 200
    assert client.ask("search", search, "chat", 7, 9, user="eve-the-end-user") == 200
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    assert client.ask("support", support, "chat", 11, 21, **streamed) == 200
    assert client.ask("support", support, "chat", 13, 4) == 200
    assert client.ask("nobody", nobody, "chat", 2, 6) == 200
    assert client.ask("support", support, "broken", 5, 5) >= 500
    behind.fail_with = 500
    assert client.ask("search", search, "chat", 4, 4) >= 500
    behind.fail_with = 0
    assert client.ask("", "sk-mistyped", "chat", 4, 4) == 401
    assert client.ask("search", search, "chat", 6, 8) == 200
    return client.sent


@pytest.fixture(scope="module")
def names(product: Tidegauge, sent: Sent) -> dict[str, str]:
    """What tidegauge calls each tenant: teams by name, the key without a team by a pseudonym."""
    rows = usage_rows(product, sent)
    (hashed,) = {row["tenant"] for row in rows} - {"search", "support", ""}
    assert hashed.startswith("k-")
    return {"search": "search", "support": "support", "nobody": hashed, "": ""}


def usage_rows(product: Tidegauge, sent: Sent) -> list[dict[str, Any]]:
    """The API's usage by tenant, once the ledger has booked the last call (once a minute)."""

    def booked() -> list[dict[str, Any]] | None:
        rows: list[dict[str, Any]] = product.get("usage", by="tenant")["usage"]
        enough = sum(row["output_tokens"] for row in rows) >= sum(sent.output.values())
        return rows if enough else None

    return until(booked, "all calls are booked", product, seconds=100)


def check(rows: list[dict[str, Any]], sent: Sent, names: dict[str, str]) -> None:
    """Every row is what was sent, and there is no other row."""
    by_tenant = {row["tenant"]: row for row in rows}
    assert by_tenant.keys() == set(names.values())
    for tenant, name in names.items():
        row = by_tenant[name]
        assert row["input_tokens"] == sent.input[tenant], tenant
        assert row["output_tokens"] == sent.output[tenant], tenant
        done, failed = sent.operations[tenant, "ok"], sent.operations[tenant, "error"]
        refused = sent.operations[tenant, "refused"]
        assert (row["operations"], row["operations_failed"]) == (done + failed + refused, failed)
        assert (row["attempts"], row["attempts_failed"]) == (done + failed, failed)
        if name:
            assert Decimal(row["usd_exact"]) == cost(sent, tenant)


def cost(sent: Sent, tenant: str) -> Decimal:
    return sent.input[tenant] * PRICE[0] + sent.output[tenant] * PRICE[1]


def test_usage_is_what_was_sent(sent: Sent, product: Tidegauge, names: dict[str, str]) -> None:
    check(usage_rows(product, sent), sent, names)
    report = products.run(
        "usage", "report", "--by", "tenant", "--data-dir", product.data, "-o", "json",
        cwd=product.folder,
    )  # fmt: skip
    told = json.loads(report)
    assert (told["source"], told["vantage"]) == ("counters", "gateway")
    check(told["lines"], sent, names)


def test_series_hold_the_same_counts_and_the_gateways_own_spend(
    sent: Sent, product: Tidegauge, names: dict[str, str]
) -> None:
    with closing(EmbeddedStore(product.data / "series", read_only=True)) as store:

        def newest(metric: Metric, **labels: str) -> float:
            signal = Signal("newest", "1", "", By("sum", Last(metric, tuple(labels.items())), ()))
            now = store.newest()
            assert now is not None
            frame = store.evaluate(signal, now, now, 1.0)
            return 0.0 if frame.empty else float(frame.values[0, -1])

        for tenant, name in names.items():
            if not tenant:
                continue
            assert newest(m.INPUT_TOKENS, tenant=name) == sent.input[tenant]
            assert newest(m.OUTPUT_TOKENS, tenant=name) == sent.output[tenant]
            for status in ("ok", "error"):
                done = newest(m.GATEWAY_OPERATIONS, tenant=name, status=status)
                assert done == sent.operations[tenant, status]
            spent = newest(m.GATEWAY_SPEND, tenant=name)
            assert spent == pytest.approx(float(cost(sent, tenant)), rel=1e-12)
        assert newest(m.GATEWAY_OPERATIONS, status="refused") == sent.operations["", "refused"]
        assert newest(m.GATEWAY_OPERATIONS, model="broken", status="error") == 1.0
        assert newest(m.GATEWAY_ATTEMPTS, model="chat", outcome="ok") == 10.0


def test_a_retry_inside_the_gateway_is_on_none_of_its_counters(
    sent: Sent, product: Tidegauge, behind: upstream.Upstream, names: dict[str, str]
) -> None:
    reached = len(behind.requests)
    answered = sum(count for (_, status), count in sent.operations.items() if status == "ok")
    assert reached == answered + 2, "the call that failed was tried twice"
    row = next(row for row in usage_rows(product, sent) if row["tenant"] == "search")
    assert row["attempts_failed"] == 1, "LiteLLM 1.108 counts the last of both alone"


def test_nothing_private_is_kept_or_shown(
    product: Tidegauge, gateway: litellm.Gateway, names: dict[str, str]
) -> None:
    with closing(EmbeddedStore(product.data / "series", read_only=True)) as store:
        found = [one for name in BY_SERIES_NAME for one in store.series(name)]
    assert any(one.name == m.GATEWAY_SPEND.name for one in found)
    for series in found:
        allowed = {*IDENTITY, *BY_SERIES_NAME[series.name].labels, "le"}
        assert {name for name, _ in series.labels} <= allowed, series
        for label, value in series.labels:
            if label not in {"replica", "target"}:
                assert "127.0.0.1" not in value, "the client's address"
    shown = [repr(found), product.logs(), json.dumps(product.get("topology"))]
    files = [path for path in product.data.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files).decode("latin-1")
    page = gateway.metrics()
    for private in PRIVATE:
        assert all(private not in text for text in (*shown, written)), private
        assert private in page or private.startswith("sk-"), f"{private} would have been there"
