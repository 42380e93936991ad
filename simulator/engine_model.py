"""How fast a model runs on the GPUs of one replica, and what fits: the figures of an engine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineModel:
    """How fast one model runs on the GPUs it was given."""

    base: float
    """Seconds of a step with an empty batch."""
    per_request: float
    """Seconds a step takes longer for each request in it."""
    per_kv_token: float
    """Seconds a step takes longer for each token of KV cache read."""
    per_prefill_token: float
    """Seconds a prompt token costs."""
    kv_tokens: int
    """Tokens the KV cache holds."""
    max_requests: int
    """`max_num_seqs`: most requests in the batch."""
    max_batched_tokens: int
    """Tokens a step may take, decoding and prefill together."""
    max_context: int
    """`max_model_len`: longest prompt with its answer."""
    load_seconds: float
    """From the start of the process to the first answer: weights, graphs, warm-up."""
    token_bytes: int = 0
    """Bytes that a token of KV cache takes on all GPUs of a replica; 0 where nobody asks."""
