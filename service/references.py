"""Reference pages out of the code: metrics, signals, failure modes, configuration.

`make docs` writes them, and a test compares them with what is committed, so that prose about names
can never be older than the names.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.config import load
from service.drill.quality_page import quality_page
from service.drill.result import read_result
from service.rules import derived
from service.setting_docs import setting_rows
from simulator.scenario_file import json_schema
from store.promql import render_signal
from vocabulary import failure_modes, metrics, signals

RESULT = Path(__file__).resolve().parents[1] / "benchmarks" / "drill" / "published.json"
"""What `make drill` found last, in a checkout."""
RULES_RESULT = RESULT.with_name("rules.json")
"""What `make drill-rules` found last."""
NOTICE = "<!-- Written by `make docs` from the code; change it there. -->"


def pages() -> dict[str, str]:
    """Every reference page by its file name under docs/."""
    drilled = read_result(RESULT)
    ruled = read_result(RULES_RESULT) if RULES_RESULT.exists() else None
    return {
        "metrics.md": _metrics(),
        "signals.md": _signals(),
        "failure-modes.md": _failure_modes(),
        "configuration.md": _configuration(),
        "detection-quality.md": quality_page(drilled, NOTICE, ruled),
        "scenario.schema.json": json.dumps(json_schema(), indent=1) + "\n",
    }


def write(folder: Path) -> list[Path]:
    """Write every page into *folder*, and what is made out of the rules; gives what changed."""
    changed = []
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / name: text for name, text in pages().items()}
    for file, text in (wanted | derived(folder.parent)).items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(file)
    return changed


def _page(title: str, intro: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"# {title}", "", NOTICE, "", intro, "", _row(head), _row(["---"] * len(head))]
    return "\n".join([*lines, *(_row(row) for row in rows)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _metrics() -> str:
    labels = ", ".join(f"`{label}`" for label in metrics.TARGET_LABELS)
    intro = (
        f"Every metric Tidegauge knows. Any series may also carry who it is about: {labels}. "
        "`OTLP` is the name the same instrument bears over OpenTelemetry."
    )
    rows = [
        [f"`{m.name}`", m.kind.value, m.unit, ", ".join(f"`{label}`" for label in m.labels) or "-",
         f"`{m.otel}`", m.help]
        for m in metrics.ALL
    ]  # fmt: skip
    return _page(
        "Metrics", intro, ("metric", "kind", "unit", "own labels", "OTLP", "meaning"), rows
    )


def _signals() -> str:
    intro = (
        "Expressions over the metrics, as detectors, charts and incidents use them. Each is "
        "evaluated by the embedded store, or asked of a Prometheus-compatible backend in this "
        "PromQL."
    )
    rows = [[f"`{s.name}`", s.unit, s.meaning, f"`{render_signal(s)}`"] for s in signals.ALL]
    return _page("Signals", intro, ("signal", "unit", "meaning", "PromQL"), rows)


def _failure_modes() -> str:
    intro = (
        "The words of alerts, pages, runbooks and code. F: a fault; Y: a symptom whose cause is "
        "not known; B: a benign look-alike that must stay quiet."
    )
    rows = [[m.code, f"`{m.word}`", m.title, m.family] for m in failure_modes.ALL]
    return _page("Failure modes", intro, ("code", "word", "what it is", "family"), rows)


def _configuration() -> str:
    intro = (
        "Keys of `tidegauge.yaml` (`--config FILE`, else `./tidegauge.yaml`). Each may also be set "
        "as `TIDEGAUGE_<KEY>` in the environment; the order is default < file < environment < "
        "flag, and `tidegauge config show` prints every value with its source. Keys with dots are "
        "sections: `detectors: {engine_stalled: {…}}`, `incidents: {quiet_seconds: 600}`, or "
        "`TIDEGAUGE_INCIDENTS__QUIET_SECONDS` in the environment. An unknown key is an error that "
        "names file and key. A URL in `scrape` may say what its page does not: "
        "`http://127.0.0.1:8080/metrics#model=NAME&pool=NAME`."
    )
    rows = [(f"`{v.key}`", _default(v.value), v.help) for v in load(None, {}).values()]
    return _page("Configuration", intro, ("key", "default", "meaning"), [*rows, *setting_rows()])


def _default(value: object) -> str:
    if value in {None, "", ()}:
        return "-"
    return f"`{value}`"
