"""The report as one HTML file: no script, no outside request, every word of telemetry escaped."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.backtest.answer import Findings, answer, headline
from service.backtest.chart import Chart, chart_of, harmless
from vocabulary.incidents import Incident

MOST_CHARTS = 3
"""Charts of one incident: the evidence that was seen first says most."""
MOST_DRAWN = 100
"""Incidents with charts; a page of more is for reading, not for looking."""

POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)
STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--faint:#5d6b7a;--ground:#fff;--card:#f5f7fa;
--edge:#d5dce4;--page:#b42318;--ticket:#8a5a00;--good:#1a6b3c;--line:#1f5fa8;--shade:#f3c9c4}
@media (prefers-color-scheme:dark){:root{--ink:#e3e9f0;--faint:#9aa8b7;--ground:#12171d;
--card:#1b222b;--edge:#323d49;--page:#ff8a80;--ticket:#e8b04a;--good:#6fcf97;--line:#7fb3f0;
--shade:#4a2a2a}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);
max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--edge)}
details{background:var(--card);border:1px solid var(--edge);border-radius:6px;margin:.6rem 0;
padding:.5rem .9rem}
summary{cursor:pointer}code{font-size:.85em}pre{white-space:pre-wrap;margin:.3rem 0}
.page,.missed{color:var(--page);font-weight:600}.ticket,.late{color:var(--ticket);font-weight:600}
.found{color:var(--good);font-weight:600}.faint{color:var(--faint)}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--faint)}
.line{fill:none;stroke:var(--line);stroke-width:1.5}.shade{fill:var(--shade)}
.level{fill:none;stroke:var(--faint);stroke-dasharray:4 4}
"""


def page(found: Findings, made_by: str) -> str:
    """The report; *made_by* names the program and the command."""
    said = answer(found)
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        POLICY,
        '<meta name=viewport content="width=device-width">',
        f"<title>Backtest of {harmless(said['source'])}</title><style>{STYLE}</style></head><body>",
        f"<h1>{harmless(headline(found))}</h1>",
        f"<p class=faint>{harmless(said['source'])}: {_extent(said)}. {harmless(made_by)}</p>",
        *_known(said["known"]),
        *_suggestions(said["suggestions"]),
        "<h2>What would have been told</h2>",
        *(["<p>Nothing.</p>"] if not said["incidents"] else []),
    ]
    for place, (incident, body) in enumerate(zip(found.told, said["incidents"], strict=True)):
        parts += _incident(body, _charts(incident, found) if place < MOST_DRAWN else [])
    parts += [*_blind(said["could_not_see"]), *_trouble(said["trouble"]), "</body></html>"]
    return "\n".join(parts) + "\n"


def _extent(said: Mapping[str, Any]) -> str:
    return (
        f"{said['ticks']} ticks of {said['tick_seconds']:g} s, "
        f"{harmless(said['from'])} to {harmless(said['to'])}"
    )


def _charts(incident: Incident, found: Findings) -> list[Chart]:
    charts: list[Chart] = []
    for evidence in incident.evidence:
        if len(charts) < MOST_CHARTS and not evidence.speaks_against:
            chart = chart_of(evidence, incident, found.said.until, found.past.asking)
            charts += [chart] if chart is not None else []
    return charts


def _incident(body: Mapping[str, Any], charts: Iterable[Chart]) -> Iterable[str]:
    impact, causes = body["impact"], body["causes"]
    over = "" if body["over"] else ", and goes on"
    told = ", ".join([*body["paged_at"], *body["ticketed_at"]])
    yield (
        f"<details{' open' if body['told'] == 'page' else ''}><summary>"
        f"<span class={body['told']}>{body['told']}</span> {harmless(body['since'])} "
        f"{harmless(body['title'])}</summary>"
    )
    yield f"<p>{harmless(body['headline'])}</p><table>"
    rows = {
        "told at": told,
        "lasted": f"{body['lasted_seconds'] / 60:.0f} min{over}",
        "about": f"{body['entity']['kind']} {body['entity']['name']}",
        "pool and model": " ".join(filter(None, (body["pool"], body["model"]))),
        "tenants hit": ", ".join(body["tenants"][:20]),
        "requests affected": _figure(impact["requests_affected"]),
        "dollars an hour": impact["usd_per_hour"] or "",
        "changes nearby": "; ".join(
            f"{one['offset_seconds']:+.0f} s {one['kind']}: {one['what']}"
            for one in body["changes"][:5]
        ),
    }
    yield from (f"<tr><th>{name}<td>{harmless(value)}" for name, value in rows.items() if value)
    yield "</table><p>Why:</p><ol>"
    yield from (
        f"<li>{harmless(one['failure_mode'])} on {harmless(one['entity']['name'])} "
        f"({one['score']:.2f}): {harmless(one['why'])}"
        for one in causes[:3]
    )
    yield "</ol>"
    yield from (f"<figure>{one.svg()}{_caption(one)}</figure>" for one in charts)
    yield "<p>Evidence:</p><ul>"
    yield from (
        f"<li>{harmless(one['text'])}<pre><code>{harmless(one['promql'])}</code></pre>"
        for one in body["evidence"]
    )
    yield f"</ul><p class=faint>{harmless(body['id'])} {harmless(body['code'])}</p></details>"


def _caption(chart: Chart) -> str:
    return f"<figcaption class=faint>{harmless(chart.title)} ({harmless(chart.unit)})</figcaption>"


def _known(known: list[Mapping[str, Any]]) -> Iterable[str]:
    if not known:
        return
    yield "<h2>Known incidents</h2><table><tr><th>verdict<th>from<th>to<th>what<th>told after"
    for one in known:
        after = one["after_seconds"]
        about = " ".join(filter(None, (one["entity"], one["what"])))
        yield (
            f"<tr><td class={harmless(one['outcome'].split()[0])}>{harmless(one['outcome'])}"
            f"<td>{harmless(one['start'])}<td>{harmless(one['end'])}<td>{harmless(about)}"
            f"<td>{'' if after is None else f'{after / 60:.1f} min'}"
        )
    yield "</table>"


def _suggestions(found: list[Mapping[str, Any]]) -> Iterable[str]:
    if found:
        yield "<h2>What would have been quieter</h2>"
        yield "<p class=faint>Proven by running the desk again on the same findings.</p><ul>"
        yield from (f"<li>{harmless(one['text'])}" for one in found)
        yield "</ul>"


def _blind(found: list[Mapping[str, Any]]) -> Iterable[str]:
    if found:
        yield f"<details><summary>{len(found)} failure modes could not be seen</summary><ul>"
        yield from (
            f"<li>{harmless(one['title'])}: no value of {harmless(', '.join(one['signals']))}"
            for one in found
        )
        yield "</ul></details>"


def _trouble(found: Mapping[str, int]) -> Iterable[str]:
    if found:
        yield "<h2>What the store could not answer</h2><ul>"
        yield from (f"<li>{harmless(what)} ({times} ticks)" for what, times in found.items())
        yield "</ul>"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
