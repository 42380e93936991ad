"""One source of truth for names: every PromQL expression and every literal against the vocabulary.

The checks are functions of text, so that planted mistakes prove that each of them can fail.
"""

import ast
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import promql_parser as promql
import pytest

from service.rules import read_rules
from store.promql import render_signal
from vocabulary import metrics, signals
from vocabulary.metrics import Kind

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "vocabulary", "store", "estimators", "fleet", "collectors", "detectors", "remediations",
    "metering", "simulator", "incidents", "dashboard", "service",
)  # fmt: skip
FILES = read_rules()
RECORDED = {
    rule["record"]: str(rule["expr"]) for file in FILES for rule in file.rules if "record" in rule
}
ALERTS = {
    f"{file.word}-{number}": str(rule["expr"])
    for file in FILES for number, rule in enumerate(file.alerts)
}  # fmt: skip
SIGNALS = {signal.name: render_signal(signal) for signal in signals.ALL}
EVERYTHING = {
    **{f"recorded {name}": expr for name, expr in RECORDED.items()},
    **{f"alert {name}": expr for name, expr in ALERTS.items()},
    **{f"signal {name}": expr for name, expr in SIGNALS.items()},
}

AMBIENT = {"job", "instance", "le", "alertname", *metrics.TARGET_LABELS}
COUNTING = {"rate", "irate", "increase", "resets"}
ORDINARY = {"delta", "deriv", "idelta", "predict_linear", "avg_over_time", "quantile_over_time"}
COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")
SHORTEST_RANGE = timedelta(seconds=60)
"""Four readings at the agent's own interval of fifteen seconds."""


def nodes(expr: str) -> list[promql.Expr]:
    """Every node of the expression, selectors inside range selectors included."""
    found: list[promql.Expr] = []
    promql.walk(promql.parse(expr), found.append)
    return found


def selectors(expr: str) -> list[promql.VectorSelector]:
    return [node for node in nodes(expr) if isinstance(node, promql.VectorSelector)]


def selector_under(node: promql.Call) -> promql.VectorSelector | None:
    inner = next((a for a in node.args if isinstance(a, promql.MatrixSelector)), None)
    return inner.vector_selector if inner else None


def counts(name: str) -> bool | None:
    """Whether a series only ever grows; None when the vocabulary does not have it."""
    metric = metrics.BY_SERIES_NAME.get(name)
    if metric is None:
        return False if name in RECORDED else None
    return metric.kind in {Kind.COUNTER, Kind.HISTOGRAM}


def unknown_names(expr: str) -> list[str]:
    known = {*metrics.BY_SERIES_NAME, *RECORDED}
    return [str(s.name) for s in selectors(expr) if s.name not in known]


def labels_used(expr: str) -> Iterator[str]:
    for node in nodes(expr):
        if isinstance(node, promql.VectorSelector):
            yield from (matcher.name for matcher in node.matchers.matchers)
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            yield from node.modifier.labels
        if isinstance(node, promql.BinaryExpr) and node.modifier:
            yield from node.modifier.matching.labels if node.modifier.matching else ()
            yield from node.modifier.group_labels or ()


def unknown_labels(expr: str) -> list[str]:
    own: set[str] = set()
    for selector in selectors(expr):
        metric = metrics.BY_SERIES_NAME.get(str(selector.name))
        own.update(metric.labels if metric else ())
    return [label for label in labels_used(expr) if label not in AMBIENT | own]


def misused_kinds(expr: str) -> list[str]:
    found = []
    for node in nodes(expr):
        selector = selector_under(node) if isinstance(node, promql.Call) else None
        if selector is None or not isinstance(node, promql.Call):
            continue
        name, grows = str(selector.name), counts(str(selector.name))
        if node.func.name in COUNTING and grows is False:
            found.append(f"{node.func.name} of {name}, which is no counter")
        if node.func.name in ORDINARY and grows:
            found.append(f"{node.func.name} of {name}, which is a counter")
    return found


def bare_counters(expr: str) -> list[str]:
    """Counters whose value is looked at outside of any function over a range."""
    ranged = [n.vector_selector for n in nodes(expr) if isinstance(n, promql.MatrixSelector)]
    under_range = [str(selector) for selector in ranged]
    found = []
    for selector in selectors(expr):
        text = str(selector)
        if text in under_range:
            under_range.remove(text)
        elif counts(str(selector.name)):
            found.append(str(selector.name))
    return found


def short_ranges(expr: str) -> list[str]:
    return [
        str(node) for node in nodes(expr)
        if isinstance(node, promql.MatrixSelector) and node.range < SHORTEST_RANGE
    ]  # fmt: skip


def without_comparison(expr: str) -> list[str]:
    compared = any(
        isinstance(node, promql.BinaryExpr) and str(node.op) in COMPARISONS for node in nodes(expr)
    )
    return [] if compared else ["no comparison"]


def flapping(expr: str) -> list[str]:
    return [
        str(node.op) for node in nodes(expr)
        if isinstance(node, promql.AggregateExpr) and str(node.op) in {"topk", "bottomk"}
    ]  # fmt: skip


def unmatched_vectors(expr: str) -> list[str]:
    """Arithmetic and comparisons of two vectors that do not say on which labels they meet."""
    found = []
    for node in nodes(expr):
        if not isinstance(node, promql.BinaryExpr) or str(node.op) in {"and", "or", "unless"}:
            continue
        both = all(
            any(isinstance(n, promql.VectorSelector) for n in nodes(side.prettify()))
            for side in (node.lhs, node.rhs)
        )
        if both and not (node.modifier and node.modifier.matching):
            found.append(str(node.op))
    return found


Check = Callable[[str], list[str]]
EVERYWHERE: tuple[Check, ...] = (unknown_names, unknown_labels, misused_kinds, short_ranges)


BETWEEN_TWO_LOOKS = {"signal engine_steps_lately"}
"""Expressions that mean to see no further than from one reading to the next: a freeze of ten
seconds is lost in a minute."""


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("where", EVERYTHING)
def test_every_expression_keeps_to_the_vocabulary(where: str, check: Check) -> None:
    meant = check is short_ranges and where in BETWEEN_TWO_LOOKS
    assert bool(check(EVERYTHING[where])) is meant


@pytest.mark.parametrize("check", [bare_counters, unmatched_vectors], ids=lambda c: c.__name__)
@pytest.mark.parametrize("where", [key for key in EVERYTHING if not key.startswith("signal")])
def test_rules_look_at_growth_and_say_where_vectors_meet(where: str, check: Check) -> None:
    assert check(EVERYTHING[where]) == []


@pytest.mark.parametrize("check", [without_comparison, flapping], ids=lambda c: c.__name__)
@pytest.mark.parametrize("where", ALERTS)
def test_every_alert_compares_and_none_flaps(where: str, check: Check) -> None:
    assert check(ALERTS[where]) == []


def test_every_recorded_name_is_used_and_none_is_a_metric() -> None:
    used = {str(s.name) for expr in EVERYTHING.values() for s in selectors(expr)}
    assert set(RECORDED) <= used
    assert not set(RECORDED) & set(metrics.BY_SERIES_NAME)
    assert all(name.count(":") == 2 for name in RECORDED)


@pytest.mark.parametrize(
    ("check", "expr"),
    [
        (unknown_names, "sum(tidegauge_llm_input_token_total) > 0"),
        (unknown_names, "rate(tidegauge_llm_input_token_total[5m]) > 0"),
        (unknown_names, "threshold:nobody:knows > 0"),
        (unknown_names, "gen_ai_server_time_to_first_token_seconds > 0"),
        (unknown_labels, "sum by (tennant) (tidegauge_target_up) > 0"),
        (unknown_labels, 'tidegauge_target_up{outcome="ok"} > 0'),
        (unknown_labels, "tidegauge_target_up / on (shard) tidegauge_target_up > 0"),
        (unknown_labels, "a / on (pod) group_left (shard) tidegauge_target_up"),
        (misused_kinds, "rate(tidegauge_llm_requests_running[5m]) > 0"),
        (misused_kinds, "increase(replica:llm_preemptions:rate5m[5m]) > 0"),
        (misused_kinds, "avg_over_time(tidegauge_llm_preemptions_total[5m]) > 0"),
        (short_ranges, "rate(tidegauge_llm_preemptions_total[30s]) > 0"),
        (bare_counters, "tidegauge_llm_preemptions_total > 0"),
        (bare_counters, "rate(hw_energy_joules_total[5m]) > hw_energy_joules_total"),
        (without_comparison, "tidegauge_target_up"),
        (without_comparison, "tidegauge_target_up and tidegauge_gpu_allocation"),
        (flapping, "topk(3, tidegauge_target_up) > 0"),
        (flapping, "sum(bottomk(1, tidegauge_target_up)) > 0"),
        (unmatched_vectors, "tidegauge_target_up / tidegauge_gpu_allocation > 0"),
        (unmatched_vectors, "sum(tidegauge_target_up) > threshold:gpu_utilization:ratio"),
    ],
)
def test_a_planted_mistake_is_found(check: Check, expr: str) -> None:
    assert check(expr)


# -- names in code --------------------------------------------------------------------------------

UPSTREAM = re.compile(
    r"(?<![\w:])(?:vllm:|sglang:|llamacpp:|litellm_(?=\w*_(?:total|metric|bucket)))"
)
MAY_SPELL_UPSTREAM = ("collectors/", "simulator/pages/")
OURS = re.compile(
    r"(?<![\w.:])(?:" + "|".join(sorted(metrics.BY_SERIES_NAME, key=len, reverse=True)) + r")(?!\w)"
)
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def literals(source: str) -> Iterator[str]:
    """Every string in code, pieces of f-strings included, docstrings and field notes not."""
    tree = ast.parse(source)
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


def canonical_literals(source: str) -> list[str]:
    return [found for text in literals(source) for found in OURS.findall(text)]


def upstream_literals(source: str) -> list[str]:
    return [found for text in literals(source) for found in UPSTREAM.findall(text)]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_our_names_are_spelt_in_one_place(path: Path) -> None:
    if relative(path) != "vocabulary/metrics.py":
        assert canonical_literals(path.read_text()) == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_upstream_spellings_stay_with_who_reads_or_plays_them(path: Path) -> None:
    if not relative(path).startswith(MAY_SPELL_UPSTREAM):
        assert upstream_literals(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        'query = "sum(tidegauge_llm_preemptions_total)"',
        'query = f"rate(tidegauge_llm_preemptions_total[{window}])"',
        'NAME = "hw_power_watts"',
        'NAME = "gen_ai_server_time_to_first_token_seconds_bucket"',
    ],
)
def test_a_name_of_ours_planted_in_code_is_found(source: str) -> None:
    assert canonical_literals(source)


@pytest.mark.parametrize(
    "source",
    ['x = "vllm:num_requests_running"', 'x = f"sglang:{y}"', 'x = ["llamacpp:tokens"]',
     'x = "litellm_proxy_total_requests_metric_total"'],
)  # fmt: skip
def test_an_upstream_spelling_planted_in_code_is_found(source: str) -> None:
    assert upstream_literals(source)


@pytest.mark.parametrize(
    "source",
    ['"""Reads vllm:num_requests_running."""', 'x = "tidegauge_llm"', 'x = "litellm_provider"',
     'x = "https://docs.vllm.ai"'],
)  # fmt: skip
def test_prose_and_other_words_are_left_alone(source: str) -> None:
    assert not upstream_literals(source)
    assert not canonical_literals(source)
