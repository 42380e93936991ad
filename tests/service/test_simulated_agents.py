"""Agents of a simulated cluster, from their own spans to what each run used."""

from collections import Counter
from pathlib import Path

from metering.ledger import Ledger
from metering.prices import load_book
from metering.runs import runs
from service.otlp.identity import Tenants
from service.otlp.spans import Spans
from service.simulated import write_prices
from simulator.clusters import AGENTS
from simulator.spans import exported
from simulator.world import World

NOON = 1_795_608_000.0


def test_what_agents_trace_becomes_runs_with_their_tokens_and_their_price(tmp_path: Path) -> None:
    world = World(7, NOON, AGENTS)
    world.traffic.spans.fetch()
    world.advance(NOON + 900.0)
    spans = world.traffic.spans.fetch()
    whole = {one.place.trace for one in spans if not one.place.above}
    ledger = Ledger(tmp_path / "usage.sqlite", load_book(write_prices(AGENTS, tmp_path)))
    batch, outcome = Spans(Tenants()).take(exported(spans), False, NOON + 900.0)
    assert not outcome.refused
    ledger.record(batch, NOON + 900.0)
    told = [one for one in runs(ledger, NOON - 600.0, NOON + 900.0) if one.agent]
    ledger.close()

    chats = [one for one in spans if one.client and one.place.trace in whole]
    calls = Counter(one.place.trace.hex()[:16] for one in chats)
    assert len(calls) > 25
    used = {talk: sum(one.attempts for one in told if one.run == talk) for talk in calls}
    assert used == dict(calls)
    assert {one.agent for one in told} == {"reviewer", "reviewer-worker"}
    assert {(one.tenant, one.models) for one in told} == {("code-assist", ("chat-70b",))}
    tokens = sum(one.input_tokens for one in told if one.run in calls)
    assert tokens == sum(int(dict(one.attributes)["gen_ai.usage.input_tokens"]) for one in chats)
    assert all(one.usd is not None and one.usd > 0 and not one.unpriced for one in told)
    own = [one for one in told if one.agent == "reviewer" and one.attempts > 3]
    cached = sum(one.cached_input_tokens for one in own) / sum(one.input_tokens for one in own)
    assert cached > 0.6, "a step's prompt holds the earlier ones"
