"""OpenTelemetry's own GenAI instrumentation, in its own environment, sends to our receivers."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import pytest
from otlp_bodies.recorded import Kept
from otlp_bodies.served import AGENT, both
from rigs import genai_client, upstream
from rigs.cache import RigUnavailable

from service.clock import WallClock
from vocabulary import metrics as m

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PROTOCOLS = ("http", "grpc")
CANARY = "say something, number"
"""What the client's prompts begin with."""


@contextlib.contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)


def _calls(
    protocol: Literal["http", "grpc"],
    *,
    calls: int = 2,
    streamed: bool = False,
    fail_with: int = 0,
    content: str = "",
    token: str = AGENT,
) -> tuple[Kept, genai_client.Outcome]:
    kept = Kept()
    with _or_skip(), upstream.serve() as model, both(kept, WallClock()) as (http_port, grpc_port):
        model.fail_with = fail_with
        port = http_port if protocol == "http" else grpc_port
        outcome = genai_client.call(
            f"{model.url}/v1",
            f"http://127.0.0.1:{port}",
            protocol=protocol,
            calls=calls,
            streamed=streamed,
            max_tokens=12,
            content=content,
            token=token,
            service_name="support-agent",
        )
    return kept, outcome


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_call_arrives_once_with_its_tokens(
    protocol: Literal["http", "grpc"], streamed: bool
) -> None:
    kept, outcome = _calls(protocol, calls=3, streamed=streamed)
    assert outcome.ok == 3, outcome
    assert len(kept.usage) == len({one.attempt_id for one in kept.usage}) == 3
    for one in kept.usage:
        assert (one.status, one.vantage, one.provider) == ("ok", "client", "openai")
        assert (one.input_tokens, one.output_tokens) == (4, 12)
        assert one.model_requested == "tiny-random"
        assert one.tenant == "support-agent", "nobody more trusted names a tenant"
        assert 0 < one.duration < 60


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_metrics_told_twice_are_cumulative_and_say_the_same(
    protocol: Literal["http", "grpc"],
) -> None:
    kept, _ = _calls(protocol, calls=3)
    count = f"{m.CLIENT_OPERATION_DURATION.name}_count"
    told = [one for one in kept.samples if one.series.name == count]
    assert {one.value for one in told} == {3.0}
    assert len({one.series for one in told}) == 1
    tokens = {
        one.series.label("token_type"): one.value
        for one in kept.samples
        if one.series.name == "gen_ai_client_token_usage_sum"
    }
    assert tokens == {"input": 3 * 4.0, "output": 3 * 12.0}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_captured_prompts_stay_outside(protocol: Literal["http", "grpc"]) -> None:
    kept, _ = _calls(protocol, content="SPAN_ONLY")
    assert len(kept.usage) == 2
    assert CANARY not in kept.everything


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_failed_calls_are_attempts_of_unknown_usage(protocol: Literal["http", "grpc"]) -> None:
    kept, outcome = _calls(protocol, fail_with=503)
    assert outcome.ok == 0
    assert [one.status for one in kept.usage] == ["error", "error"]
    assert {(one.input_tokens, one.output_tokens) for one in kept.usage} == {(None, None)}
    assert all(one.error_type for one in kept.usage)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_token_brings_nothing_in(protocol: Literal["http", "grpc"]) -> None:
    kept, outcome = _calls(protocol, token="somebody-elses-token")
    assert outcome.ok == 2, "the application does not suffer"
    assert kept.usage == []
    assert kept.samples == []
