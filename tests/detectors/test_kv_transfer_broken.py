"""F13: blocks are held by nobody."""

import numpy as np
from scene_builder import NOW, Course, World, noisy, step

from detectors.kv_transfer_broken import KvTransferBroken
from fleet import identity
from vocabulary import signals
from vocabulary.expressions import Signal
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array

ONSET = NOW - 1800.0


def leak(per_minute: float) -> Course:
    def usage(t: Array) -> Array:
        lost = np.clip((t - ONSET) / 60.0 * per_minute, 0.0, 1.0)
        return np.minimum(1.0, 0.2 + lost)

    return usage


def findings(
    usage: Course | float, running: Course | float = 10.0, prompt: Course | float = 1800.0
) -> list[Finding]:
    world = World().replica(
        "a", kv_cache_utilization_mean=usage, requests_running_mean=noisy(running, 0.1)
    )
    about = {"pool": "chat", "model": "chat-model", "replica": "a", "vantage": "engine"}
    world.put(signals.KV_CAPACITY, 100_000.0, **about)
    world.put(signals.PROMPT_LENGTH, prompt, **about)
    world.put(signals.ANSWER_LENGTH, 200.0, **about)
    return list(KvTransferBroken().detect(world.scene()))


def test_a_cache_that_fills_with_nobody_in_it_is_found_and_dated() -> None:
    (finding,) = findings(leak(0.02))
    assert finding.entity == identity.replica("a")
    assert abs(finding.since - ONSET) <= 600.0
    assert finding.severity is Severity.WARNING


def test_when_nothing_more_fits_it_wakes_somebody() -> None:
    (finding,) = findings(leak(0.05))
    assert finding.severity is Severity.CRITICAL


def test_more_requests_and_longer_prompts_explain_a_full_cache() -> None:
    fuller = step(ONSET, 0.2, 0.6)
    assert findings(fuller, running=step(ONSET, 10.0, 30.0)) == []
    assert findings(fuller, prompt=step(ONSET, 1800.0, 5800.0)) == []


def test_a_cache_that_always_holds_more_is_how_this_engine_counts() -> None:
    assert findings(0.8) == []
    assert findings(step(NOW - 5000.0, 0.2, 0.6)) == []


def linked(**courses: Course | float) -> World:
    """A replica that decodes and one that computes prompts, with their transfers."""
    world = World().replica("decode").replica("prefill")
    usual: dict[str, tuple[Signal, str, Course | float]] = {
        "per_gb": (signals.KV_TRANSFER_SECONDS_PER_GB, "decode", noisy(0.05, 0.2)),
        "came": (signals.KV_TRANSFER_RATE, "decode", noisy(2.0, 0.1)),
        "failed": (signals.KV_TRANSFER_FAILURE_RATE, "decode", 0.0),
        "expired": (signals.KV_EXPIRY_RATE, "prefill", 0.0),
        "finished": (signals.FINISHED_RATE, "prefill", noisy(1.5, 0.1)),
    }
    for name, (signal, replica, course) in usual.items():
        about = {"pool": "chat", "model": "chat-model", "replica": replica, "vantage": "engine"}
        world.put(signal, courses.get(name, course), **about)
    return world


def seen(world: World) -> list[Finding]:
    return list(KvTransferBroken().detect(world.scene()))


def test_transfers_that_come_as_ever_are_nothing() -> None:
    assert seen(linked()) == []


def test_a_link_that_fell_back_to_tcp_is_found_where_it_ends() -> None:
    (finding,) = seen(linked(per_gb=noisy(step(NOW - 900.0, 0.05, 2.0), 0.2)))
    assert finding.entity == identity.replica("decode")
    assert abs(finding.since - (NOW - 900.0)) <= 240.0
    assert "A GB of KV cache" in finding.text


def test_transfers_that_share_a_link_are_no_broken_one() -> None:
    assert seen(linked(per_gb=noisy(step(NOW - 900.0, 0.05, 0.18), 0.2))) == []


def test_transfers_that_fail_are_found_and_leases_that_then_end_are_not_told_twice() -> None:
    failing = {"failed": step(NOW - 700.0, 0.0, 1.5), "came": step(NOW - 700.0, 2.0, 0.5)}
    (finding,) = seen(linked(**failing, expired=step(NOW - 700.0, 0.0, 0.5)))
    assert finding.entity == identity.replica("decode")
    assert "does not come" in finding.text


def test_prompts_that_nobody_fetches_are_found_where_they_are_kept() -> None:
    (finding,) = seen(linked(expired=step(NOW - 700.0, 0.0, 0.4)))
    assert finding.entity == identity.replica("prefill")
    assert "never fetched" in finding.text


def test_a_caller_who_hangs_up_now_and_then_is_no_broken_transfer() -> None:
    assert seen(linked(expired=0.01)) == []
    assert seen(linked(failed=0.02)) == []
