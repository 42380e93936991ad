"""What one process or GPU would have said in the past: rates, means and where counters ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simulator import engine_pasts
from simulator.adapters import AdapterUse
from simulator.counting import Histogram
from simulator.drafting import Drafting
from simulator.engine_roles import Decoding, Prefilling
from simulator.pages import process, vllm
from simulator.pages.litellm import spend
from simulator.pods import Pod
from simulator.steady import (
    Demand,
    Steady,
    after_fetching,
    decoding,
    demand,
    prefilling,
    steady,
)
from simulator.traffic import Bend, StreamSource
from simulator.world import World
from vocabulary import metrics as m
from vocabulary.metrics import Metric
from vocabulary.samples import Array

Own = Mapping[str, str]
_NONE: Own = {}
_BURSTS = 1.6
"""Variance of counts over their mean, at the traces' burstiness. Measured on the live simulator."""


@dataclass(slots=True)
class Past:
    """Columns of one target before they become series."""

    labels: Own
    gauges: list[tuple[Metric, Own, Array]] = field(default_factory=list)
    counters: list[tuple[Metric, Own, Array, float]] = field(default_factory=list)
    """Metric, own labels, rate per second, value at the end."""
    histograms: list[tuple[Metric, Own, Array, Array, Histogram]] = field(default_factory=list)
    """Metric, own labels, observations per second, their mean, and the live histogram."""


def _jitter(expected: Array, rng: np.random.Generator) -> Array:
    """Relative noise of a count with this expectation."""
    spread = np.sqrt(_BURSTS / np.maximum(expected, 1.0))
    return np.maximum(0.05, 1.0 + spread * rng.standard_normal(len(expected)))


def _load(
    sources: Sequence[StreamSource],
    bends: Sequence[Bend],
    times: Array,
    replicas: int,
    widths: Array,
    rng: np.random.Generator,
) -> Demand:
    """What one of *replicas* was asked for, with the noise of counts over *widths* seconds."""
    rates, prompts = [one.rate for one in bends], [one.prompt for one in bends]
    plain = demand(sources, times, replicas, rate_factors=rates)
    noise = _jitter(plain.requests * widths, rng)
    noisy = [rate * noise for rate in rates]
    return demand(sources, times, replicas, rate_factors=noisy, prompt_factors=prompts)


def replica_past(
    world: World,
    pod: Pod,
    sources: Sequence[StreamSource],
    bends: Sequence[Bend],
    times: Array,
    widths: Array,
    rng: np.random.Generator,
) -> tuple[Past, Steady]:
    """A replica's past, and how busy it was."""
    replicas = world.deployments[pod.pool.name].replicas
    load = _load(sources, bends, times, replicas, np.minimum(widths, 300.0), rng)
    engine, drafting = pod.engine, pod.engine.drafting
    if isinstance(engine, Prefilling):
        load = prefilling(load)
    elif isinstance(engine, Decoding):
        load = decoding(load)
    model = engine.model if drafting is None else drafting.applied(engine.model)
    found = steady(model, load)
    if drafting is not None:
        found = replace(found, steps=found.steps / drafting.tokens_a_step)
    if isinstance(engine, Prefilling):
        found = replace(found, steps=load.requests)  # a prompt is a step, as a rule
    elif isinstance(engine, Decoding):
        found = after_fetching(found, engine.inbound.token_bytes, engine.inbound.link.bandwidth)
    labels = {
        **dict(world.labels(pod)),
        "engine": pod.pool.server,
        "vantage": "engine",
    }
    past = Past(labels)
    tell = {"vllm": _vllm, "llamacpp": _llamacpp, **engine_pasts.BY_SERVER}[pod.pool.server]
    tell(past, pod, found, world.start)
    if drafting is not None:
        _drafts(past, pod, found, drafting)
    if isinstance(engine, Decoding):
        _transfers(past, engine, found)
    if isinstance(engine, Prefilling | Decoding):
        past.counters += [
            (m.KV_TRANSFERS_FAILED, _NONE, 0.0 * times, engine.tally.transfers_failed),
            (m.KV_TRANSFERS_EXPIRED, _NONE, 0.0 * times, engine.tally.transfers_expired),
        ]
    if pod.engine.adapters is not None:
        _adapters(past, pod.engine.adapters.use, found)
    return past, found


def _vllm(past: Past, pod: Pod, found: Steady, until: float) -> None:
    load, tally, zero = found.demand, pod.engine.tally, np.zeros_like(found.running)
    answer = load.output_tokens / np.maximum(load.requests, 1e-9)
    whole = found.to_first_token + np.maximum(0.0, answer - 1) * found.between_tokens
    capacity = float(pod.engine.kv_capacity)
    past.gauges += [
        (m.REQUESTS_RUNNING, _NONE, np.rint(found.running)),
        (m.REQUESTS_WAITING, _NONE, zero),
        (m.KV_CACHE_UTILIZATION, _NONE, found.kv_tokens / capacity),
        (m.KV_CACHE_CAPACITY, _NONE, zero + capacity // 16 * 16),
        (m.ENGINE_AWAKE, _NONE, zero + 1.0),
        (m.ENGINE_START_TIME, _NONE, zero + tally.started),
        (m.PROCESS_MEMORY, _NONE, zero + vllm.RESIDENT_BYTES),
    ]
    used = process.START_CPU_SECONDS + process.CPU_CORES * (until - tally.started)
    ends = {"stop": 0.9, "length": 0.1, "abort": 0.0, "error": 0.0, "repetition": 0.0}
    after, later = load.output_tokens, load.requests  # tokens, and answers, beyond the first
    at_once = 1.0 if pod.engine.drafting is None else pod.engine.drafting.tokens_a_step
    if isinstance(pod.engine, Prefilling):
        ends.update(stop=0.0, length=1.0)
        after = later = zero
    past.counters += [
        (m.INPUT_TOKENS, _NONE, load.input_tokens, tally.prompt_tokens),
        (m.INPUT_TOKENS_CACHED, _NONE, load.cached_tokens,
         tally.prompt_cached_tokens + tally.prompt_fetched_tokens),
        (m.OUTPUT_TOKENS, {"count_at": "step"}, load.output_tokens, tally.generated_tokens),
        (m.PREEMPTIONS, _NONE, zero, tally.preemptions),
        (m.ENGINE_STEPS, _NONE, found.steps, tally.step_tokens.count),
        (m.PREFIX_CACHE_QUERIES, _NONE, load.input_tokens, tally.looked_up_tokens),
        (m.PREFIX_CACHE_HITS, _NONE, load.cached_tokens - load.fetched_tokens, tally.hit_tokens),
        (m.PROCESS_CPU, _NONE, zero + process.CPU_CORES, used),
        (m.REQUESTS_FAILED, {"error_type": "engine"}, zero, tally.finished["error"]),
        *(
            (m.REQUESTS_FINISHED, {"finish_reason": reason}, load.requests * share,
             tally.finished[reason])
            for reason, share in ends.items()
        ),
    ]  # fmt: skip
    past.histograms += [
        (m.TIME_TO_FIRST_TOKEN, _NONE, load.requests, found.to_first_token, tally.to_first_token),
        (m.TIME_PER_OUTPUT_TOKEN, _NONE, later, found.between_tokens, tally.per_token),
        # vLLM times outputs, and a draft's tokens that are taken come out together
        (m.INTER_TOKEN_LATENCY, _NONE, after / at_once, found.between_tokens * at_once,
         tally.between_tokens),
        (m.REQUEST_DURATION, _NONE, load.requests, whole, tally.whole),
        (m.QUEUE_DURATION, _NONE, load.requests, found.queue, tally.queue),
    ]  # fmt: skip


def _transfers(past: Past, engine: Decoding, found: Steady) -> None:
    """What came over the link, each prompt's KV alone on it."""
    tally, each = engine.tally, engine.ranks * found.demand.requests
    moved = found.demand.fetched_tokens * engine.inbound.token_bytes
    took = moved / np.maximum(found.demand.requests, 1e-9) / engine.inbound.link.bandwidth
    past.counters.append((m.KV_TRANSFER_BYTES, _NONE, moved, tally.transfer_bytes.total))
    past.histograms.append((m.KV_TRANSFER_DURATION, _NONE, each, took, tally.transfer_seconds))


def _drafts(past: Past, pod: Pod, found: Steady, drafting: Drafting) -> None:
    """What a draft proposed and what the model took, in the words of every page that tells."""
    tally, outputs = pod.engine.tally, found.demand.output_tokens / drafting.tokens_a_step
    accepted = found.demand.output_tokens - outputs
    past.counters += [
        (m.SPEC_DECODE_DRAFT_TOKENS, _NONE, drafting.tokens * outputs, tally.drafted_tokens),
        (m.SPEC_DECODE_ACCEPTED_TOKENS, _NONE, accepted, tally.accepted_tokens),
    ]


def _adapters(past: Past, use: AdapterUse, found: Steady) -> None:
    """As many as are asked for, as far as there are calls to name them; none has to wait."""
    named = use.asked * (1.0 - (1.0 - 1.0 / use.asked) ** (use.share * found.running))
    past.gauges += [
        (m.LORA_ACTIVE, _NONE, np.rint(named)),
        (m.LORA_WAITING, _NONE, np.zeros_like(named)),
    ]


def _llamacpp(past: Past, pod: Pod, found: Steady, until: float) -> None:  # noqa: ARG001
    load, tally = found.demand, pod.engine.tally
    past.gauges += [
        (m.REQUESTS_RUNNING, _NONE, np.rint(found.running)),
        (m.REQUESTS_WAITING, _NONE, np.zeros_like(found.running)),
    ]
    past.counters += [
        (m.INPUT_TOKENS, _NONE, load.input_tokens, tally.prompt_tokens),
        (m.INPUT_TOKENS_CACHED, _NONE, load.cached_tokens, tally.prompt_cached_tokens),
        (m.OUTPUT_TOKENS, {"count_at": "finish"}, load.output_tokens, tally.output_length.total),
        (m.ENGINE_STEPS, _NONE, found.steps, tally.step_tokens.count),
    ]


def gateway_past(
    world: World,
    bends: Mapping[int, Bend],
    times: Array,
    widths: Array,
    rng: np.random.Generator,
) -> Iterator[Past]:
    """The gateway's past, one for each tenant and pool."""
    door = world.targets()[-1]
    for (tenant, pool_name), account in sorted(world.gateway.accounts.items()):
        pool = world.spec.pool(pool_name)
        sources = world.traffic.of(tenant, pool_name)
        if not sources:
            continue
        load = _load(sources, [bends[id(one)] for one in sources], times, 1, widths, rng)
        labels = {
            **dict(door.labels),
            "engine": "litellm",
            "vantage": "gateway",
            "model": pool.name,
            "tenant": tenant,
        }
        past = Past(labels)
        fresh = load.input_tokens - load.cached_tokens
        usd = (
            fresh * float(pool.usd_per_million_input)
            + load.cached_tokens * float(pool.usd_per_million_cached)
            + load.output_tokens * float(pool.usd_per_million_output)
        ) / 1e6
        past.counters += [
            (m.GATEWAY_OPERATIONS, {"status": "ok"}, load.requests, account.succeeded),
            (m.GATEWAY_ATTEMPTS, {"outcome": "ok"}, load.requests, account.attempts_ok),
            (m.INPUT_TOKENS, _NONE, load.input_tokens, account.input_tokens),
            (m.INPUT_TOKENS_CACHED, _NONE, load.cached_tokens, account.cached_tokens),
            (m.OUTPUT_TOKENS, {"count_at": "finish"}, load.output_tokens, account.output_tokens),
            (m.GATEWAY_SPEND, _NONE, usd, float(spend(account, pool))),
        ]
        yield past


def gpu_past(
    world: World, position: int, found: Steady | None, widths: Array, rng: np.random.Generator
) -> Past:
    """A GPU's past under a replica that was as busy as *found*, or free."""
    bank, place = world.bank, world.bank.places[position]
    zero = np.zeros(len(widths))
    busy = zero if found is None else np.minimum(1.0, found.busy)
    prefill = zero if found is None else found.prefill
    held = found is not None
    power = bank.drive(position, busy, prefill, held=held)
    power = power * (1 + 0.01 * rng.standard_normal(len(widths)))
    temperature = bank.settled_temperature(position, power)
    clock = place.model.sm_clock if held else place.model.idle_clock
    total = float(place.model.memory_bytes)
    past = Past({"cluster": world.spec.name, "node": place.node, "gpu": place.uuid})
    past.gauges += [
        (m.GPU_UTILIZATION, _NONE, np.rint(100 * busy) / 100),
        (m.GPU_MEMORY_USAGE, _NONE, zero + total * float(bank.memory_share[position])),
        (m.GPU_MEMORY_LIMIT, _NONE, zero + total),
        (m.GPU_POWER, _NONE, power),
        (m.GPU_POWER_LIMIT, _NONE, zero + place.model.power_limit),
        (m.GPU_TEMPERATURE, _NONE, np.rint(temperature)),
        (m.GPU_SM_CLOCK, _NONE, zero + 1e6 * clock),
        (m.GPU_SM_CLOCK_MAX, _NONE, zero + 1e6 * place.model.sm_clock),
    ]
    past.counters.append((m.GPU_ENERGY, _NONE, power, float(bank.energy[position])))
    return past
