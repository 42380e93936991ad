"""Inhibition rules mute what they mean to mute, by labels that the alerts really carry."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.rules import RuleFile, read_rules

ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "deploy/alertmanager/inhibit.yaml").read_text())["inhibit_rules"]
ALERTS = [
    {**rule["labels"], "alertname": rule["alert"], "expr": str(rule["expr"])}
    for file in read_rules() for rule in file.alerts
]  # fmt: skip


def matching(matchers: list[str]) -> list[dict[str, Any]]:
    """Alerts that all *matchers* match."""
    found = ALERTS
    for matcher in matchers:
        name, operator, value = re.findall(r'^(\w+)(=~|=)"(.*)"$', matcher)[0]
        pattern = value if operator == "=~" else re.escape(value)
        found = [alert for alert in found if re.fullmatch(pattern, str(alert[name]))]
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["source_matchers"][0])
def test_both_sides_are_alerts_of_ours(rule: dict[str, Any]) -> None:
    for side in ("source_matchers", "target_matchers"):
        assert matching(rule[side])
        for matcher in rule[side]:
            if matcher.startswith("alertname"):
                names = set(re.findall(r"[A-Z]\w+", matcher))
                assert names <= {alert["alertname"] for alert in ALERTS}


def grouped_by(file: RuleFile) -> set[str]:
    """Labels that some aggregation of the file keeps."""
    by = re.findall(r"by \(([^)]*)\)", "\n".join(str(rule["expr"]) for rule in file.rules))
    return {label for labels in by for label in labels.split(", ")}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["source_matchers"][0])
def test_labels_that_must_be_equal_survive_on_both_sides(rule: dict[str, Any]) -> None:
    kept = {file.word: grouped_by(file) for file in read_rules()}
    words = {file.alert: file.word for file in read_rules()}
    for side in ("source_matchers", "target_matchers"):
        for alert in matching(rule[side]):
            assert set(rule["equal"]) <= kept[words[alert["alertname"]]], alert["alertname"]
