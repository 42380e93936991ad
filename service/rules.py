"""What `tidegauge rules` does: alert_rules/ into files Prometheus takes, runbooks, and a lint.

The rules themselves are plain Prometheus YAML. The comment at the top of each file is the runbook
of its alert, so that the two are read and changed together.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from vocabulary import failure_modes, metrics
from vocabulary.errors import ConfigError

RULES = Path(__file__).resolve().parent.parent / "alert_rules"
RUNBOOKS = "docs/runbooks"
PACKAGED = "deploy/chart/tidegauge/files/rules"
"""The chart's copy: Helm reads nothing outside of a chart."""
HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
SEVERITIES = ("critical", "warning", "info", "none")
COMPONENTS = ("serving", "gpu", "cost", "telemetry")
LABELS = ("severity", "team", "component", "incident_class")
ANNOTATIONS = ("summary", "description", "runbook_url")
_THRESHOLD = re.compile(r"threshold:[a-z0-9_:]+")
_RECORDED = re.compile(r"[a-z]+:[a-z0-9_]+:[a-z0-9_]+")
_OURS = re.compile(r"\b(?:tidegauge|gen_ai|hw)_[a-z0-9_]+")
_CODE = re.compile(r"[FY]\d\d")

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of alert_rules/: a failure mode's recording rules, alerts and runbook."""

    word: str
    """The failure mode, as the file is named."""
    runbook: str
    """Markdown out of the comment at the top; empty where there is none."""
    groups: tuple[Mapping[str, Any], ...]

    @property
    def alert(self) -> str:
        """The name its alerts bear."""
        return "".join(part.capitalize() for part in self.word.split("_"))

    @property
    def rules(self) -> Iterator[Rule]:
        """Every rule of every group."""
        for group in self.groups:
            yield from group["rules"]

    @property
    def alerts(self) -> list[Rule]:
        """Its alerting rules."""
        return [rule for rule in self.rules if "alert" in rule]


def read_rules(folder: Path = RULES) -> tuple[RuleFile, ...]:
    """Every rule file in *folder*, by name.

    Raises:
        ConfigError: A file is no YAML, or no rule file.
    """
    files = [_read(path) for path in sorted(folder.glob("*.yaml"))]
    if not files:
        raise ConfigError(f"{folder} holds no rule files")
    return tuple(files)


def with_thresholds(files: Sequence[RuleFile], values: Mapping[str, str]) -> tuple[RuleFile, ...]:
    """The same rules with some thresholds changed.

    Raises:
        ConfigError: A threshold does not exist, or a value is no number.
    """
    known = {rule["record"] for file in files for rule in file.rules if _is_threshold(rule)}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"there is no {name}; known: {', '.join(sorted(known))}")
        try:
            float(value)
        except ValueError as error:
            raise ConfigError(f"{name} must be a number, and is {value!r}") from error

    def changed(rule: Rule) -> Rule:
        value = values.get(rule.get("record", ""))
        return rule if value is None else {**rule, "expr": f"vector({value})"}

    return _each_rule(files, changed)


def raw_rules(files: Sequence[RuleFile], runbook_base: str = "") -> dict[str, Any]:
    """One rule file for Prometheus; *runbook_base* is the URL of the folder of runbooks."""

    def placed(rule: Rule) -> Rule:
        if "alert" not in rule or not runbook_base:
            return rule
        url = f"{runbook_base.rstrip('/')}/{rule['alert']}.md"
        return {**rule, "annotations": {**rule["annotations"], "runbook_url": url}}

    return {"groups": [dict(group) for file in _each_rule(files, placed) for group in file.groups]}


def prometheus_rule(
    files: Sequence[RuleFile],
    runbook_base: str = "",
    *,
    name: str = "tidegauge",
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A PrometheusRule of the Prometheus Operator.

    *labels* must be what the operator's `ruleSelector` asks for (`release: NAME` with the Helm
    stack): an object that is not selected is ignored without a word.
    """
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {"app.kubernetes.io/name": "tidegauge", **(labels or {})},
    }
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": raw_rules(files, runbook_base),
    }


def runbooks(files: Sequence[RuleFile]) -> dict[str, str]:
    """Markdown pages by file name, one for each alert."""
    return {f"{file.alert}.md": _page(file) for file in files if file.alerts}


def derived(root: Path) -> dict[Path, str]:
    """Committed files of the checkout at *root* that are made out of its rules."""
    folder = root / "alert_rules"
    pages = {root / RUNBOOKS / name: text for name, text in runbooks(read_rules(folder)).items()}
    copies = {root / PACKAGED / path.name: path.read_text() for path in folder.glob("*.yaml")}
    return pages | copies


def as_yaml(document: Mapping[str, Any]) -> str:
    """YAML whose expressions stay readable."""
    return yaml.dump(document, Dumper=_Readable, sort_keys=False, width=100, allow_unicode=True)


def write(out: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write *texts* by file name into *out*; gives the paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts.items():
        path = out / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def check(files: Sequence[RuleFile]) -> list[str]:
    """Everything that breaks a convention, one sentence each; empty when all is well."""
    problems = [problem for file in files for problem in _file_problems(file)]
    groups = [group["name"] for file in files for group in file.groups]
    problems += [f"group {name} exists twice" for name in _twice(groups)]
    recorded = [rule["record"] for file in files for rule in file.rules if "record" in rule]
    problems += [f"{name} is recorded twice" for name in _twice(recorded)]
    used = {name for file in files for rule in file.rules for name in _names(str(rule["expr"]))}
    problems += [f"{name} is recorded and never used" for name in recorded if name not in used]
    known = {*recorded, *metrics.BY_SERIES_NAME}
    problems += [f"{name} is neither a metric nor recorded" for name in sorted(used - known)]
    return problems


class _Readable(yaml.SafeDumper):
    """Multi-line text as a literal block."""


def _literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _literal)


def _read(path: Path) -> RuleFile:
    text = path.read_text(encoding="utf-8")
    try:
        file = RuleFile(path.stem, _leading_comment(text), tuple(yaml.safe_load(text)["groups"]))
        whole = all(
            "expr" in rule and ("alert" in rule) != ("record" in rule) for rule in file.rules
        )
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no rule file: {' '.join(str(error).split())}") from error
    if not whole:
        raise ConfigError(f"{path}: a rule needs `expr` and one of `alert` and `record`")
    return file


def _leading_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    body = "\n".join(lines).strip()
    return body if body.startswith("## ") else ""


def _each_rule(files: Sequence[RuleFile], change: Callable[[Rule], Rule]) -> tuple[RuleFile, ...]:
    return tuple(
        replace(
            file,
            groups=tuple(
                {**group, "rules": [change(rule) for rule in group["rules"]]}
                for group in file.groups
            ),
        )
        for file in files
    )


def _page(file: RuleFile) -> str:
    mode = failure_modes.BY_WORD.get(file.word)
    title = mode.title if mode else file.word.replace("_", " ").capitalize()
    lines = [
        f"<!-- Made by `tidegauge rules build` from alert_rules/{file.word}.yaml. Edit that. -->",
        f"# {file.alert}",
        "",
        f"{title}.",
        "",
        "| severity | after | says |",
        "|---|---|---|",
        *(
            f"| {rule['labels']['severity']} | {rule['for']} | {rule['annotations']['summary']} |"
            for rule in file.alerts
        ),
        "",
        file.runbook,
        "",
        "## Rules",
        "",
        *(line for rule in file.rules for line in _quoted(rule)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _quoted(rule: Rule) -> list[str]:
    name = rule.get("alert") or rule["record"]
    severity = f" ({rule['labels']['severity']})" if "alert" in rule else ""
    return [f"`{name}`{severity}", "", "```promql", str(rule["expr"]).strip(), "```", ""]


def _file_problems(file: RuleFile) -> Iterator[str]:
    where = f"{file.word}.yaml"
    if file.alerts and tuple(re.findall(r"^## (.+)$", file.runbook, re.MULTILINE)) != HEADINGS:
        yield f"{where}: the comment at the top must have the headings {', '.join(HEADINGS)}"
    for group in file.groups:
        if not str(group.get("name", "")).startswith("tidegauge."):
            yield f"{where}: group {group.get('name')} must be named tidegauge.…"
    identities = []
    for rule in file.alerts:
        identities.append(str(sorted(rule.get("labels", {}).items())))
        yield from (f"{where}: {problem}" for problem in _alert_problems(file, rule))
    if _twice(identities):
        yield f"{where}: two alerts have the same labels"


def _alert_problems(file: RuleFile, rule: Rule) -> Iterator[str]:
    labels, notes = rule.get("labels", {}), rule.get("annotations", {})
    if rule["alert"] != file.alert:
        yield f"the alert must be named {file.alert}, and is {rule['alert']}"
    if "for" not in rule:
        yield "`for` is missing"
    yield from (f"label {name} is missing" for name in LABELS if not labels.get(name))
    yield from (f"annotation {name} is missing" for name in ANNOTATIONS if not notes.get(name))
    if labels.get("severity") not in SEVERITIES:
        yield f"severity must be one of {', '.join(SEVERITIES)}"
    if labels.get("component") not in COMPONENTS:
        yield f"component must be one of {', '.join(COMPONENTS)}"
    mode = failure_modes.BY_WORD.get(file.word)
    code = str(labels.get("incident_class"))
    if not _CODE.fullmatch(code) or (mode is not None and mode.code != code):
        yield f"incident_class must be the failure mode's code, and is {code}"
    if any("{{" in str(value) for value in labels.values()):
        yield "a label holds a template: a value in a label makes a new alert of each value"
    if not str(notes.get("summary", "")).endswith(".") or "{{" in str(notes.get("summary")):
        yield "summary must be one fixed sentence that ends with a full stop"
    if notes.get("runbook_url") != f"{RUNBOOKS}/{file.alert}.md":
        yield f"runbook_url must be {RUNBOOKS}/{file.alert}.md"
    if re.search(r"\b(topk|bottomk)\b", str(rule["expr"])):
        yield "topk and bottomk make an alert flap"


def _names(expr: str) -> set[str]:
    bare = re.sub(r'"[^"]*"', '""', expr)
    return {*_THRESHOLD.findall(bare), *_RECORDED.findall(bare), *_OURS.findall(bare)}


def _is_threshold(rule: Rule) -> bool:
    return bool(_THRESHOLD.fullmatch(str(rule.get("record", "")))) and str(rule["expr"]).startswith(
        "vector("
    )


def _twice(values: Iterable[str]) -> list[str]:
    listed = list(values)
    return sorted({value for value in listed if listed.count(value) > 1})
