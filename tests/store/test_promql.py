"""Rendering: valid PromQL whatever the labels hold, narrowed where asked, in any dialect."""

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.dialect import Spelling
from store.promql import duration, number, quoted, render, render_signal
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.expressions import (
    By,
    Expr,
    Increase,
    Last,
    Late,
    Over,
    Quantile,
    Rate,
    Ratio,
    Scaled,
    Signal,
)
from vocabulary.metrics import Kind, Metric


@pytest.mark.parametrize("signal", signals.ALL, ids=str)
def test_every_signal_is_promql(signal: Signal) -> None:
    promql_parser.parse(render_signal(signal))
    promql_parser.parse(render_signal(signal, {"pool": "llm/chat", "replica": 'a"b'}))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Last(m.REQUESTS_RUNNING), "tidegauge_llm_requests_running"),
        (Rate(m.OUTPUT_TOKENS, 60.0), "rate(tidegauge_llm_output_tokens_total[1m])"),
        (
            Rate(m.QUEUE_DURATION, 90.0, (("vantage", "engine"),), "sum"),
            'rate(tidegauge_llm_queue_duration_seconds_sum{vantage="engine"}[90s])',
        ),
        (Increase(m.GPU_XID_EVENTS, 600.0), "increase(tidegauge_gpu_xid_events_total[10m])"),
        (Over("max", m.GPU_POWER, 0.25), "max_over_time(hw_power_watts[250ms])"),
        (
            Quantile(0.95, m.QUEUE_DURATION, ("pool",), 300.0),
            (
                "histogram_quantile(0.95, sum by (pool, le) "
                "(rate(tidegauge_llm_queue_duration_seconds_bucket[5m])))"
            ),
        ),
        (
            Late(m.QUEUE_DURATION, 5.0, ("pool",), 300.0),
            (
                "1 - sum by (pool) (rate(tidegauge_llm_queue_duration_seconds_bucket"
                '{le="5"}[5m]) or rate(tidegauge_llm_queue_duration_seconds_bucket{le="5.0"}[5m]))'
                " / on (pool) (sum by (pool) "
                "(rate(tidegauge_llm_queue_duration_seconds_count[5m])) != 0)"
            ),
        ),
        (By("max", Last(m.GPU_POWER), ()), "max by () (hw_power_watts)"),
        (
            Ratio(Last(m.GPU_POWER), Last(m.GPU_POWER_LIMIT), ("gpu",)),
            "hw_power_watts / on (gpu) (tidegauge_gpu_power_limit_watts != 0)",
        ),
        (
            Scaled(Ratio(Last(m.GPU_POWER), Scaled(Last(m.GPU_POWER), 2.0), ("gpu",)), 0.5),
            "(hw_power_watts / on (gpu) ((hw_power_watts * 2) != 0)) * 0.5",
        ),
        (
            By("avg", Quantile(0.5, m.QUEUE_DURATION, ("pool",)), ()),
            (
                "avg by () (histogram_quantile(0.5, sum by (pool, le) "
                "(rate(tidegauge_llm_queue_duration_seconds_bucket[5m]))) >= -Inf)"
            ),
        ),
    ],
)
def test_a_person_would_write_it_like_this(expr: Expr, text: str) -> None:
    assert render(expr) == text
    promql_parser.parse(text)


def test_narrowing_reaches_every_selector() -> None:
    text = render_signal(signals.TTFT_MEAN, {"pool": "chat"})
    assert text.count('{vantage="engine",pool="chat"}') == 2


def test_narrowing_to_what_the_signal_excludes_selects_nothing() -> None:
    text = render(Last(m.OUTPUT_TOKENS, (("vantage", "engine"),)), {"vantage": "gateway"})
    assert text.endswith('{vantage="engine",vantage="gateway"}')
    assert render(Last(m.OUTPUT_TOKENS, (("a", "b"),)), {"a": "b"}).endswith('{a="b"}')


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_label_value_comes_back_from_the_parser(value: str) -> None:
    parsed = promql_parser.parse(f"x{{a={quoted(value)}}}")
    assert parsed.matchers.matchers[0].value == value


@given(st.text())
def test_no_label_value_ends_its_string(value: str) -> None:
    text = render(Last(m.GPU_POWER), {"gpu": value})
    assert len(promql_parser.parse(text).matchers.matchers) == 1
    text.encode()


def test_names_only_prometheus_3_can_say_are_quoted() -> None:
    dotted = Metric("hw.power", Kind.GAUGE, "W", "", "hw.power")
    assert render(Last(dotted, (("k8s.pod.name", "p"),))) == '{"hw.power","k8s.pod.name"="p"}'
    assert render(By("sum", Last(dotted), ("k8s.pod",))) == 'sum by ("k8s.pod") ({"hw.power"})'


@given(st.integers(1, 10**9))
def test_durations_mean_what_they_were(millis: int) -> None:
    assert promql_parser.parse_duration(duration(millis / 1000)).total_seconds() == pytest.approx(
        millis / 1000
    )


@given(st.floats())
def test_numbers_come_back_exactly(value: float) -> None:
    parsed = promql_parser.parse(number(value))
    text = parsed.prettify() if not hasattr(parsed, "val") else str(parsed.val)
    found = float(text.replace("Inf", "inf"))
    assert found == value or (found != found and value != value)


RUNNING = m.REQUESTS_RUNNING
DIALECT = {
    RUNNING.name: (
        Spelling("vllm:num_requests_running", {"model": "model_name"}, {"vantage": "engine"}),
        Spelling("vllm_num_requests_running", {"model": "model_name"}, {"vantage": "engine"}),
    ),
    m.REQUESTS_FINISHED.name: (Spelling("x_total", match=(("reason", "stop"),), factor=0.001),),
}


def test_a_dialect_asks_for_every_spelling_newest_first() -> None:
    text = render(Last(RUNNING, (("vantage", "engine"), ("model", "m"))), dialect=DIALECT)
    newest, oldest = text[1:-1].split(" or ")
    assert 'vllm:num_requests_running{model_name="m"}' in newest
    assert 'vllm_num_requests_running{model_name="m"}' in oldest
    promql_parser.parse(text)


def test_a_dialect_gives_labels_our_names_after_the_rate_is_taken() -> None:
    text = render(Rate(RUNNING, 60.0), dialect={RUNNING.name: DIALECT[RUNNING.name][:1]})
    assert text == (
        "label_replace(label_replace(rate(vllm:num_requests_running[1m]), "
        '"model", "$1", "model_name", "(.*)"), "vantage", "engine", "", "")'
    )
    promql_parser.parse(text)


def test_a_dialect_narrows_and_converts() -> None:
    assert render(Last(m.REQUESTS_FINISHED), dialect=DIALECT) == '(x_total{reason="stop"} * 0.001)'


def test_what_a_fixed_label_rules_out_is_asked_of_nobody_else() -> None:
    text = render(Last(RUNNING, (("vantage", "gateway"),)), dialect=DIALECT)
    assert text == 'tidegauge_llm_requests_running{vantage="gateway"}'


@pytest.mark.parametrize("signal", signals.ALL, ids=str)
def test_every_signal_is_promql_in_a_dialect(signal: Signal) -> None:
    dialect = {
        name: (Spelling(f"a:{name}", {"pool": "x"}), Spelling(f"b:{name}", fixed={"engine": "$1"}))
        for name in m.BY_SERIES_NAME
    }
    promql_parser.parse(render_signal(signal, {"pool": "p"}, dialect))


@pytest.mark.parametrize("signal", signals.ALL, ids=lambda signal: signal.name)
def test_a_remembered_text_is_the_one_that_would_be_rendered(signal: Signal) -> None:
    for match in (
        None, {}, {"replica": 'a"@1@"b', "pool": "@0@"}, {"gpu": "x\ny"}, {"vantage": "engine"},
        {"le": "5"}, {"odd label": "x"},
    ):  # fmt: skip
        for _ in range(2):
            assert render_signal(signal, match) == render(signal.expr, match)
