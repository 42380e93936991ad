"""A `trtllm-serve` page, with `return_perf_metrics` and `enable_iter_perf_stats` on."""

from collections.abc import Mapping, Sequence

from simulator.engine import Engine
from simulator.pages.text import Rows, Writer

_BLOCK = 32
"""Tokens of a block of the cache, the server's default."""
BOUNDS: Mapping[str, Sequence[float]] = {
    "prefill": (
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0,
        160.0, 640.0, 2560.0,
    ),
}  # fmt: skip
"""Bounds of its histograms by the tally's names, where they are not vLLM's."""


def render(writer: Writer, engine: Engine, model: str, now: float) -> bytes:  # noqa: ARG001
    """The page of *engine* serving *model*; its token counters move when a request ends."""
    own = ("trtllm", model)
    values: dict[str, float] = {**_counters(engine), **_gauges(engine)}
    tally = engine.tally
    rows: dict[str, Rows] = {
        **{f"trtllm_{name}": [(own, value)] for name, value in values.items()},
        **{
            f"trtllm_{name}_seconds": [(own, histogram)]
            for name, histogram in {
                "e2e_request_latency": tally.whole,
                "time_to_first_token": tally.to_first_token,
                "time_per_output_token": tally.per_token,
                "request_queue_time": tally.queue,
                "request_prefill_time": tally.prefill,
                "request_decode_time": tally.decode,
                "request_inference_time": tally.inference,
            }.items()
        },
        "trtllm_request_success_total": [
            (("trtllm", reason, model), tally.finished[reason]) for reason in ("stop", "length")
        ],
        "trtllm_request_error_total": [
            (("trtllm", "500", model), tally.finished["error"]),
        ],
        "trtllm_prompt_cache_hit_tokens_total": [
            (("0", "gpu", "trtllm", model), values["prompt_cached_tokens_total"])
        ],
    }
    return writer.write(rows, tally.started)


def _counters(engine: Engine) -> dict[str, float]:
    tally = engine.tally
    missed = tally.looked_up_tokens - tally.hit_tokens
    return {
        "prompt_tokens_total": tally.input_length.total,
        "prompt_cached_tokens_total": tally.input_length.total - tally.computed_length.total,
        "generation_tokens_total": tally.output_length.total,
        "kv_cache_reused_blocks_total": tally.hit_tokens // _BLOCK,
        "kv_cache_missed_blocks_total": missed // _BLOCK,
        "num_requests_completed_total": tally.whole.count,
        "spec_decode_num_draft_tokens_total": int(tally.drafted_tokens),
        "spec_decode_num_accepted_tokens_total": int(tally.accepted_tokens),
    }


def _gauges(engine: Engine) -> dict[str, float]:
    tally = engine.tally
    blocks = engine.kv_capacity // _BLOCK
    used = round(blocks * engine.kv_usage)
    looked_up = max(1, tally.looked_up_tokens)
    return {
        "kv_cache_hit_rate": tally.hit_tokens / looked_up,
        "kv_cache_utilization": engine.kv_usage,
        "kv_cache_max_blocks": blocks,
        "kv_cache_used_blocks": used,
        "kv_cache_free_blocks": blocks - used,
        "kv_cache_tokens_per_block": _BLOCK,
        "num_requests_running": engine.running,
        "num_requests_waiting": engine.queued,
        "max_num_active_requests": engine.model.max_requests,
        "num_context_requests": len(engine.prefilling),
        "num_generation_requests": len(engine.decoding),
        "num_scheduled_requests": engine.running,
        "num_paused_requests": 0,
    }
