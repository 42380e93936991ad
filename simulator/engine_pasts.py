"""The past of servers whose page differs from vLLM's in what it counts and when."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from simulator.pods import Pod
from simulator.steady import Steady
from vocabulary import metrics as m

if TYPE_CHECKING:
    from simulator.past import Own, Past

_NONE: "Own" = {}
_AT_FINISH: "Own" = {"count_at": "finish"}


def _load(past: "Past", found: Steady) -> None:
    past.gauges += [
        (m.REQUESTS_RUNNING, _NONE, np.rint(found.running)),
        (m.REQUESTS_WAITING, _NONE, np.zeros_like(found.running)),
    ]


def _cache(past: "Past", pod: Pod, found: Steady, block: int) -> None:
    capacity = float(pod.engine.kv_capacity)
    share = found.kv_tokens / capacity
    past.gauges += [
        (m.KV_CACHE_UTILIZATION, _NONE, share),
        (m.KV_CACHE_UTILIZATION_MEAN, _NONE, share),
        (m.KV_CACHE_CAPACITY, _NONE, np.zeros_like(share) + capacity // block * block),
    ]


def _times(past: "Past", pod: Pod, found: Steady, *, first: bool) -> None:
    """Latencies of requests; *first* where the page tells of the first token."""
    load, tally = found.demand, pod.engine.tally
    answer = load.output_tokens / np.maximum(load.requests, 1e-9)
    whole = found.to_first_token + np.maximum(0.0, answer - 1) * found.between_tokens
    past.histograms += [
        (m.TIME_PER_OUTPUT_TOKEN, _NONE, load.requests, found.between_tokens, tally.per_token),
        (m.REQUEST_DURATION, _NONE, load.requests, whole, tally.whole),
        (m.QUEUE_DURATION, _NONE, load.requests, found.queue, tally.queue),
    ]
    if first:
        past.histograms.append(
            (m.TIME_TO_FIRST_TOKEN, _NONE, load.requests, found.to_first_token,
             tally.to_first_token)
        )  # fmt: skip


def _sglang(past: "Past", pod: Pod, found: Steady, until: float) -> None:  # noqa: ARG001
    load, tally = found.demand, pod.engine.tally
    _load(past, found)
    _cache(past, pod, found, 1)
    _times(past, pod, found, first=True)
    decoded = np.maximum(0.0, load.output_tokens - load.requests)
    decoded_so_far = float(tally.generated_tokens - tally.to_first_token.count)
    computed = load.input_tokens - load.cached_tokens
    computed_so_far = tally.prompt_tokens - tally.prompt_cached_tokens
    cached_so_far = tally.input_length.total - tally.computed_length.total
    finished: Own = {"finish_reason": "unknown"}
    past.histograms.append(
        (m.INTER_TOKEN_LATENCY, _NONE, load.output_tokens, found.between_tokens,
         tally.between_tokens)
    )  # fmt: skip
    past.counters += [
        (m.INPUT_TOKENS, _NONE, load.input_tokens, tally.input_length.total),
        (m.INPUT_TOKENS_CACHED, _NONE, load.cached_tokens, cached_so_far),
        (m.OUTPUT_TOKENS, {"count_at": "step"}, decoded, decoded_so_far),
        (m.ENGINE_TOKENS, _NONE, computed + decoded, computed_so_far + decoded_so_far),
        (m.REQUESTS_FINISHED, finished, load.requests, float(tally.whole.count)),
        (m.PREEMPTIONS, _NONE, np.zeros_like(computed), float(tally.preemptions)),
        (m.PREFIX_CACHE_QUERIES, _NONE, load.input_tokens, float(tally.looked_up_tokens)),
        (m.PREFIX_CACHE_HITS, _NONE, load.cached_tokens, float(tally.hit_tokens)),
    ]


def _trtllm(past: "Past", pod: Pod, found: Steady, until: float) -> None:  # noqa: ARG001
    load, tally = found.demand, pod.engine.tally
    _load(past, found)
    _cache(past, pod, found, 32)
    _times(past, pod, found, first=True)
    cached_so_far = tally.input_length.total - tally.computed_length.total
    past.counters += [
        (m.INPUT_TOKENS, _NONE, load.input_tokens, tally.input_length.total),
        (m.INPUT_TOKENS_CACHED, _NONE, load.cached_tokens, cached_so_far),
        (m.OUTPUT_TOKENS, _AT_FINISH, load.output_tokens, tally.output_length.total),
        *(
            (m.REQUESTS_FINISHED, {"finish_reason": reason}, load.requests * share,
             float(tally.finished[reason]))
            for reason, share in (("stop", 0.9), ("length", 0.1))
        ),
    ]  # fmt: skip


def _tgi(past: "Past", pod: Pod, found: Steady, until: float) -> None:  # noqa: ARG001
    load, tally = found.demand, pod.engine.tally
    _load(past, found)
    _times(past, pod, found, first=False)
    past.counters += [
        (m.INPUT_TOKENS, _NONE, load.input_tokens, tally.input_length.total),
        (m.OUTPUT_TOKENS, _AT_FINISH, load.output_tokens, tally.output_length.total),
        (m.REQUESTS_FINISHED, {"finish_reason": "unknown"}, load.requests,
         float(tally.whole.count)),
        (m.ENGINE_STEPS, _NONE, found.steps, float(tally.step_tokens.count)),
    ]  # fmt: skip


BY_SERVER: Mapping[str, Callable[["Past", Pod, Steady, float], None]] = {
    "sglang": _sglang,
    "trtllm": _trtllm,
    "tgi": _tgi,
}
"""What adds the columns of a server's page."""
