"""`tidegauge rules`: what is built, what is refused; what is committed is what is built."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.rules import (
    PACKAGED,
    RULES,
    RUNBOOKS,
    RuleFile,
    as_yaml,
    check,
    derived,
    prometheus_rule,
    raw_rules,
    read_rules,
    runbooks,
    with_thresholds,
    write,
)
from vocabulary.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
FILES = read_rules()


def test_the_rules_keep_every_convention() -> None:
    assert check(FILES) == []


def test_runbooks_and_the_charts_copy_are_what_the_rules_say() -> None:
    folders = (ROOT / RUNBOOKS, ROOT / PACKAGED)
    committed = {path: path.read_text() for folder in folders for path in folder.iterdir()}
    assert committed == derived(ROOT)


def test_every_alert_has_unit_tests_beside_it() -> None:
    for file in FILES:
        assert not file.alerts or (ROOT / "tests" / "alert_rules" / f"{file.word}.yaml").exists()


def test_every_unit_test_has_cases_that_fire_and_cases_that_stay_quiet() -> None:
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        asks = [
            ask for case in yaml.safe_load(path.read_text())["tests"]
            for ask in case["alert_rule_test"]
        ]  # fmt: skip
        assert any(ask["exp_alerts"] for ask in asks), path.name
        assert sum(not ask["exp_alerts"] for ask in asks) >= 2, path.name


def test_the_operators_object_carries_the_labels_it_is_selected_by() -> None:
    made = prometheus_rule(FILES, name="tg", namespace="mon", labels={"release": "kps"})
    assert made["kind"] == "PrometheusRule"
    assert made["metadata"]["namespace"] == "mon"
    assert made["metadata"]["labels"]["release"] == "kps"
    assert made["spec"] == raw_rules(FILES)
    assert yaml.safe_load(as_yaml(made)) == made


def test_runbook_links_take_the_base_they_are_built_with() -> None:
    built = raw_rules(FILES, "https://wiki.example/runbooks/")
    urls = [
        rule["annotations"]["runbook_url"]
        for group in built["groups"] for rule in group["rules"] if "alert" in rule
    ]  # fmt: skip
    assert "https://wiki.example/runbooks/EngineStalled.md" in urls
    assert all(url.startswith("https://wiki.example/runbooks/") for url in urls)


def test_a_threshold_is_changed_by_name_and_nothing_else_is() -> None:
    name = "threshold:gpu_sm_clock:ratio_to_median"
    changed = with_thresholds(FILES, {name: "0.6"})
    before = {str(rule) for file in FILES for rule in file.rules}
    after = {str(rule) for file in changed for rule in file.rules}
    assert after - before == {str({"record": name, "expr": "vector(0.6)"})}
    assert with_thresholds(FILES, {}) == FILES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold:no_such:thing", "1"),
        ("threshold:gpu_utilization:ratio", "half"),
        ("threshold:llm_first_tokens_late:budget", "0.1"),
        ("replica:llm_preemptions:rate5m", "1"),
    ],
)
def test_what_is_no_threshold_or_no_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        with_thresholds(FILES, {name: value})


def test_pages_are_written_by_name(tmp_path: Path) -> None:
    paths = write(tmp_path / "new", runbooks(FILES))
    assert len(paths) == len([file for file in FILES if file.alerts])
    assert (tmp_path / "new" / "EngineStalled.md").read_text().startswith("<!-- Made by")


STALLED = next(file for file in FILES if file.word == "engine_stalled")


def planted(change: Callable[[dict[str, Any]], object]) -> list[RuleFile]:
    """The rules with one alert of engine_stalled changed."""
    rules = yaml.safe_load(yaml.safe_dump(list(STALLED.rules)))
    change(rules[-1])
    broken = replace(STALLED, groups=({"name": "tidegauge.engine_stalled", "rules": rules},))
    return [broken if file.word == "engine_stalled" else file for file in FILES]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r.pop("for"), "`for` is missing"),
        (lambda r: r.update(alert="Stalled"), "must be named EngineStalled"),
        (lambda r: r["labels"].pop("team"), "label team is missing"),
        (lambda r: r["labels"].update(severity="page"), "severity must be one of"),
        (lambda r: r["labels"].update(component="llm"), "component must be one of"),
        (lambda r: r["labels"].update(incident_class="F02"), "must be the failure mode's code"),
        (lambda r: r["labels"].update(value="{{ $value }}"), "a label holds a template"),
        (lambda r: r["annotations"].pop("description"), "annotation description is missing"),
        (lambda r: r["annotations"].update(summary="It is broken"), "full stop"),
        (lambda r: r["annotations"].update(runbook_url="x.md"), "runbook_url must be"),
        (lambda r: r.update(expr=f"topk(3, {r['expr']})"), "flap"),
        (lambda r: r.update(expr="tidegauge_llm_engine_stepz_total > 0"), "neither a metric"),
        (lambda r: r.update(expr="tidegauge_target_up == 0"), "recorded and never used"),
    ],
)
def test_a_broken_convention_is_named(
    change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    assert any(complaint in problem for problem in check(planted(change)))


def test_a_runbook_without_its_headings_is_named() -> None:
    broken = replace(STALLED, runbook=STALLED.runbook.replace("## Impact", "## Effect"))
    assert any("headings" in problem for problem in check([*FILES, broken]))


def test_doubled_groups_and_alerts_are_named() -> None:
    problems = check([*FILES, STALLED])
    assert "group tidegauge.engine_stalled exists twice" in problems
    doubled = replace(STALLED, groups=(*STALLED.groups, {**STALLED.groups[0], "name": "x"}))
    assert "engine_stalled.yaml: two alerts have the same labels" in check([doubled])
    assert "engine_stalled.yaml: group x must be named tidegauge.…" in check([doubled])


@pytest.mark.parametrize(
    "text", ["a: [", "groups: 5", "groups: [{name: a, rules: [{record: x}]}]", "- 1"]
)
def test_a_file_that_is_no_rule_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_rules(tmp_path)


def test_an_empty_folder_is_no_rule_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no rule files"):
        read_rules(tmp_path)
    assert RULES == ROOT / "alert_rules"
