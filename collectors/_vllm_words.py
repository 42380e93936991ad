"""vLLM's names, for the servers that write them and those that repeat them under a prefix.

Read in the sources of vLLM 0.10.0, 0.12.0, 0.20.0 and 0.33.0 and in recorded pages of V0, 0.32.0
and 0.33.0.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

from collectors._words import PageLabels, Word
from vocabulary import metrics as m

Spelled = Callable[..., tuple[str, ...]]


def vllm_words(*prefixes: str) -> tuple[Word, ...]:
    """What an engine says, each name under *prefixes*, newest first.

    What the process around it says (its start, its HTTP answers) is not here: it may be another
    process's page.
    """

    def spelled(*names: str) -> tuple[str, ...]:
        return tuple(f"{prefix}{name}" for name in names for prefix in prefixes)

    return (*_work(spelled), *_load(spelled), *_times(spelled))


def _work(spelled: Spelled) -> tuple[Word, ...]:
    """What was done: tokens, requests, steps, and what caches and drafts saved."""
    return (
        Word(m.INPUT_TOKENS, spelled("prompt_tokens_total")),
        Word(m.INPUT_TOKENS_CACHED, spelled("prompt_tokens_cached_total")),
        Word(m.OUTPUT_TOKENS, spelled("generation_tokens_total"), fixed=(("count_at", "step"),)),
        Word(
            m.REQUESTS_FINISHED,
            spelled("request_success_total"),  # despite its name, aborts and errors are in it
            take=(("finish_reason", "finished_reason"),),
        ),
        Word(
            m.REQUESTS_FAILED,
            spelled("request_success_total"),
            where=(("finished_reason", "error"),),
            fixed=(("error_type", "engine"),),
        ),
        Word(
            m.REQUESTS_FAILED,
            spelled("admission_rejections_total"),
            take=(("error_type", "reason"),),
        ),
        Word(m.PREEMPTIONS, spelled("num_preemptions_total")),
        # a histogram, its name notwithstanding
        Word(m.ENGINE_STEPS, spelled("iteration_tokens_total"), part="count"),
        Word(
            m.PREFIX_CACHE_QUERIES,
            spelled("prefix_cache_queries_total", "gpu_prefix_cache_queries_total"),
        ),
        Word(
            m.PREFIX_CACHE_HITS,
            spelled("prefix_cache_hits_total", "gpu_prefix_cache_hits_total"),
        ),
        Word(m.SPEC_DECODE_DRAFT_TOKENS, spelled("spec_decode_num_draft_tokens_total")),
        Word(m.SPEC_DECODE_ACCEPTED_TOKENS, spelled("spec_decode_num_accepted_tokens_total")),
        # of the NIXL connector, one observation for each GPU of the group; a histogram again
        Word(m.KV_TRANSFER_BYTES, spelled("nixl_bytes_transferred"), part="sum"),
        Word(m.KV_TRANSFERS_FAILED, spelled("nixl_num_failed_transfers_total")),
        Word(m.KV_TRANSFERS_EXPIRED, spelled("nixl_num_kv_expired_reqs_total")),
    )


def _load(spelled: Spelled) -> tuple[Word, ...]:
    """How full the engine is now: requests are added up over its ranks, shares are not."""
    cache = spelled("kv_cache_usage_perc", "gpu_cache_usage_perc")
    return (
        Word(m.REQUESTS_RUNNING, spelled("num_requests_running")),
        Word(m.REQUESTS_WAITING, spelled("num_requests_waiting")),
        Word(m.KV_CACHE_UTILIZATION, cache, how=max),
        Word(m.KV_CACHE_UTILIZATION_MEAN, cache, how=fmean),
        Word(m.KV_CACHE_CAPACITY, spelled("cache_config_info"), whole=_kv_capacity),
        Word(
            m.ENGINE_AWAKE,
            spelled("engine_sleep_state"),
            where=(("sleep_state", "awake"),),
            how=min,
        ),
        Word(m.LORA_ACTIVE, spelled("lora_requests_info"), whole=_adapters),
        Word(m.LORA_WAITING, spelled("lora_requests_info"), whole=_adapters_waiting),
    )


def _times(spelled: Spelled) -> tuple[Word, ...]:
    return (
        Word(m.TIME_TO_FIRST_TOKEN, spelled("time_to_first_token_seconds")),
        Word(m.TIME_PER_OUTPUT_TOKEN, spelled("request_time_per_output_token_seconds")),
        # until 0.12 the gap between tokens bore the name of the mean per token
        Word(
            m.INTER_TOKEN_LATENCY,
            spelled("inter_token_latency_seconds", "time_per_output_token_seconds"),
        ),
        Word(m.REQUEST_DURATION, spelled("e2e_request_latency_seconds")),
        Word(m.QUEUE_DURATION, spelled("request_queue_time_seconds")),
        Word(m.KV_TRANSFER_DURATION, spelled("nixl_xfer_time_seconds")),
    )


def _kv_capacity(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """Blocks times block size of every engine; both hide in the labels of an info series."""
    try:
        tokens = [float(one["num_gpu_blocks"]) * float(one["block_size"]) for one, _ in found]
    except (KeyError, ValueError):  # `None` until the engine has profiled its memory
        return None
    return sum(tokens)


def _adapters(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """Adapters running in the newest series: a value is when it was written, and old ones stay.

    vllm#13303, llm-d-router#2605.
    """
    newest, _ = max(found, key=lambda one: one[1])
    return float(len(_names(newest, "running_lora_adapters")))


def _adapters_waiting(found: Sequence[tuple[PageLabels, float]]) -> float | None:
    """Adapters of the newest series that wait and do not run: some releases write both lists alike.

    llm-d-router#2605.
    """
    newest, _ = max(found, key=lambda one: one[1])
    running = _names(newest, "running_lora_adapters")
    return float(len(_names(newest, "waiting_lora_adapters") - running))


def _names(labels: PageLabels, label: str) -> set[str]:
    return {name for name in labels.get(label, "").split(",") if name}
