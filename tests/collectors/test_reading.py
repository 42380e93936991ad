"""From a page to samples: renames, ranks, identity, limits, verdicts."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors._exposition import Limits, parse
from collectors._reading import ACCEPT, PageCollector, PageReader, recognise
from collectors._words import Folding, clean, model_name
from collectors.kserve import Kserve
from collectors.litellm import Litellm
from collectors.llamacpp import Llamacpp
from collectors.ray_serve import RayServe
from collectors.vllm import Vllm
from vocabulary import metrics as m
from vocabulary.contracts import Page, Target
from vocabulary.errors import (
    SourceDown,
    SourceHung,
    SourceOversized,
    SourceUnauthorised,
    SourceUnfamiliar,
)
from vocabulary.metrics import Metric
from vocabulary.pseudonyms import pseudonym
from vocabulary.samples import Labels, Sample, labels_of

PAGES = Path(__file__).parent / "pages"
READERS: Mapping[str, PageCollector] = {
    "vllm": Vllm(), "llamacpp": Llamacpp(), "litellm": Litellm(),
}  # fmt: skip
WHO = (("replica", "static/h:1"),)


def say(collector: PageCollector, text: str, identity: Labels = WHO) -> list[Sample]:
    return collector.translate(parse(text.encode()), identity, 5.0)


def values(samples: list[Sample], name: Metric | str, **labels: str) -> list[float]:
    return [
        one.value
        for one in samples
        if one.series.name == str(name) and labels.items() <= dict(one.series.labels).items()
    ]


# -- names that changed ---------------------------------------------------------------------------

GENERATIONS = {
    "V0": ("gpu_cache_usage_perc", "time_per_output_token_seconds", ""),
    "0.10": ("kv_cache_usage_perc", "time_per_output_token_seconds", "gpu_prefix_cache_queries"),
    "0.12": ("kv_cache_usage_perc", "inter_token_latency_seconds", "prefix_cache_queries"),
}
"""Names by version, as vLLM's sources of 0.10.0 and 0.12.0 have them; V0 and later are recorded."""


@pytest.mark.parametrize("prefix", ["vllm:", "vllm_", "ray_vllm:", "ray_vllm_"])
@pytest.mark.parametrize("version", GENERATIONS)
def test_each_generation_of_vllm_says_the_same_in_our_words(version: str, prefix: str) -> None:
    usage, latency, queries = GENERATIONS[version]
    text = (
        f'# TYPE {prefix}{usage} gauge\n{prefix}{usage}{{model_name="m"}} 0.5\n'
        f"# TYPE {prefix}{latency} histogram\n"
        f'{prefix}{latency}_bucket{{le="0.1",model_name="m"}} 3\n'
        f'{prefix}{latency}_bucket{{le="+Inf",model_name="m"}} 4\n'
        f'{prefix}{latency}_sum{{model_name="m"}} 0.3\n'
        f'{prefix}{latency}_count{{model_name="m"}} 4\n'
    )
    if queries:
        text += f"# TYPE {prefix}{queries}_total counter\n{prefix}{queries}_total{{}} 70\n"
    samples = say(RayServe() if prefix.startswith("ray_") else Vllm(), text)
    assert values(samples, m.KV_CACHE_UTILIZATION, model="m") == [0.5]
    assert values(samples, f"{m.INTER_TOKEN_LATENCY}_bucket", le="0.1") == [3.0]
    assert values(samples, f"{m.TIME_PER_OUTPUT_TOKEN}_count") == [], "the old name meant the gap"
    assert values(samples, m.PREFIX_CACHE_QUERIES) == ([70.0] if queries else [])


def test_a_page_that_holds_the_old_and_the_new_name_is_counted_once() -> None:
    text = (
        "# TYPE vllm:gpu_prefix_cache_hits_total counter\nvllm:gpu_prefix_cache_hits_total 10\n"
        "# TYPE vllm:prefix_cache_hits_total counter\nvllm:prefix_cache_hits_total 12\n"
        "# TYPE vllm:gpu_cache_usage_perc gauge\nvllm:gpu_cache_usage_perc 0.1\n"
        "# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc 0.2\n"
        "# TYPE ray_vllm:prefix_cache_hits_total counter\nray_vllm:prefix_cache_hits_total 12\n"
    )
    samples = say(Vllm(), text)
    assert values(samples, m.PREFIX_CACHE_HITS) == [12.0]
    assert values(samples, m.KV_CACHE_UTILIZATION) == [0.2]


def test_both_spellings_of_the_colon_on_one_page_count_once() -> None:
    text = "vllm:num_preemptions_total 7\nvllm_num_preemptions_total 7\n"
    assert values(say(Vllm(), text), m.PREEMPTIONS) == [7.0]


def test_openmetrics_says_the_same_as_text() -> None:
    """As prometheus_client prints it: colons only in TYPE, `_total` only outside of it."""
    text = (
        "# TYPE vllm:prompt_tokens counter\n"
        'vllm_prompt_tokens_total{engine="0",model_name="m"} 9.0\n'
        'vllm_prompt_tokens_created{engine="0",model_name="m"} 1.7e9\n'
        "# EOF\n"
    )
    samples = say(Vllm(), text)
    assert values(samples, m.INPUT_TOKENS, model="m") == [9.0]
    assert len(samples) == 1, "a creation time is no sample"


def test_a_type_line_decides_and_a_suffix_does_not() -> None:
    """`iteration_tokens_total` is a histogram, whatever its name says."""
    text = (
        "# TYPE vllm:iteration_tokens_total histogram\n"
        'vllm:iteration_tokens_total_bucket{le="+Inf"} 60\n'
        "vllm:iteration_tokens_total_sum 5000\nvllm:iteration_tokens_total_count 60\n"
        "# TYPE vllm:prompt_tokens_total gauge\nvllm:prompt_tokens_total 4\n"
    )
    samples = say(Vllm(), text)
    assert values(samples, m.ENGINE_STEPS) == [60.0]
    assert values(samples, m.INPUT_TOKENS) == [], "typed as a gauge, it is not our counter"


def test_without_types_the_table_knows_the_kind() -> None:
    text = (
        'vllm:generation_tokens_total{model_name="m"} 3\n'
        'vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="m"} 2\n'
        'vllm:time_to_first_token_seconds_sum{model_name="m"} 1\n'
        'vllm:time_to_first_token_seconds_count{model_name="m"} 2\n'
    )
    samples = say(Vllm(), text)
    assert values(samples, m.OUTPUT_TOKENS, count_at="step") == [3.0]
    assert values(samples, f"{m.TIME_TO_FIRST_TOKEN}_count") == [2.0]


# -- many series, one replica ---------------------------------------------------------------------


def ranks(name: str, kind: str, *found: float) -> str:
    lines = [f'vllm:{name}{{engine="{n}",model_name="m"}} {v!r}' for n, v in enumerate(found)]
    return "\n".join([f"# TYPE vllm:{name} {kind}", *lines]) + "\n"


@given(st.lists(st.integers(0, 2**40).map(float), min_size=1, max_size=16))
def test_ranks_add_up_and_the_fullest_cache_counts(found: list[float]) -> None:
    text = ranks("generation_tokens_total", "counter", *found)
    text += ranks("num_requests_waiting", "gauge", *found)
    text += ranks("kv_cache_usage_perc", "gauge", *found)
    samples = say(Vllm(), text)
    assert values(samples, m.OUTPUT_TOKENS) == [sum(found)]
    assert values(samples, m.REQUESTS_WAITING) == [sum(found)]
    assert values(samples, m.KV_CACHE_UTILIZATION) == [max(found)]


def test_one_sleeping_rank_is_an_engine_that_is_not_awake() -> None:
    text = "# TYPE vllm:engine_sleep_state gauge\n" + "".join(
        f'vllm:engine_sleep_state{{engine="{n}",sleep_state="{state}"}} {value}\n'
        for n, awake in enumerate((1, 0))
        for state, value in (("awake", awake), ("weights_offloaded", 1 - awake))
    )
    assert values(say(Vllm(), text), m.ENGINE_AWAKE) == [0.0]


def test_a_sum_of_which_a_part_is_unknown_is_unknown() -> None:
    text = ranks("num_requests_running", "gauge", 3.0, float("nan"))
    text += ranks("num_preemptions_total", "counter", 1.0, 2.0)
    samples = say(Vllm(), text)
    assert values(samples, m.REQUESTS_RUNNING) == []
    assert values(samples, m.PREEMPTIONS) == [3.0]


def buckets(engine: int, **bounds: float) -> str:
    name, labels = "vllm:e2e_request_latency_seconds", f'engine="{engine}",model_name="m"'
    total = max(bounds.values())
    lines = [f'{name}_bucket{{{labels},le="{le[1:]}"}} {v}' for le, v in bounds.items()]
    lines += [f'{name}_bucket{{{labels},le="+Inf"}} {total}']
    lines += [f"{name}_sum{{{labels}}} {total}", f"{name}_count{{{labels}}} {total}"]
    return "\n".join(lines) + "\n"


TYPED = "# TYPE vllm:e2e_request_latency_seconds histogram\n"


def test_histograms_with_equal_bounds_are_added_bucket_by_bucket() -> None:
    samples = say(Vllm(), TYPED + buckets(0, _1=1, _2=4) + buckets(1, _1=10, _2=20))
    name = m.REQUEST_DURATION.name
    assert values(samples, f"{name}_bucket", le="1.0") == [11.0]
    assert values(samples, f"{name}_bucket", le="2.0") == [24.0]
    assert values(samples, f"{name}_bucket", le="+Inf") == [24.0]
    assert values(samples, f"{name}_count") == [24.0]


def test_histograms_with_other_bounds_keep_only_sum_and_count() -> None:
    samples = say(Vllm(), TYPED + buckets(0, _1=1, _2=4) + buckets(1, _1=10, _3=20))
    name = m.REQUEST_DURATION.name
    assert values(samples, f"{name}_bucket") == []
    assert values(samples, f"{name}_sum") == [24.0]
    assert values(samples, f"{name}_count") == [24.0]


def test_a_summary_is_no_histogram() -> None:
    text = (
        "vllm:num_preemptions_total 1\n# TYPE vllm:e2e_request_latency_seconds summary\n"
        'vllm:e2e_request_latency_seconds{quantile="0.5"} 1\n'
        "vllm:e2e_request_latency_seconds_sum 1\nvllm:e2e_request_latency_seconds_count 1\n"
    )
    assert [one.series.name for one in say(Vllm(), text)] == [m.PREEMPTIONS.name]


def test_the_cache_holds_blocks_times_their_size_once_the_engine_knows() -> None:
    def info(blocks: str) -> str:
        return (
            "# TYPE vllm:cache_config_info gauge\nvllm:num_preemptions_total 0\n"
            f'vllm:cache_config_info{{engine="0",block_size="16",num_gpu_blocks="{blocks}"}} 1\n'
            f'vllm:cache_config_info{{engine="1",block_size="16",num_gpu_blocks="{blocks}"}} 1\n'
        )

    assert values(say(Vllm(), info("1000")), m.KV_CACHE_CAPACITY) == [32_000.0]
    assert values(say(Vllm(), info("None")), m.KV_CACHE_CAPACITY) == []


def test_of_adapter_lists_only_the_newest_counts() -> None:
    """Old combinations stay on the page for ever; their value is when they were written."""
    text = "# TYPE vllm:lora_requests_info gauge\n" + "".join(
        f'vllm:lora_requests_info{{running_lora_adapters="{names}"}} {when}\n'
        for names, when in (("a,b,c", 100), ("a,b", 300), ("", 200))
    )
    assert values(say(Vllm(), text), m.LORA_ACTIVE) == [2.0]


def test_an_adapter_waits_when_it_is_listed_as_waiting_and_does_not_run() -> None:
    text = (
        "# TYPE vllm:lora_requests_info gauge\n"
        'vllm:lora_requests_info{running_lora_adapters="a,b",waiting_lora_adapters="a,c,d"} 100\n'
        'vllm:lora_requests_info{running_lora_adapters="a",waiting_lora_adapters="x,y,z"} 50\n'
    )
    assert values(say(Vllm(), text), m.LORA_WAITING) == [2.0]


def test_llamacpp_prompt_tokens_include_the_cached_ones() -> None:
    text = (
        "# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total 100\n"
        "# TYPE llamacpp:prompt_tokens_cached_total counter\n"
        "llamacpp:prompt_tokens_cached_total 40\n"
    )
    samples = say(Llamacpp(), text)
    assert values(samples, m.INPUT_TOKENS) == [140.0]
    assert values(samples, m.INPUT_TOKENS_CACHED) == [40.0]
    old = say(Llamacpp(), text.split("# TYPE llamacpp:prompt_tokens_cached_total", maxsplit=1)[0])
    assert values(old, m.INPUT_TOKENS) == [100.0]
    assert values(old, m.INPUT_TOKENS_CACHED) == [], "absent is not zero"


# -- who it is ------------------------------------------------------------------------------------


def test_a_target_cannot_claim_anothers_name() -> None:
    text = 'vllm:num_preemptions_total{model_name="theirs",replica="other",cluster="x",pod="y"} 1\n'
    identity = labels_of({"replica": "c/ns/uid/vllm", "cluster": "c", "pod": "p", "model": "ours"})
    (sample,) = say(Vllm(), text, identity)
    labels = dict(sample.series.labels)
    assert {name: labels[name] for name in ("replica", "cluster", "pod", "model")} == {
        "replica": "c/ns/uid/vllm", "cluster": "c", "pod": "p", "model": "ours",
    }  # fmt: skip
    assert labels["pool"] == "ours"


def test_only_labels_of_the_vocabulary_leave_the_page() -> None:
    text = 'vllm:num_preemptions_total{model_name="m",WorkerId="w",SessionName="s",user="me"} 1\n'
    (sample,) = say(Vllm(), text)
    assert set(dict(sample.series.labels)) == {"engine", "model", "pool", "replica", "vantage"}


def test_the_only_model_of_a_page_owns_its_process_wide_series() -> None:
    text = 'vllm:num_preemptions_total{model_name="m"} 1\nprocess_start_time_seconds 17\n'
    assert values(say(Vllm(), text), m.ENGINE_START_TIME, model="m", pool="m") == [17.0]
    two = text + 'vllm:num_preemptions_total{model_name="n"} 1\n'
    assert values(say(Vllm(), two), m.ENGINE_START_TIME, model="m") == []


@pytest.mark.parametrize(
    ("spelled", "shown"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("/mnt/models/llama-3", "llama-3"),
        ("/mnt/models/llama-3/", "llama-3"),
        ("./checkpoints/best", "best"),
        ("s3://bucket/a/b", "b"),
        ("a\nb  c", "a b c"),
        ("x" * 500, "x" * 120),
        ("", ""),
    ],
)
def test_a_model_is_called_as_people_call_it(spelled: str, shown: str) -> None:
    assert model_name(spelled) == shown


def test_models_and_tenants_beyond_the_limit_are_one() -> None:
    text = "".join(f'vllm:num_preemptions_total{{model_name="m{n}"}} 1\n' for n in range(10))
    samples = say(Vllm(max_models=3), text)
    assert {dict(one.series.labels)["model"] for one in samples} == {"m0", "m1", "m2", "other"}
    assert values(samples, m.PREEMPTIONS, model="other") == [7.0]


@given(st.lists(st.text(max_size=3)), st.integers(0, 5))
def test_folding_keeps_at_most_its_limit(names: list[str], limit: int) -> None:
    fold = Folding(limit)
    folded = [fold(name) for name in names]
    assert len(set(folded) - {"other"}) <= limit
    assert [fold(name) for name in names] == folded, "a name once kept stays kept"


@given(st.text())
def test_clean_text_is_one_short_line(text: str) -> None:
    assert len(clean(text)) <= 120
    assert "\n" not in clean(text)


def test_a_page_that_would_become_too_many_series_is_refused() -> None:
    text = "".join(f'vllm:request_success_total{{finished_reason="r{n}"}} 1\n' for n in range(50))
    with pytest.raises(SourceOversized, match="50 series; 20 are allowed"):
        say(Vllm(max_series=20), text)


# -- LiteLLM: whose it was ------------------------------------------------------------------------


def spend(**labels: str) -> str:
    inside = ",".join(f'{k}="{v}"' for k, v in {"requested_model": "gpt", **labels}.items())
    return f"# TYPE litellm_spend_metric_total counter\nlitellm_spend_metric_total{{{inside}}} 2\n"


NOBODY = {
    "api_key_alias": "None", "hashed_api_key": "litellm_proxy_master_key", "team": "None",
    "team_alias": "None", "user": "default_user_id", "end_user": "None", "user_email": "None",
}  # fmt: skip


def tenant_of(collector: Litellm, **labels: str) -> str:
    (sample,) = say(collector, spend(**{**NOBODY, **labels}))
    assert not set(dict(sample.series.labels)) & {"user", "client_ip", "hashed_api_key"}
    return sample.series.label("tenant")


def test_the_tenant_is_the_team_then_the_key_then_nobody() -> None:
    everyone = {"team_alias": "search", "team": "t-9", "api_key_alias": "ci", "user": "ann"}
    assert tenant_of(Litellm(), **everyone) == "search"
    assert tenant_of(Litellm(), **{**everyone, "team_alias": "None"}) == "t-9"
    by_key = tenant_of(Litellm(), api_key_alias="ci", user="ann")
    assert by_key.startswith("k-")
    assert "ci" not in by_key
    assert tenant_of(Litellm(), user="ann", end_user="bob") == "", "any caller may write these"
    assert tenant_of(Litellm()) == "", "the word None is nobody"


def test_users_are_tenants_only_where_that_is_wanted_and_never_by_name() -> None:
    collector = Litellm(tenant_from_users=True)
    ann = tenant_of(collector, user="ann@example.org")
    assert ann.startswith("k-")
    assert tenant_of(collector, user="ann@example.org", end_user="bob") != ann


def test_with_a_key_every_tenant_is_the_pseudonym_that_spans_use_too() -> None:
    collector = Litellm(pseudonym_key="k")
    assert tenant_of(collector, team_alias="search") == pseudonym("search", b"k")
    assert tenant_of(collector, api_key_alias="ci") == pseudonym("ci", b"k")


def test_nothing_personal_leaves_a_recorded_page() -> None:
    text = (PAGES / "litellm-live.prom").read_text() + (
        'litellm_requests_metric_total{requested_model="x",hashed_api_key="wrong",'
        'user_email="a@b.c",client_ip="10.1.2.3",user_agent="curl"} 1\n'
    )
    for collector in (Litellm(), Litellm(tenant_from_users=True)):
        shown = repr(say(collector, text))
        for secret in ("127.0.0.1", "10.1.2.3", "curl", "urllib", "master_key", "wrong", "a@b.c"):
            assert secret not in shown


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("200", "ok"), ("400", "refused"), ("401", "refused"), ("404", "refused"),
        ("408", "error"), ("429", "error"), ("500", "error"), ("503", "error"), ("None", "error"),
    ],
)  # fmt: skip
def test_a_callers_mistake_is_no_failure_of_the_service(code: str, status: str) -> None:
    text = (
        "# TYPE litellm_proxy_total_requests_metric_total counter\n"
        f'litellm_proxy_total_requests_metric_total{{requested_model="g",status_code="{code}"}} 3\n'
        'litellm_proxy_total_requests_metric_total{requested_model="",route="/metrics"} 900\n'
    )
    samples = say(Litellm(), text)
    assert values(samples, m.GATEWAY_OPERATIONS, status=status) == [3.0]
    assert len(samples) == 1, "management calls ask for no model"


# -- reading a target -----------------------------------------------------------------------------


class Shelf:
    """A reach that answers from a shelf, or fails as told."""

    nvml: Any = None

    def __init__(self, body: bytes | Exception) -> None:
        self.body = body
        self.asked: list[tuple[str, Mapping[str, str], float]] = []

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        self.asked.append((url, headers, timeout_seconds))
        if isinstance(self.body, Exception):
            raise self.body
        return Page(self.body, "text/plain", 200, 0.25)


TARGET = Target("http://h:1/metrics", WHO, {"Authorization": "Bearer t"})


def page(name: str) -> bytes:
    return (PAGES / f"{name}.prom").read_bytes()


@pytest.mark.parametrize("name", ["vllm-0.33.0-derived", "llamacpp-live", "litellm-live"])
def test_a_target_is_read_by_whoever_recognises_its_page(name: str) -> None:
    shelf = Shelf(page(name))
    reading = PageReader(READERS, timeout_seconds=1.5).read(TARGET, shelf, 9.0)
    assert (reading.verdict, reading.detail, reading.seconds) == ("ok", "", 0.25)
    assert reading.collector == name.split("-", maxsplit=1)[0]
    assert reading.samples
    assert {one.at for one in reading.samples} == {9.0}
    assert len(shelf.asked) == 1, "one request a reading"
    assert shelf.asked[0][1] == {"Accept": ACCEPT, "Authorization": "Bearer t"}
    assert shelf.asked[0][2] == 1.5


def test_collecting_alone_reads_the_same() -> None:
    shelf = Shelf(page("llamacpp-live"))
    alone = Llamacpp().collect(TARGET, shelf, 9.0)
    assert tuple(alone) == PageReader(READERS).read(TARGET, shelf, 9.0).samples


@pytest.mark.parametrize(
    ("body", "verdict", "detail"),
    [
        (SourceDown("refuses"), "down", "refuses"),
        (SourceHung("no answer"), "hung", "no answer"),
        (SourceUnauthorised("401"), "unauthorised", "401"),
        (b"", "unreadable", "empty"),
        (b"<html>", "unreadable", "HTML"),
        (b"[]\n", "unreadable", "JSON"),
        (b"up 1\nup 1\n", "unreadable", "twice"),
        (b"a 1\n" * 40, "oversized", "lines"),
        (b"node_load1 0.5\nnode_load5 0.4\n", "unknown names", "node_load1, node_load5"),
    ],
)
def test_whatever_is_wrong_becomes_the_verdict(
    body: bytes | Exception, verdict: str, detail: str
) -> None:
    reader = PageReader(READERS, limits=Limits(lines=30))
    reading = reader.read(TARGET, Shelf(body), 9.0)
    assert (reading.verdict, reading.samples) == (verdict, ())
    assert detail in reading.detail


def test_a_target_that_gave_no_page_tells_how_long_it_was_waited_for() -> None:
    ticks = iter([100.0, 103.5])
    reader = PageReader(READERS, monotonic=lambda: next(ticks))
    assert reader.read(TARGET, Shelf(SourceHung("no answer")), 9.0).seconds == 3.5
    assert PageReader(READERS).read(TARGET, Shelf(b"<html>"), 9.0).seconds == 0.25


def test_an_engine_all_of_whose_names_changed_is_unknown_and_not_idle() -> None:
    text = b"process_start_time_seconds 1\nhttp_requests_total 5\nvllm:brand_new_name 1\n"
    reading = PageReader(READERS).read(TARGET, Shelf(text), 9.0)
    assert reading.verdict == "unknown names"
    assert "vllm:brand_new_name" in reading.detail
    assert reading.vantage == "engine"


def test_a_gateway_that_says_nothing_we_read_still_shows_that_it_is_one() -> None:
    reading = PageReader(READERS).read(TARGET, Shelf(b"litellm_brand_new_name 0\n"), 9.0)
    assert (reading.verdict, reading.vantage) == ("unknown names", "gateway")


def test_a_server_that_declares_its_names_and_has_no_sample_yet_is_known_and_says_nothing() -> None:
    text = b"# TYPE request_predict_seconds histogram\npython_info 1\n"
    reading = PageReader({**READERS, "kserve": Kserve()}).read(TARGET, Shelf(text), 9.0)
    assert (reading.verdict, reading.samples, reading.collector) == ("ok", (), "kserve")


def test_a_name_of_ours_in_another_type_is_no_name_that_is_still_empty() -> None:
    text = b"# TYPE vllm:num_preemptions_total summary\nvllm:num_preemptions_total 1\n"
    reading = PageReader(READERS).read(TARGET, Shelf(text), 9.0)
    assert reading.verdict == "unknown names"


def test_a_list_of_unknown_names_stays_short() -> None:
    text = "".join(f"strange_{n} 1\n" for n in range(500))
    with pytest.raises(SourceUnfamiliar) as caught:
        say(Vllm(), text)
    assert "and 492 more" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_target_that_says_what_it_is_is_believed() -> None:
    """A page of two families, as an agent of a node may serve it."""
    both = page("llamacpp-live") + page("vllm-0.33.0-derived").split(b"# HELP vllm", 1)[1].join(
        [b"# HELP vllm", b""]
    )
    told = Target(TARGET.url, labels_of([*WHO, ("engine", "llamacpp")]))
    assert PageReader(READERS).read(told, Shelf(both), 0.0).collector == "llamacpp"
    assert PageReader(READERS).read(TARGET, Shelf(both), 0.0).collector == "vllm"


def test_recognition_needs_a_mark() -> None:
    assert recognise(["process_cpu_seconds_total"], READERS) is None
    assert recognise([], READERS) is None
    assert recognise(["vllm_num_requests_running"], READERS) == "vllm"
    nameless = {"x": SimpleNamespace(marks=())}
    assert recognise(["anything"], nameless) is None  # type: ignore[arg-type]
