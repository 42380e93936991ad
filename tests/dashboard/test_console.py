"""Every page opens; unknown is never shown as zero, silence never as green."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import HOSTILE, FakeApi, incident
from vocabulary.incidents import Impact, incident_json

PAGES = ("incident", "fleet", "cost", "changes", "handover")


def text_of(app: AppTest) -> str:
    kinds = (
        "markdown",
        "caption",
        "info",
        "warning",
        "error",
        "success",
        "title",
        "subheader",
        "text",
    )
    return "\n".join(str(one.value) for kind in kinds for one in getattr(app, kind))


def test_the_list_shows_incidents_worst_first(console: AppTest, api: FakeApi) -> None:
    api.incidents = [
        {**incident_json(incident()), "id": "b", "severity": "warning", "title": "Second"},
        {**incident_json(incident()), "id": "a", "title": "First"},
    ]
    console.run()
    assert not console.exception
    table = console.dataframe[0].value
    assert list(table["what is wrong"]) == ["First", "Second"]
    assert table["USD/h"][0] == "$19.56"


def test_an_unknown_figure_is_a_dash_and_no_zero(console: AppTest, api: FakeApi) -> None:
    one = incident().evolve(impact=Impact())
    api.incidents = [incident_json(one)]
    console.run()
    table = console.dataframe[0].value
    assert table["USD/h"][0] == "–"
    assert table["requests"][0] == "–"


def test_no_incidents_and_no_answering_source_is_not_green(console: AppTest, api: FakeApi) -> None:
    api.incidents = []
    api.status["sources_answering"] = 0
    console.run()
    assert not console.success
    assert "not green" in text_of(console)


def test_no_incidents_with_sources_answering_is_green(console: AppTest, api: FakeApi) -> None:
    api.incidents = []
    console.run()
    assert "3 of 3 sources answering" in text_of(console)


def test_an_api_that_does_not_answer_is_said_and_no_traceback_shown(
    console: AppTest, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGAUGE_API_URL", "http://127.0.0.1:9")
    console.run()
    assert not console.exception
    assert "No answer from the API" in text_of(console)


def test_an_incident_reads_top_down(console: AppTest, api: FakeApi) -> None:
    console.query_params["id"] = "inc-1"
    app = view("incident", console)
    assert not app.exception
    shown = text_of(app)
    for part in ("Engine stalled", "steps stopped first", "2 of 3 left", "one pod"):
        assert part in shown.replace("\\", "")
    assert {"kubectl label", "It stands."} <= {code.value for code in app.code}


def test_telemetry_text_cannot_become_markup(console: AppTest, api: FakeApi) -> None:
    api.incidents = [incident_json(incident().evolve(title=HOSTILE, headline=HOSTILE))]
    console.query_params["id"] = "inc-1"
    app = view("incident", console)
    assert not app.exception
    for one in app.markdown:
        assert "![x](" not in one.value
        assert "<script>" not in one.value


def test_acknowledging_posts_once(console: AppTest, api: FakeApi) -> None:
    console.query_params["id"] = "inc-1"
    app = view("incident", console)
    app.button(key="ack").click().run()
    assert [path for path, _ in api.posted] == ["/api/v1/incidents/inc-1/ack"]
    app.run()
    assert len(api.posted) == 1


def test_an_incident_that_does_not_exist_is_said(console: AppTest, api: FakeApi) -> None:
    console.query_params["id"] = "nope"
    app = view("incident", console)
    assert not app.exception
    assert "no such incident" in text_of(app).replace("\\", "")


@pytest.mark.parametrize("path", PAGES)
def test_pages_open_on_an_empty_fleet(console: AppTest, api: FakeApi, path: str) -> None:
    api.incidents = []
    app = view(path, console)
    assert not app.exception
    assert text_of(app)


def view(path: str, console: AppTest) -> AppTest:
    """One page by itself, inside the console's own frame."""

    def script(name: str) -> None:
        import importlib

        import streamlit as st

        from dashboard.api import from_environment

        module = importlib.import_module(f"dashboard.views.{name}")
        pages = {}
        for key in ("incidents", "incident", "fleet", "cost"):
            other = importlib.import_module(f"dashboard.views.{key}")
            pages[key] = st.Page(lambda: None, title=other.title, url_path=key)
        st.session_state["pages"] = pages
        module.render(from_environment())

    app = AppTest.from_function(script, args=(path,), default_timeout=30)
    for key in console.query_params:
        app.query_params[key] = console.query_params[key]
    return app.run()
