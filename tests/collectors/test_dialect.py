"""The tables as a dialect: our signals asked in the servers' own words."""

import re

import promql_parser
import pytest

import collectors
from collectors._dialect import dialect
from collectors._reading import PageCollector
from store.promql import render_signal
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.contracts import Collector
from vocabulary.discovery import discover
from vocabulary.expressions import Signal

FOUND = discover(collectors, Collector)
PAGES = {name: cls() for name, cls in FOUND.items() if issubclass(cls, PageCollector)}
DIALECT = dialect(PAGES)


def test_newest_spellings_come_first_and_carry_who_is_meant() -> None:
    known = DIALECT[m.KV_CACHE_UTILIZATION.name]
    spellings = [one for one in known if one.name.startswith("vllm:")]
    assert [one.name for one in spellings][:2] == [
        "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc",
    ]  # fmt: skip
    first = spellings[0]
    assert first.fixed == {"vantage": "engine", "engine": "vllm"}
    assert first.renamed == {
        "replica": "instance", "model": "model_name", "pool": "model_name",
    }  # fmt: skip


def test_a_histogram_is_spelled_in_its_three_series_and_a_part_in_one() -> None:
    for part in ("bucket", "sum", "count"):
        names = {one.name for one in DIALECT[f"{m.TIME_TO_FIRST_TOKEN.name}_{part}"]}
        assert f"vllm:time_to_first_token_seconds_{part}" in names
    names = {one.name for one in DIALECT[m.ENGINE_STEPS.name]}
    assert "vllm:iteration_tokens_total_count" in names


def test_the_gateways_outcomes_are_told_apart_by_what_its_series_say() -> None:
    by_status = {
        status: {dict(one.match)["status_code"] for one in DIALECT[m.GATEWAY_OPERATIONS.name]
                 if one.fixed["status"] == status and one.fixed["engine"] == "litellm"}
        for status in ("ok", "refused", "error")
    }  # fmt: skip
    assert by_status["ok"] == {"200"}
    assert "429" in by_status["error"]
    assert "401" in by_status["refused"]


def test_every_spelling_gives_all_of_its_metrics_own_labels() -> None:
    for name, spellings in DIALECT.items():
        for one in spellings:
            assert set(m.BY_SERIES_NAME[name].labels) <= {*one.renamed, *one.fixed}, (name, one)


@pytest.mark.parametrize("signal", signals.ALL, ids=str)
def test_every_signal_renders_to_promql_in_this_dialect(signal: Signal) -> None:
    text = render_signal(signal, dialect=DIALECT)
    promql_parser.parse(text)
    assert not re.search(r"(?<!ray_)vllm_|litellm__", text), "spelled as the servers spell them"


def test_names_that_any_process_may_bear_are_nobodys_in_a_backend() -> None:
    spelled = {one.name for spellings in DIALECT.values() for one in spellings}
    assert not {name for name in spelled if name.startswith(("process_", "http_"))}
    assert m.ENGINE_START_TIME.name not in DIALECT
