"""A vLLM 0.32 page: what the API server of one engine answers at /metrics."""

from simulator.adapters import in_use
from simulator.engine import Engine
from simulator.engine_roles import Decoding, Prefilling
from simulator.pages.process import process_rows
from simulator.pages.text import Rows, Writer

_BLOCK = 16
_CONFIG = {
    "_block_size_resolved": "True", "block_size": str(_BLOCK), "cache_dtype": "auto",
    "cache_hit_alignment_tokens": "None", "effective_attention_block_size": str(_BLOCK),
    "enable_mamba_shared_prefix_checkpoint": "False", "enable_prefix_caching": "True",
    "engine": "0", "gpu_memory_utilization": "0.92", "hash_block_size": "None",
    "is_attention_free": "False", "kv_cache_dtype_skip_layers": "[]", "kv_cache_layout": "None",
    "kv_cache_max_concurrency": "None", "kv_cache_memory_bytes": "None",
    "kv_offloading_backend": "native", "kv_offloading_size": "None",
    "kv_sharing_fast_prefill": "False", "mamba_block_size": "None", "mamba_cache_dtype": "auto",
    "mamba_cache_mode": "none", "mamba_page_size_padded": "None",
    "mamba_ssm_cache_dtype": "float32", "num_cpu_blocks": "None",
    "num_gpu_blocks_override": "None", "prefix_cache_retention_interval": "0",
    "prefix_caching_hash_algo": "sha256", "prefix_match_unit": "None",
    "replayssm_buffer_len": "16", "skip_page_size_padded": "None", "sliding_window": "None",
    "swa_bounded_replay": "True", "use_kda_recoverssm": "False", "use_replayssm": "False",
    "user_specified_block_size": "False",
}  # fmt: skip
_CONFIG_LABELS = tuple(sorted({*_CONFIG, "num_gpu_blocks", "kv_cache_size_tokens"}))
RESIDENT_BYTES = 6.1e9
"""Host memory of a fresh API server of a large model. Our judgement."""
_HANDLER = "/v1/chat/completions"


def render(writer: Writer, engine: Engine, model: str, now: float) -> bytes:
    """The page of *engine* serving *model* at *now*."""
    tally = engine.tally
    own = ("0", model)  # labels `engine` and `model_name` in the order of the families
    rows: dict[str, Rows] = {
        **process_rows(
            tally.started,
            now,
            RESIDENT_BYTES + tally.leaked_bytes,
            busy_seconds=engine.front_end.worked(now),
        ),
        **_gauges(engine, own),
        **_counters(engine, own),
        **_histograms(engine, own),
        **_drafts(engine, own),
        **_adapters(engine, now),
        **_transfers(engine, own),
        "vllm:cache_config_info": [(_config(engine), 1.0)],
        **_http(engine),
    }
    return writer.write(rows, tally.started)


def _gauges(engine: Engine, own: tuple[str, str]) -> dict[str, Rows]:
    waiting = float(engine.queued)
    deferred = float(engine.deferred) if isinstance(engine, Decoding) else 0.0
    return {
        "vllm:num_requests_running": [(own, float(engine.running))],
        "vllm:num_requests_waiting": [(own, waiting)],
        "vllm:num_requests_waiting_by_reason": [
            ((*own, "capacity"), waiting - deferred),
            ((*own, "deferred"), deferred),
        ],
        "vllm:engine_sleep_state": [
            ((*own, "awake"), 1.0),
            ((*own, "weights_offloaded"), 0.0),
            ((*own, "discard_all"), 0.0),
        ],
        "vllm:kv_cache_usage_perc": [(own, engine.kv_usage)],
    }


def _counters(engine: Engine, own: tuple[str, str]) -> dict[str, Rows]:
    tally = engine.tally
    fetched = tally.prompt_fetched_tokens
    elsewhere = tally.prompt_cached_tokens + fetched
    looked_up = tally.looked_up_tokens - tally.hit_tokens if isinstance(engine, Decoding) else 0.0
    zero = (
        "vllm:estimated_flops_per_gpu_total",
        "vllm:estimated_read_bytes_per_gpu_total",
        "vllm:estimated_write_bytes_per_gpu_total",
        "vllm:mm_cache_queries_total",
        "vllm:mm_cache_hits_total",
    )
    held = {"device": tally.hit_tokens, "external_unspecified": fetched}
    engine_label, model = own
    return {
        **{name: [(own, 0.0)] for name in zero},
        "vllm:external_prefix_cache_queries_total": [(own, looked_up)],
        "vllm:external_prefix_cache_hits_total": [(own, fetched)],
        "vllm:prefix_cache_queries_total": [(own, tally.looked_up_tokens)],
        "vllm:prefix_cache_hits_total": [(own, tally.hit_tokens)],
        "vllm:num_preemptions_total": [(own, tally.preemptions)],
        "vllm:prompt_tokens_total": [(own, tally.prompt_tokens)],
        "vllm:prompt_tokens_by_source_total": [
            ((*own, "local_compute"), tally.prompt_tokens - elsewhere),
            ((*own, "local_cache_hit"), tally.prompt_cached_tokens),
            ((*own, "external_kv_transfer"), fetched),
        ],
        "vllm:prompt_tokens_cached_total": [(own, elsewhere)],
        "vllm:prompt_tokens_cached_by_source_total": [
            ((*own, source), held.get(source, 0.0))
            for source in ("device", "host", "p2p", "disk", "external_unspecified")
        ],
        "vllm:generation_tokens_total": [(own, tally.generated_tokens)],
        "vllm:request_success_total": [
            ((engine_label, reason, model), number) for reason, number in tally.finished.items()
        ],
        "vllm:admission_rejections_total": [
            ((model, reason), 0.0) for reason in ("max_num_queued_reqs", "max_num_queued_tokens")
        ],
    }


def _drafts(engine: Engine, own: tuple[str, str]) -> dict[str, Rows]:
    """Families that vLLM declares only where it speculates."""
    if engine.drafting is None:
        return {}
    tally = engine.tally
    values = {
        "drafts": tally.drafts,
        "draft_tokens": tally.drafted_tokens,
        "accepted_tokens": tally.accepted_tokens,
    }
    return {
        f"vllm:spec_decode_num_{name}_total": [(own, int(value))] for name, value in values.items()
    }


def _transfers(engine: Engine, own: tuple[str, str]) -> dict[str, Rows]:
    """Families that vLLM declares only with the NIXL connector, on both sides of it.

    Those of posting and of descriptors are left out: neither is simulated.
    """
    if not isinstance(engine, Decoding | Prefilling):
        return {}
    tally = engine.tally
    return {
        "vllm:nixl_xfer_time_seconds": [(own, tally.transfer_seconds)],
        "vllm:nixl_bytes_transferred": [(own, tally.transfer_bytes)],
        "vllm:nixl_num_failed_transfers_total": [(own, tally.transfers_failed)],
        "vllm:nixl_num_failed_notifications_total": [(own, 0.0)],
        "vllm:nixl_num_kv_expired_reqs_total": [(own, tally.transfers_expired)],
        "vllm:nixl_num_notifications_after_expiry_total": [(own, 0.0)],
    }


def _adapters(engine: Engine, now: float) -> dict[str, Rows]:
    """A family that vLLM declares only where adapters are served; its value is when it was told."""
    if engine.adapters is None:
        return {}
    running, waiting = (
        ",".join(f"adapter-{one:02}" for one in sorted(in_use(requests)))
        for requests in ((*engine.prefilling, *engine.decoding.values()), engine.waiting)
    )
    return {"vllm:lora_requests_info": [((str(engine.adapters.use.slots), running, waiting), now)]}


def _histograms(engine: Engine, own: tuple[str, str]) -> dict[str, Rows]:
    tally = engine.tally
    named = {
        "request_prompt_tokens": tally.input_length,
        "request_generation_tokens": tally.output_length,
        "iteration_tokens_total": tally.step_tokens,
        "request_max_num_generation_tokens": tally.output_limit,
        "request_params_n": tally.samples_asked,
        "request_params_max_tokens": tally.output_asked,
        "time_to_first_token_seconds": tally.to_first_token,
        "inter_token_latency_seconds": tally.between_tokens,
        "request_time_per_output_token_seconds": tally.per_token,
        "e2e_request_latency_seconds": tally.whole,
        "request_queue_time_seconds": tally.queue,
        "request_inference_time_seconds": tally.inference,
        "request_prefill_time_seconds": tally.prefill,
        "request_decode_time_seconds": tally.decode,
        "request_num_preemptions": tally.preempted_times,
        "request_prefill_kv_computed_tokens": tally.computed_length,
    }
    return {f"vllm:{name}": [(own, histogram)] for name, histogram in named.items()}


def _config(engine: Engine) -> tuple[str, ...]:
    values = {
        **_CONFIG,
        "num_gpu_blocks": str(engine.kv_capacity // _BLOCK),
        "kv_cache_size_tokens": str(engine.kv_capacity),
    }
    return tuple(values[label] for label in _CONFIG_LABELS)


def _http(engine: Engine) -> dict[str, Rows]:
    tally = engine.tally
    answered = tally.http.count
    return {
        "http_requests_total": [((_HANDLER, "POST", "2xx"), answered)],
        "http_request_size_bytes": [((_HANDLER,), (answered, tally.input_length.total * 4.4))],
        "http_response_size_bytes": [((_HANDLER,), (answered, tally.output_length.total * 4.4))],
        "http_request_duration_highr_seconds": [((), tally.http_fine)],
        "http_request_duration_seconds": [((_HANDLER, "POST"), tally.http)],
    }
