"""The gateway: attempts and operations, and that none is lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest

from simulator.calls import Arrival
from simulator.cluster import PoolSpec
from simulator.engine import Engine
from simulator.engine_model import EngineModel
from simulator.gateway import Gateway
from simulator.gpus import L4
from simulator.pages.litellm import spend
from simulator.tallies import Tally

MODEL = EngineModel(0.02, 0.0004, 1e-7, 0.0001, 50_000, 64, 2048, 16_384, 30.0)
POOL = PoolSpec(
    "p", "vllm", "p", "1", L4, 1, 2, MODEL, Decimal(2), Decimal(4), Decimal("0.5"),
    timeout=30.0, retries=2,
)  # fmt: skip


@dataclass
class Backend:
    uid: str
    engine: Engine = field(init=False)
    answers: bool = True

    def __post_init__(self) -> None:
        self.engine = Engine(MODEL, np.random.default_rng(1), 0.0, Tally(0.0, 16_384))


def gateway(*backends: Backend) -> Gateway:
    return Gateway({"p": POOL}, lambda _pool: backends, 0.0)


def call(at: float, answer: int = 50, prompt: int = 1000) -> Arrival:
    return Arrival(at, "t", "p", prompt, answer, 0.25)


def run(
    one: Gateway, backends: tuple[Backend, ...], calls: list[Arrival], until: float,
    meanwhile: Callable[[float], None] = lambda _now: None,
) -> None:  # fmt: skip
    now = 0.0
    while now < until:
        end = now + 0.5
        one.step([item for item in calls if now <= item.at < end], end)
        for backend in backends:
            if backend.answers:
                backend.engine.advance(end)
            one.settle(backend.engine.leavings())
        one.time_out(end)
        meanwhile(end)
        now = end


def test_a_call_is_one_operation_and_one_attempt_and_is_booked_at_list_price() -> None:
    backend = Backend("a")
    one = gateway(backend)
    run(one, (backend,), [call(1.0)], 20.0)
    account = one.account("t", "p")
    assert (account.succeeded, account.attempts_ok, account.failed) == (1, 1, {})
    assert (account.input_tokens, account.cached_tokens, account.output_tokens) == (1000, 250, 50)
    expected = (750 * Decimal(2) + 250 * Decimal("0.5") + 50 * Decimal(4)) / 1_000_000
    assert spend(account, POOL) == expected
    assert one.taken == one.answered == 1


def test_the_least_busy_replica_is_asked() -> None:
    first, second = Backend("a"), Backend("b")
    one = gateway(first, second)
    first.engine.stalled = True
    run(one, (first, second), [call(0.1 * number, answer=20) for number in range(100)], 25.0)
    assert second.engine.tally.finished["stop"] > 60
    assert first.engine.queued < 30


def test_a_dead_replica_costs_an_attempt_and_not_the_operation() -> None:
    dead, alive = Backend("a", answers=False), Backend("b")
    one = gateway(dead, alive)
    run(one, (dead, alive), [call(float(number)) for number in range(30)], 120.0)
    account = one.account("t", "p")
    assert account.succeeded == 30
    assert sum(account.attempts_failed.values()) > 5
    assert account.failed == {}


def test_an_operation_fails_after_its_last_retry() -> None:
    dead = Backend("a", answers=False)
    one = gateway(dead)
    run(one, (dead,), [call(1.0)], 30.0)
    account = one.account("t", "p")
    assert account.failed == {("Openai.APIConnectionError", "500"): 1}
    assert sum(account.attempts_failed.values()) == 1 + POOL.retries
    assert one.answered == 1
    assert not one.open


def test_without_a_ready_replica_the_answer_is_503() -> None:
    one = gateway()
    run(one, (), [call(1.0)], 30.0)
    assert one.account("t", "p").failed == {("Openai.ServiceUnavailableError", "503"): 1}


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_timeout_ends_the_work_or_leaves_it_running(hangs_up: bool) -> None:
    backend = Backend("a")
    one = gateway(backend)
    policy = one.policies["p"]
    policy.timeout, policy.retries, policy.hangs_up = 2.0, 0, hangs_up
    run(one, (backend,), [call(1.0, answer=1000)], 60.0)
    assert one.account("t", "p").failed == {("Openai.Timeout", "408"): 1}
    assert backend.engine.tally.finished["abort"] == (1 if hangs_up else 0)
    done = backend.engine.tally.finished["stop"] + backend.engine.tally.finished["length"]
    assert done == (0 if hangs_up else 1)
    assert one.in_flight["a"] == 0


def test_hanging_up_on_zombies_frees_the_engines() -> None:
    backend = Backend("a")
    one = gateway(backend)
    policy = one.policies["p"]
    policy.timeout, policy.retries, policy.hangs_up = 2.0, 3, False
    run(one, (backend,), [call(0.1 * number, answer=800) for number in range(100)], 20.0)
    assert backend.engine.running + backend.engine.queued > 2 * len(one.open)
    one.hang_up_on_zombies([backend.engine])
    assert backend.engine.running + backend.engine.queued <= len(one.open)


def test_every_operation_is_open_or_answered() -> None:
    backends = (Backend("a"), Backend("b"))
    one = gateway(*backends)
    calls = [call(0.2 * number, answer=1 + number % 300) for number in range(600)]

    def balanced(_now: float) -> None:
        assert one.taken == one.answered + len(one.open)
        assert sum(one.in_flight.values()) <= len(one.open)

    def crash(now: float) -> None:
        balanced(now)
        if now in (30.0, 60.0):
            backends[0].engine.lose_everything(now)

    run(one, backends, calls, 300.0, crash)
    assert one.taken == 600
    assert not one.open
    assert one.account("t", "p").operations == 600
