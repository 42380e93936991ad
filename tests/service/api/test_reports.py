"""An incident as a document: charts inside, nothing outside, and text that cannot act."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from vocabulary import failure_modes as f
from vocabulary.entities import Change, Entity, EntityKind
from vocabulary.incidents import Activity, Cause, IncidentState, NearbyChange

NOW = 1_795_426_000.0
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=a>\x1b[2J\u202e&<'
POOL = Entity(EntityKind.POOL, "ns/llama")
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "span", "div", "b",
    "ol", "ul", "li", "pre", "code", "figure", "figcaption", "svg", "rect", "path", "text",
    "table", "tr", "th", "td",
}  # fmt: skip


class Seen(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.fixture
def told(world: Any) -> Any:
    one = world.desk.incidents["i-0"]
    change = NearbyChange(NOW - 300, "rollout", POOL, HOSTILE, -240.0)
    world.scene = replace(
        world.scene, changes=(Change(NOW - 300, "rollout", POOL, HOSTILE, "ns/llama"),)
    )
    world.desk.incidents["i-0"] = replace(
        one, title=HOSTILE, headline=HOSTILE, tenants=(HOSTILE,), changes=(change,),
        causes=(Cause(f.ENGINE_STALLED, one.entity, 0.9, HOSTILE, ("e-0",)),),
        evidence=(replace(one.evidence[0], text=HOSTILE, promql=HOSTILE),),
        activity=(Activity(NOW, HOSTILE, "note", HOSTILE),),
    )  # fmt: skip
    before = replace(
        world.desk.incidents["i-1"], state=IncidentState.RESOLVED, resolved_at=NOW - 100,
        headline="engine_stalled", activity=(Activity(NOW, "ada", "resolved", HOSTILE),),
    )  # fmt: skip
    world.desk.incidents["i-1"] = before
    labels = {"replica": one.entity.id, "pool": "ns/llama"}
    world.store.rows["requests_waiting"] = [(labels, lambda times: 1.0 + np.sin(times / 300.0))]
    return world


def test_html_stands_by_itself_and_nothing_in_it_can_act(told: Any) -> None:
    verdict = {"word": "worse", "text": HOSTILE, "final": True, "signals": []}
    with told.client(verdict=lambda _change: verdict) as client:
        answer = client.get("/api/v1/incidents/i-0/report")
    assert answer.headers["content-type"].startswith("text/html")
    assert "attachment" in answer.headers["content-disposition"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Seen()
    page.feed(answer.text)
    assert set(page.tags) <= ALLOWED
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "onerror", "onload", "style", "srcset", "action"}
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    for part in ("<svg", 'class="change"', "class=worse", "Similar before", "prefers-color-scheme",
                 "@media print"):  # fmt: skip
        assert part in answer.text


def test_markdown_is_the_same_incident(told: Any) -> None:
    verdict = {"word": "no_difference", "text": HOSTILE, "final": True, "signals": []}
    with told.client(verdict=lambda _change: verdict) as client:
        answer = client.get("/api/v1/incidents/i-0/report", params={"format": "markdown"})
    assert answer.headers["content-type"].startswith("text/markdown")
    assert "<script>" not in answer.text
    assert answer.text.startswith("# ")
    for part in ("no difference", "## Similar before", "ended by ada", "Burnt since the onset"):
        assert part in answer.text
    assert "\x1b" not in answer.text


def test_a_store_that_does_not_answer_costs_the_charts_alone(told: Any) -> None:
    told.store.down = True
    with told.client() as client:
        answer = client.get("/api/v1/incidents/i-0/report")
    assert answer.status_code == 200
    assert "<svg" not in answer.text
    assert "What to do" in answer.text


def test_there_is_no_report_of_what_is_no_incident(client: Any) -> None:
    assert client.get("/api/v1/incidents/nope/report").status_code == 404
    assert client.get("/api/v1/incidents/i-0/report", params={"format": "pdf"}).status_code == 400
