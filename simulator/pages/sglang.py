"""An SGLang 0.5 page: `--enable-metrics`, one data-parallel group seen by its first rank."""

from collections.abc import Mapping, Sequence

from simulator.counting import Histogram
from simulator.engine import Engine
from simulator.pages.text import Rows, Writer

_TO_FIRST_TOKEN = (
    0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 200.0,
    400.0,
)  # fmt: skip
_BETWEEN_TOKENS = (
    0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.08, 0.1, 0.2,
    0.4, 0.6, 0.8, 1.0, 2.0, 4.0, 6.0, 8.0,
)  # fmt: skip
_TOKENS = (
    100.0, 300.0, 500.0, 700.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 7000.0,
    8000.0, 9000.0, 10_000.0, 12_500.0, 15_000.0, 17_500.0, 20_000.0, 22_500.0, 25_000.0, 27_500.0,
    30_000.0, 35_000.0, 40_000.0, 60_000.0, 80_000.0, 100_000.0, 200_000.0, 300_000.0, 400_000.0,
    600_000.0, 800_000.0, 1_000_000.0, 1_100_000.0,
)  # fmt: skip
BOUNDS: Mapping[str, Sequence[float]] = {
    "to_first_token": _TO_FIRST_TOKEN,
    "between_tokens": _BETWEEN_TOKENS,
    "per_token": _BETWEEN_TOKENS,
    "whole": (*_TO_FIRST_TOKEN, 600.0, 1200.0, 1800.0, 2400.0),
    "input_length": _TOKENS,
    "computed_length": _TOKENS,
    "output_length": _TOKENS,
}
"""Bounds of its histograms by the tally's names."""
_PAGE = 1
"""Tokens of a page of the cache, the server's default."""


def render(writer: Writer, engine: Engine, model: str, now: float) -> bytes:  # noqa: ARG001
    """The page of *engine* serving *model*.

    What its tokenizer counts is counted when a request has finished, what its scheduler counts as
    it happens; the scheduler counts no first token, for prefill makes it.
    """
    rank = ("0", "unified", model, "0", "0", "0")
    rows: dict[str, Rows] = {
        **_finished(engine, model),
        **{f"sglang:{name}": [(rank, value)] for name, value in _gauges(engine).items()},
        **_scheduler(engine, rank),
    }
    return writer.write(rows, engine.tally.started)


def _finished(engine: Engine, model: str) -> dict[str, Rows]:
    tally = engine.tally
    own, streaming = ("unified", model), ("unified", "true", model)
    cached = tally.input_length.total - tally.computed_length.total
    return {
        "sglang:prompt_tokens_total": [(streaming, tally.input_length.total)],
        "sglang:generation_tokens_total": [(streaming, tally.output_length.total)],
        "sglang:prompt_tokens_histogram": [(own, tally.input_length)],
        "sglang:uncached_prompt_tokens_histogram": [(own, tally.computed_length)],
        "sglang:generation_tokens_histogram": [(own, tally.output_length)],
        "sglang:cached_tokens_total": [(("device", *own), cached)],
        "sglang:num_requests_total": [(streaming, tally.whole.count)],
        "sglang:num_aborted_requests_total": [(own, tally.finished["abort"])],
        "sglang:time_to_first_token_seconds": [(streaming, tally.to_first_token)],
        "sglang:inter_token_latency_seconds": [(own, tally.between_tokens)],
        "sglang:request_time_per_output_token_seconds": [(streaming, tally.per_token)],
        "sglang:e2e_request_latency_seconds": [(streaming, tally.whole)],
    }


def _gauges(engine: Engine) -> dict[str, float]:
    capacity, used = engine.kv_capacity, min(engine.kv_used, engine.kv_capacity)
    return {
        "num_running_reqs": engine.running,
        "num_queue_reqs": engine.queued,
        "num_grammar_queue_reqs": 0.0,
        "token_usage": engine.kv_usage,
        "full_token_usage": engine.kv_usage,
        "num_used_tokens": used,
        "kv_used_tokens": used,
        "kv_available_tokens": capacity - used,
        "kv_evictable_tokens": 0.0,
        "num_paused_reqs": 0.0,
        "max_total_num_tokens": capacity,
        "page_size": _PAGE,
        "num_pages": capacity // _PAGE,
        "context_len": engine.model.max_context,
    }


def _scheduler(engine: Engine, rank: tuple[str, ...]) -> dict[str, Rows]:
    tally = engine.tally
    first = rank[:2]
    decoded = tally.generated_tokens - tally.to_first_token.count
    live = {
        "prefill_compute": tally.prompt_tokens - tally.prompt_cached_tokens,
        "prefill_cache": tally.prompt_cached_tokens,
        "decode": decoded,
    }
    looked_up = {
        "input": tally.looked_up_tokens - tally.hit_tokens,
        "device_hit": tally.hit_tokens,
        "host_hit": 0,
        "storage_hit": 0,
    }
    waits: Histogram = tally.queue
    return {
        "sglang:num_retracted_requests_total": [(rank, tally.preemptions)],
        "sglang:queue_time_seconds": [(rank, waits)],
        "sglang:realtime_tokens_total": [
            ((*first, mode, *rank[2:]), value) for mode, value in live.items()
        ],
        "sglang:prefill_effective_tokens_total": [
            ((*first, mode, *rank[2:]), value) for mode, value in looked_up.items()
        ],
    }
