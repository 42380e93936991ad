"""Names that a release of a server, one that nobody has seen yet, gives to its metrics."""

from collections.abc import Mapping

RELEASE = "0.34.0"
NAMES: Mapping[str, Mapping[str, str]] = {
    "running": {"vllm:num_requests_running": "vllm:scheduler_active_requests"},
    "kv_cache": {"vllm:kv_cache_usage_perc": "vllm:block_pool_fill"},
    "steps": {"vllm:iteration_tokens_total": "vllm:step_batch_tokens"},
    "tokens": {"vllm:generation_tokens_total": "vllm:decoded_tokens_total"},
}
"""Renames of the size that vLLM had (`gpu_cache_usage_perc` became `kv_cache_usage_perc`), to
names that nobody knows yet."""
