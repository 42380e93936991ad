"""A Text Generation Inference 3 page: the router's, without a word of the cache."""

from collections.abc import Mapping, Sequence

from simulator.engine import Engine
from simulator.pages.text import Rows, Writer

_SECONDS = tuple(float(f"{1e-4 * 1.5**power:.12g}") for power in range(40))
_TOKENS = tuple(float(2**power) for power in range(13))
BOUNDS: Mapping[str, Sequence[float]] = {
    **dict.fromkeys(("whole", "queue", "inference", "per_token", "between_tokens"), _SECONDS),
    **dict.fromkeys(("input_length", "output_length"), _TOKENS),
}
"""Bounds of its histograms by the tally's names."""


def render(writer: Writer, engine: Engine, model: str, now: float) -> bytes:  # noqa: ARG001
    """The page of *engine*; everything about a request is told when it has ended."""
    tally = engine.tally
    prefills = tally.to_first_token.count
    calls = {"prefill": prefills, "decode": max(0, tally.step_tokens.count - prefills)}
    plain: Mapping[str, float] = {
        "request_count": tally.whole.count + tally.finished["error"] + engine.running,
        "request_success": tally.whole.count,
        "batch_current_size": engine.running,
        "batch_current_max_tokens": engine.kv_used,
        "batch_max_total_tokens": engine.kv_capacity,
        "queue_size": engine.queued,
    }
    rows: dict[str, Rows] = {
        **{f"tgi_{name}": [((), value)] for name, value in plain.items()},
        "tgi_request_failure": [(("generation",), tally.finished["error"])],
        "tgi_batch_inference_count": [((method,), value) for method, value in calls.items()],
        "tgi_batch_inference_success": [((method,), value) for method, value in calls.items()],
        "tgi_request_duration": [((), tally.whole)],
        "tgi_request_queue_duration": [((), tally.queue)],
        "tgi_request_inference_duration": [((), tally.inference)],
        "tgi_request_mean_time_per_token_duration": [((), tally.per_token)],
        "tgi_request_input_length": [((), tally.input_length)],
        "tgi_request_generated_tokens": [((), tally.output_length)],
        "tgi_batch_forward_duration": [(("decode",), tally.between_tokens)],
    }
    return writer.write(rows, tally.started)
