"""SGLang, from 0.4 to 0.5: `--enable-metrics`, on `:30000/metrics`.

The scheduler's series bear ranks, and with `--enable-metrics-for-all-schedulers` each rank repeats
the load of its group: the lowest speaks for it. What the tokenizer counts (requests, tokens,
latencies) bears none, is counted when a request finishes, and is never added to the former.
Generated tokens are taken from the scheduler where it counts them as they come: it learns of them
every few dozen steps, and not of a request's first token, which prefill makes. It counts no steps:
tokens computed, prompt and output, are its heartbeat, for a prefill server makes no output and a
long prompt holds the output of all others up.

Each place where a request waits has a gauge of its own (grammar compilation; with prefill and
decode apart, bootstrap, transfer and allocation): all of them together are what waits. A request
that was aborted is counted among the finished or not, by where it was: the page does not say.

Names were read on the documentation's page of 0.4 and on one printed by the classes of 0.5.23; no
page of a running 0.5 server was recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._words import PageLabels, Word
from vocabulary import metrics as m
from vocabulary.metrics import Metric


def _one_rank(found: Sequence[tuple[PageLabels, float]]) -> float:
    """What the lowest rank of each data-parallel group says, added up over the groups."""
    return sum(_by_group(found))


def _mean_of_groups(found: Sequence[tuple[PageLabels, float]]) -> float:
    """The mean of what the lowest rank of each data-parallel group says."""
    return fmean(_by_group(found))


def _by_group(found: Sequence[tuple[PageLabels, float]]) -> list[float]:
    ranks: dict[str, dict[tuple[int, int], float]] = {}
    for labels, value in found:
        group = ranks.setdefault(labels.get("dp_rank", ""), {})
        rank = _number(labels, "pp_rank"), _number(labels, "tp_rank")
        group[rank] = group.get(rank, 0.0) + value
    return [group[min(group)] for group in ranks.values()]


def _number(labels: PageLabels, name: str) -> int:
    text = labels.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _hits(page: PageLabels) -> Mapping[str, str] | None:
    return {} if page.get("mode", "").endswith("_hit") else None


def _computed(page: PageLabels) -> Mapping[str, str] | None:
    return {} if page.get("mode") in _COMPUTED else None


def _server_error(code: str) -> Word:
    return Word(
        m.REQUESTS_FAILED,
        ("sglang:http_responses_total",),
        where=(("status_code", code),),
        fixed=(("error_type", "http_5xx"),),
    )


_LIVE = "sglang:realtime_tokens_total"
_COMPUTED = frozenset({"prefill_compute", "decode"})
_QUEUES = (
    "num_queue_reqs",
    "num_grammar_queue_reqs",
    "num_prefill_bootstrap_queue_reqs",
    "num_prefill_prealloc_queue_reqs",
    "num_prefill_inflight_queue_reqs",
    "num_decode_prealloc_queue_reqs",
    "num_decode_transfer_queue_reqs",
    "num_decode_host_receive_queue_reqs",
)
_WORDS = (
    Word(m.INPUT_TOKENS, ("sglang:prompt_tokens_total",)),
    Word(m.INPUT_TOKENS_CACHED, ("sglang:cached_tokens_total",)),
    Word(
        m.OUTPUT_TOKENS,
        (_LIVE,),
        where=(("mode", "decode"),),
        fixed=(("count_at", "step"),),
        whole=_one_rank,
    ),
    Word(
        m.OUTPUT_TOKENS,
        ("sglang:generation_tokens_total",),
        fixed=(("count_at", "finish"),),
        unless=_LIVE,
    ),
    Word(
        m.REQUESTS_FINISHED,
        ("sglang:num_requests_total",),
        fixed=(("finish_reason", "unknown"),),  # the page does not say
    ),
    *(_server_error(code) for code in ("500", "502", "503", "504")),
    Word(m.REQUESTS_RUNNING, ("sglang:num_running_reqs",), whole=_one_rank),
    *(Word(m.REQUESTS_WAITING, (f"sglang:{name}",), whole=_one_rank) for name in _QUEUES),
    Word(
        m.ENGINE_TOKENS,
        (_LIVE,),
        label=_computed,
        whole=_one_rank,
        # ranks that repeat each other count several times there: a heartbeat still is one
        raw=tuple(
            Word(m.ENGINE_TOKENS, (_LIVE,), where=(("mode", mode),)) for mode in sorted(_COMPUTED)
        ),
    ),
    Word(m.KV_CACHE_UTILIZATION, ("sglang:token_usage",), how=max),
    Word(m.KV_CACHE_UTILIZATION_MEAN, ("sglang:token_usage",), whole=_mean_of_groups),
    Word(m.KV_CACHE_CAPACITY, ("sglang:max_total_num_tokens",), whole=_one_rank),
    Word(m.PREEMPTIONS, ("sglang:num_retracted_requests_total",), whole=_one_rank),
    Word(m.TIME_TO_FIRST_TOKEN, ("sglang:time_to_first_token_seconds",)),
    Word(m.TIME_PER_OUTPUT_TOKEN, ("sglang:request_time_per_output_token_seconds",)),
    # in 0.4 the gap between tokens bore the name of the mean per token
    Word(
        m.INTER_TOKEN_LATENCY,
        ("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"),
    ),
    Word(m.REQUEST_DURATION, ("sglang:e2e_request_latency_seconds",)),
    Word(m.QUEUE_DURATION, ("sglang:queue_time_seconds",), whole=_one_rank),
    # every rank that moves its part tells of it
    Word(m.KV_TRANSFER_DURATION, ("sglang:kv_transfer_latency_ms",), scale=1e-3),
    Word(m.KV_TRANSFER_BYTES, ("sglang:kv_transfer_total_mb",), part="sum", scale=float(1 << 20)),
    Word(m.KV_TRANSFERS_FAILED, ("sglang:num_transfer_failed_reqs_total",), whole=_one_rank),
    Word(m.PREFIX_CACHE_QUERIES, ("sglang:prefill_effective_tokens_total",), whole=_one_rank),
    Word(
        m.PREFIX_CACHE_HITS,
        ("sglang:prefill_effective_tokens_total",),
        label=_hits,
        whole=_one_rank,
    ),
)


@dataclass(frozen=True, slots=True)
class Sglang(PageCollector):
    """SGLang's page, all ranks of one server brought together."""

    engine: ClassVar[str] = "sglang"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("sglang:",)
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
