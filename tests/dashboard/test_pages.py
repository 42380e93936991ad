"""What the pages say of freshness, filters, many incidents, units, and money without a price."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import theme
from dashboard.charts import read
from dashboard.topology import blast_radius
from dashboard.words import figure, headed, offset
from tests.dashboard.conftest import HOSTILE, FakeApi, incident
from tests.dashboard.test_console import text_of, view
from vocabulary.incidents import IncidentState, incident_json


def test_the_acknowledge_button_has_a_key_of_its_own(console: AppTest, api: FakeApi) -> None:
    console.query_params["id"] = "inc-1"
    button = view("incident", console).button(key="ack")
    assert button.proto.shortcut == "a"


def test_what_is_acknowledged_cannot_be_acknowledged_again(console: AppTest, api: FakeApi) -> None:
    api.incidents = [incident_json(incident().evolve(state=IncidentState.ACKNOWLEDGED))]
    console.query_params["id"] = "inc-1"
    assert view("incident", console).button(key="ack").disabled


def test_filters_travel_in_the_address(console: AppTest, api: FakeApi) -> None:
    console.query_params["severity"] = "critical"
    console.query_params["q"] = "chat"
    console.query_params["state"] = "all"
    console.run()
    assert not console.exception
    asked = [path for path in api.paths if path.startswith("/api/v1/incidents?")]
    assert any("severity=critical" in path and "q=chat" in path for path in asked)


def test_the_past_is_called_the_past(console: AppTest, api: FakeApi) -> None:
    api.status["stale"] = True
    console.run()
    assert "what you see is the past" in text_of(console)


def test_sources_that_do_not_answer_are_counted_and_are_not_green(
    console: AppTest, api: FakeApi
) -> None:
    api.status["sources_answering"] = 2
    api.incidents = []
    console.run()
    shown = text_of(console)
    assert "only 2 of 3 sources answer" in shown
    assert not console.success


def test_problems_of_the_server_are_shown_and_cannot_act(console: AppTest, api: FakeApi) -> None:
    api.status["problems"] = [HOSTILE]
    console.run()
    (shown,) = [one.value for one in console.warning]
    assert "![x](" not in shown
    assert "<script>" not in shown


def test_five_hundred_incidents_stay_usable(console: AppTest, api: FakeApi) -> None:
    api.incidents = [{**incident_json(incident()), "id": f"inc-{n}"} for n in range(500)]
    console.run()
    began = time.monotonic()
    console.run()
    assert time.monotonic() - began < 5.0
    assert len(console.dataframe[0].value) == 500


def test_money_without_a_price_is_a_dash_and_its_tokens_are_named(
    console: AppTest, api: FakeApi
) -> None:
    api.usage = [{"tenant": "search", "model": "m", "usd": None, "unpriced_tokens": 1200.0}]
    app = view("cost", console)
    assert not app.exception
    table = app.dataframe[0].value
    assert table["cost"][0] == "–"
    assert table["unpriced tokens"][0] == "1,200"
    (spent,) = [one for one in app.metric if one.label == "Spent on tokens"]
    assert spent.value == "–"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (1.98e9, "Hz", "1.98 GHz"), (210e6, "Hz", "210 MHz"), (8 * 2.0**30, "bytes", "8 GiB"),
        (0.964, "ratio", "96.4 %"), (0.0344, "s", "34.4 ms"), (61.6, "s", "61.6 s"),
        (None, "s", "–"), (0.0, "requests", "0 requests"), (12_345, "tokens", "12,345 tokens"),
    ],
)  # fmt: skip
def test_figures_have_units_that_people_read(value: float | None, unit: str, shown: str) -> None:
    assert figure(value, unit) == shown


def test_a_reading_is_in_the_unit_it_names() -> None:
    times = ["2026-09-21T13:00:00Z", "2026-09-21T13:01:00Z"]
    one = {"labels": {"gpu": "GPU-1", "node": "n"}, "values": [1.2e9, None]}
    made = read({"unit": "Hz", "times": times, "series": [one]}, {"GPU-1": "n GPU 0"})
    assert made.unit == "GHz"
    assert made.frame["value"][0] == pytest.approx(1.2)
    assert made.frame["value"].isna()[1]
    assert list(made.frame["series"]) == ["n GPU 0"] * 2
    assert read({"unit": "Hz", "times": [], "series": []}).empty


def test_the_entity_is_not_said_twice() -> None:
    one = {"title": "Engine stalled: chat-0", "entity": {"name": "chat-0"}}
    assert headed(one) == "Engine stalled"
    assert offset(-375) == "6 min 15 s before onset"
    assert offset(0) == "at the onset"


def test_the_blast_radius_reaches_callers_and_hardware_and_nobody_else() -> None:
    names = {"tenant/a": "", "pool/p": "stalled", "replica/r1": "stalled", "replica/r2": "serving",
             "gpu/g1": "", "gpu/g2": "", "node/n": ""}  # fmt: skip
    nodes = [
        {"kind": key.split("/")[0], "id": key.split("/")[1], "name": key, "state": state}
        for key, state in names.items()
    ]
    pairs = ("tenant/a pool/p", "pool/p replica/r1", "pool/p replica/r2", "replica/r1 gpu/g1",
             "replica/r2 gpu/g2", "gpu/g1 node/n", "gpu/g2 node/n")  # fmt: skip
    edges = [dict(zip(("from", "to"), pair.split(), strict=True)) for pair in pairs]
    hit = {"kind": "replica", "id": "r1", "name": HOSTILE}
    dot, rows = blast_radius(
        {"entity": hit, "entities": [], "tenants": []}, {"nodes": nodes, "edges": edges}
    )
    assert [row["id"] for row in rows] == ["a", "p", "r1", "g1", "n"]
    assert [row["id"] for row in rows if row["hit"]] == ["r1"]
    assert '"replica|r1" -> "gpu|g1"' in dot
    assert "r2" not in dot


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("word", theme.CELL_COLOURS)
def test_coloured_cells_can_be_read(word: str) -> None:
    dark, light = sorted(_luminance(colour) for colour in theme.CELL_COLOURS[word])
    assert (light + 0.05) / (dark + 0.05) >= 3.0


def test_every_theme_option_is_one_that_streamlit_knows() -> None:
    from streamlit import config

    known = config.get_config_options()
    assert set(theme.OPTIONS) <= set(known)


def _rollout(word: str, text: str) -> dict[str, object]:
    return {
        "at": "2026-09-21T13:00:00.000Z", "kind": "rollout", "what": HOSTILE, "pool": "ns/chat",
        "entity": {"kind": "pool", "id": "ns/chat", "name": "chat"},
        "verdict": {"word": word, "text": text, "final": True, "signals": []},
    }  # fmt: skip


def test_changes_say_what_they_did_and_cannot_act(console: AppTest, api: FakeApi) -> None:
    api.changes = [_rollout("worse", "time between tokens +12.0 %")]
    shown = text_of(view("changes", console))
    assert "▲ worse" in shown
    assert "12" in shown
    assert "![x](" not in shown


def test_a_day_without_changes_says_so(console: AppTest, api: FakeApi) -> None:
    assert "No change is known" in text_of(view("changes", console))


def test_an_incident_shows_the_verdict_of_what_changed_near_it(
    console: AppTest, api: FakeApi
) -> None:
    change = {**api.incidents[0]["changes"][0], "pool": "ns/chat"}
    change["verdict"] = {"word": "no_difference", "text": "tokens/s +0.1 %"}
    api.changes = [change]
    console.query_params["id"] = "inc-1"
    assert "= no difference" in text_of(view("incident", console))


def test_a_hand_over_shows_what_is_owed_and_ends_windows(console: AppTest, api: FakeApi) -> None:
    window = {
        "id": "mw-1", "state": "active", "starts_at": "2026-09-21T13:00:00Z",
        "ends_at": "2026-09-21T14:00:00Z", "who": "ada", "reason": HOSTILE,
        "scope": {"pool": "ns/chat", "node": ""}, "ended_by": "",
    }  # fmt: skip
    api.shift = {"owed": [{"incident": "inc-1", "text": HOSTILE}], "maintenance": [window]}
    app = view("handover", console)
    assert not app.exception
    assert "![x](" not in text_of(app)
    assert "inc" in text_of(app)
    app.button(key="end mw-1").click().run()
    assert api.posted[0][0] == "/api/v1/maintenance/mw-1/end"


def test_an_incident_names_similar_ones_and_how_they_ended(console: AppTest, api: FakeApi) -> None:
    api.incidents[0]["similar"] = [{
        "id": "inc-0", "title": "Engine stalled", "failure_mode": "engine_stalled",
        "since": "2026-09-20T13:00:00Z", "resolved_at": "2026-09-20T14:00:00Z", "alike": ["mode"],
        "ended": HOSTILE, "ended_by": "ada", "cards": ["R01"],
    }]  # fmt: skip
    console.query_params["id"] = "inc-1"
    shown = text_of(view("incident", console))
    assert "helped perhaps: R01" in shown
    assert "![x](" not in shown


def test_an_incident_can_be_taken_away_as_a_file(console: AppTest, api: FakeApi) -> None:
    console.query_params["id"] = "inc-1"
    (button,) = view("incident", console).get("download_button")
    assert button.proto.label == "Report"
