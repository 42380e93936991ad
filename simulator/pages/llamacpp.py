"""A llama.cpp `llama-server --metrics` page."""

from simulator.engine import Engine
from simulator.pages.text import Writer


def render(writer: Writer, engine: Engine, model: str, now: float) -> bytes:  # noqa: ARG001
    """The page of *engine* now.

    llama-server counts prompt tokens without the cached ones, and answers when they are finished.
    """
    tally = engine.tally
    predicted, predicted_seconds = tally.output_length.total, tally.decode.total
    computed = tally.prompt_tokens - tally.prompt_cached_tokens
    steps = tally.step_tokens.count
    values: dict[str, float] = {
        "prompt_tokens_total": computed,
        "prompt_tokens_cached_total": tally.prompt_cached_tokens,
        "prompt_seconds_total": tally.prompt_seconds,
        "tokens_predicted_total": predicted,
        "tokens_predicted_seconds_total": predicted_seconds,
        "n_decode_total": steps,
        "n_tokens_max": tally.longest,
        "spec_decode_num_draft_tokens_total": int(tally.drafted_tokens),
        "spec_decode_num_accepted_tokens_total": int(tally.accepted_tokens),
        "spec_decode_num_drafts_total": int(tally.drafts),
        "prompt_tokens_seconds": computed / tally.prompt_seconds if tally.prompt_seconds else 0,
        "predicted_tokens_seconds": predicted / predicted_seconds if predicted_seconds else 0,
        "requests_processing": engine.running,
        "requests_deferred": engine.queued,
        "n_busy_slots_per_decode": tally.busy_slots / steps if steps else 0,
    }
    return writer.write({f"llamacpp:{name}": [((), value)] for name, value in values.items()}, 0.0)
