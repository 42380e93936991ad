"""The alert rules against the real promtool, in the oldest and the newest Prometheus we know."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from rigs import alertmanager, prometheus

from service.rules import RULES, as_yaml, raw_rules, read_rules

TESTS = Path(__file__).resolve().parents[1] / "alert_rules"
CASES = sorted(TESTS.glob("*.yaml"))
pytestmark = pytest.mark.integration


def promtool(release: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [prometheus.promtool(release), *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("release", prometheus.RELEASES)
def test_every_rule_file_passes_the_strict_lint(release: str) -> None:
    found = promtool(release, "check", "rules", "--lint=all", "--lint-fatal", *RULES.glob("*.yaml"))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("release", prometheus.RELEASES)
def test_what_is_built_is_taken_as_one_file(release: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(as_yaml(raw_rules(read_rules(), "https://wiki.example/runbooks")))
    found = promtool(release, "check", "rules", "--lint=all", "--lint-fatal", path)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("release", prometheus.RELEASES)
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_at_no_other_time(release: str, case: Path) -> None:
    found = promtool(release, "test", "rules", case)
    assert found.returncode == 0, found.stdout + found.stderr


def mutated(folder: Path, case: Path, pattern: str, replacement: str) -> Path:
    """A copy of *case* and its rules in which *pattern* is replaced in the alerts' file."""
    (folder / "alert_rules").mkdir()
    (folder / "tests" / "alert_rules").mkdir(parents=True)
    for path in (RULES / "thresholds.yaml", RULES / case.name):
        (folder / "alert_rules" / path.name).write_text(path.read_text())
    rules = folder / "alert_rules" / case.name
    changed, times = re.subn(pattern, replacement, rules.read_text(), flags=re.MULTILINE)
    assert times, f"{pattern} is not in {case.name}"
    rules.write_text(changed)
    copy = folder / "tests" / "alert_rules" / case.name
    copy.write_text(case.read_text())
    return copy


WAITING = [
    case
    for case in CASES
    if re.search(r"^    for: (?!0)", (RULES / case.name).read_text(), flags=re.MULTILINE)
]
"""Files with an alert that waits; events of hardware are told at once."""


@pytest.mark.parametrize("case", WAITING, ids=lambda path: path.stem)
def test_an_alert_that_does_not_wait_fails_its_tests(case: Path, tmp_path: Path) -> None:
    copy = mutated(tmp_path, case, r"^    for: .*$", "    for: 0s")
    assert promtool(prometheus.NEWEST, "test", "rules", copy).returncode != 0


GUARDS = (
    ("engine_stalled", r">= on \(\) group_left \(\) threshold:llm_engine_steps:count5m", ">= 0"),
    ("engine_stalled", r"unless on \(cluster, namespace, replica\) tidegauge.*$", ""),
    (
        "targets_gone",
        r"> on \(\) group_left \(\) threshold:gateway_answered_and_finished:ratio",
        ">= 0",
    ),
    ("retry_storm", r"> on \(\) group_left \(\) threshold:gateway_errors:increase5m", ">= 0"),
    ("error_burst", r"> on \(\) group_left \(\) threshold:gateway_errors:increase5m", ">= 0"),
    ("kv_exhaustion", r"> on \(\) group_left \(\) threshold:llm_preemptions:rate5m", ">= 0"),
    ("straggler_gpu", r"> on \(\) group_left \(\) threshold:gpu_utilization:ratio", ">= 0"),
    ("cost_spike", r"> on \(\) group_left \(\) threshold:cost_usd_per_hour:warning", ">= 0"),
    ("cost_spike", r"\[2h\] offset 167h", "[5m] offset 163h"),
    ("latency_burn", r"> on \(\) group_left \(\) threshold:llm_first_tokens:increase", ">= 0"),
    (
        "throughput_regression",
        r"< on \(\) group_left \(\) threshold:llm_requests_running:ratio_to_yesterday",
        "< 99",
    ),
)


@pytest.mark.parametrize(("word", "guard", "without"), GUARDS)
def test_an_alert_without_one_of_its_guards_fails_its_tests(
    word: str, guard: str, without: str, tmp_path: Path
) -> None:
    copy = mutated(tmp_path, TESTS / f"{word}.yaml", guard, without)
    assert promtool(prometheus.NEWEST, "test", "rules", copy).returncode != 0


def test_an_alertmanager_takes_the_inhibition_rules(tmp_path: Path) -> None:
    snippet = yaml.safe_load((RULES.parent / "deploy/alertmanager/inhibit.yaml").read_text())
    config = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}], **snippet}
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    for release in (alertmanager.FLOOR, alertmanager.NEWEST):
        found = subprocess.run(
            [alertmanager.amtool(release), "check-config", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stdout + found.stderr
