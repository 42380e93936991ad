"""An incident as one HTML file with charts: no script, no outside request, nothing to install.

Every word of telemetry is escaped, and the page's own policy forbids whatever is not its style.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from service.backtest.chart import Chart, chart_of
from service.backtest.page import POLICY, STYLE
from service.markdown_text import one_line
from store.asking import Asking
from vocabulary.incidents import Incident, incident_json

MOST_CHARTS = 8
"""Charts of one report; the evidence that was seen first says most."""
MOST_LINES = 500
"""Lines of activity in one report."""

_MORE_STYLE = """
.change{fill:none;stroke:var(--ticket);stroke-dasharray:2 3}
figure{margin:1rem 0;break-inside:avoid}section{break-inside:auto}
.cells{display:flex;flex-wrap:wrap;gap:.6rem}.cells div{background:var(--card);
border:1px solid var(--edge);border-radius:6px;padding:.4rem .8rem;min-width:8rem}
.cells b{display:block;font-size:1.15rem}.worse,.against{color:var(--page);font-weight:600}
.better{color:var(--good);font-weight:600}
@media print{:root{color-scheme:light;--ink:#000;--faint:#444;--ground:#fff;--card:#fff;
--edge:#999;--page:#900;--ticket:#630;--good:#063;--line:#036;--shade:#f3c9c4}
body{font-size:11px;max-width:none;margin:0}details{border:0;padding:0}}
"""
_LEGEND = (
    "Shaded: the incident. Dashed level: what was expected, and its bounds. "
    "Dashed upright: something was changed."
)


def charts_of(incident: Incident, until: float, store: Asking) -> list[tuple[Chart, str]]:
    """A chart for each signal and entity of the evidence that can be drawn, with what it says."""
    found: list[tuple[Chart, str]] = []
    marks = tuple(one.at for one in incident.changes)
    drawn: set[tuple[str, str]] = set()
    for evidence in incident.evidence:
        subject = (evidence.signal, str(evidence.entity))
        if len(found) >= MOST_CHARTS or subject in drawn:
            continue
        drawn.add(subject)
        chart = chart_of(evidence, incident, until, store)
        if chart is not None:
            found.append((replace(chart, marks=marks), evidence.text))
    return found


def page(
    incident: Incident,
    charts: Sequence[tuple[Chart, str]],
    changes: Sequence[Mapping[str, Any]],
    similar: Sequence[Mapping[str, Any]],
    made: str,
) -> str:
    """The report; *changes* bear verdicts where there are any, *made* says when and by what."""
    told = incident_json(incident)
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        POLICY,
        '<meta name=viewport content="width=device-width">',
        f"<title>{_text(told['title'])}</title><style>{STYLE}{_MORE_STYLE}</style></head><body>",
        *_head(told),
        *_causes(told),
        *_charts(charts),
        *_changes(changes),
        *_similar(similar),
        *_cards(told),
        *_history(told),
        f"<p class=faint>{_text(made)}</p></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _text(value: Any) -> str:
    return escape(one_line(value), quote=True)


def _figure(value: Any) -> str:
    if value is None:
        return "not known"
    return _text(f"{value:,.4g}" if isinstance(value, float) else value)


def _head(told: Mapping[str, Any]) -> Iterable[str]:
    impact = told["impact"]
    burnt = impact["slo_budget_burnt"]
    tone = "page" if told["severity"] == "critical" else "ticket"
    yield f"<h1>{_text(told['title'])}</h1>"
    yield (
        f"<p><span class={tone}>{_text(told['severity'])}</span>, {_text(told['state'])}, "
        f"{_text(told['entity']['kind'])} {_text(told['entity']['name'])}, "
        f"{_text(told['code'])}, {_text(told['id'])}</p>"
    )
    yield f"<p>{_text(told['headline'])}</p><div class=cells>"
    for name, value in (
        ("Since", told["since"]),
        ("Resolved", told["resolved_at"] or "not yet"),
        ("Requests hit", impact["requests_affected"]),
        ("Tokens lost", impact["tokens_lost"]),
        ("USD an hour", impact["usd_per_hour"]),
        ("SLO burn", impact["slo_burn"]),
        ("Budget burnt", None if burnt is None else f"{burnt:.2%}"),
    ):
        yield f"<div>{name}<b>{_figure(value)}</b></div>"
    yield f"</div><p class=faint>{_text(impact['basis'])}</p>"
    if impact.get("forecast"):
        yield f"<p>If nothing is done: {_text(impact['forecast'])}.</p>"
    if told["tenants"]:
        yield f"<p>Tenants named by what was found: {_text(', '.join(told['tenants']))}</p>"
    if impact["tenants_hit"]:
        yield f"<p>Tenants hit: {_text(', '.join(impact['tenants_hit']))}</p>"


def _causes(told: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Why we think so</h2><ol>"
    evidence = {one["id"]: one for one in told["evidence"]}
    for cause in told["causes"]:
        yield (
            f"<li><b>{_text(cause['failure_mode'].replace('_', ' '))}</b> on "
            f"{_text(cause['entity']['name'])} ({cause['score']:.2f}): {_text(cause['why'])}<ul>"
        )
        for one in (evidence[name] for name in cause["evidence_ids"] if name in evidence):
            against = "<span class=against>against it:</span> " if one["speaks_against"] else ""
            yield f"<li>{against}{_text(one['text'])}<pre><code>{_text(one['promql'])}</code></pre>"
        yield "</ul>"
    yield "</ol>" if told["causes"] else "</ol><p>No cause is known.</p>"


def _charts(charts: Sequence[tuple[Chart, str]]) -> Iterable[str]:
    if not charts:
        return
    yield f"<h2>Evidence over time</h2><p class=faint>{_LEGEND}</p>"
    for chart, says in charts:
        unit = f" ({_text(chart.unit)})" if chart.unit else ""
        yield (
            f"<figure>{chart.svg()}<figcaption>{_text(says)} "
            f"<span class=faint>{_text(chart.title)}{unit}</span></figcaption></figure>"
        )


def _changes(changes: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield "<h2>What changed</h2>"
    if not changes:
        yield "<p>Nothing that we saw near the onset.</p>"
        return
    yield "<table><tr><th>from the onset<th>kind<th>what<th>what it did"
    for one in changes:
        verdict = one.get("verdict")
        did = ""
        if verdict:
            word = verdict["word"].replace("_", " ")
            did = f"<span class={_text(verdict['word'])}>{_text(word)}</span>: "
            did += _text(verdict["text"])
        yield (
            f"<tr><td>{one['offset_seconds']:+.0f} s<td>{_text(one['kind'])}"
            f"<td>{_text(one['what'])}<td>{did}"
        )
    yield "</table>"


def _similar(similar: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if not similar:
        return
    yield "<h2>Similar before</h2><ul>"
    for one in similar:
        cards = f"; approved: {_text(', '.join(one['cards']))}" if one["cards"] else ""
        yield (
            f"<li>{_text(one['since'])} {_text(one['title'])} ({_text(', '.join(one['alike']))}): "
            f"ended by {_text(one['ended_by'])}: {_text(one['ended'])}{cards} {_text(one['id'])}"
        )
    yield "</ul>"


def _cards(told: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>What to do</h2>"
    if not told["actions"]:
        yield "<p>No action card fits.</p>"
    for card in told["actions"]:
        yield f"<h3>{_text(card['card'])} {_text(card['title'])} ({_text(card['autonomy'])})</h3>"
        yield f"<p>First: {_text(card['precondition'])}</p>"
        for name in ("command", "dry_run"):
            yield f"<p>{name.replace('_', ' ')}</p><pre><code>{_text(card[name])}</code></pre>"
        for name in ("verify", "undo", "risk"):
            yield f"<p>{name}: {_text(card[name])}</p>"


def _history(told: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Activity</h2><table><tr><th>at<th>who<th>what<th>text"
    for line in told["activity"][-MOST_LINES:]:
        cells = "".join(f"<td>{_text(line[name])}" for name in ("at", "who", "what", "text"))
        yield f"<tr>{cells}"
    yield "</table>"
