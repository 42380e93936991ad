"""From the configuration file to an executor: off by default, and who may approve."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from execution_site import FIRST, Crash, Site, crash

from service import core
from service.clock import ManualClock
from service.config import load
from service.core import Core
from service.execution.checks import execution_checks
from vocabulary.errors import ConfigError, RequestRefused

SECRET = "operator-secret-0123456789"


def built(folder: Path, *, simulated: bool = False, at: float = 1e9, **execution: Any) -> Core:
    file = folder / "tidegauge.yaml"
    told = {"data_dir": str(folder / "data"), "kubernetes": "off", "execution": execution}
    file.write_text(yaml.safe_dump(told))
    (folder / "data").mkdir(exist_ok=True)
    return core.build(load(file, {}), ManualClock(at), secret=SECRET, simulated=simulated)


@pytest.fixture
def on(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "one").write_text("one-secret-0123456789")
    (tmp_path / "pods").write_text("token")
    (tmp_path / "ca.crt").write_text("")
    return {
        "enabled": True, "people": {"one": str(tmp_path / "one")},
        "accounts": {"pods": str(tmp_path / "pods")},
        "api_url": "https://127.0.0.1:1", "ca_file": str(tmp_path / "ca.crt"),
    }  # fmt: skip


@pytest.fixture
def cards(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "cards.sqlite")
    yield made
    made.records.close()


def test_it_is_off_unless_it_is_switched_on(tmp_path: Path, cards: Site) -> None:
    part = built(tmp_path)
    assert "execution is switched off (execution.enabled)" in part.execution.why_not(
        cards.card("R02")
    )
    part.close()


def test_switched_on_a_class_executes_and_another_says_what_it_lacks(
    tmp_path: Path, cards: Site, on: dict[str, Any]
) -> None:
    part = built(tmp_path, **on)
    assert part.execution.why_not(cards.card("R02")) == ""
    assert "set execution.accounts.nodes" in part.execution.why_not(cards.card("R09"))
    part.close()


def test_a_simulated_world_has_no_cluster_whatever_is_configured(
    tmp_path: Path, cards: Site, on: dict[str, Any]
) -> None:
    part = built(tmp_path, simulated=True, **on)
    assert "the clock is simulated" in part.execution.why_not(cards.card("R02"))
    part.close()


def test_a_person_comes_in_by_their_own_token_and_the_operators_is_nobodys(
    tmp_path: Path, on: dict[str, Any]
) -> None:
    part = built(tmp_path, **on)
    doors = part.wiring().doors
    one = doors.admit("Bearer one-secret-0123456789", 0.0)
    assert (one.name, one.person) == ("one", True)
    assert doors.admit(f"Bearer {SECRET}", 0.0).person is False
    with pytest.raises(RequestRefused):
        doors.admit("Bearer two-secret-0123456789", 0.0)
    part.close()


def test_a_person_with_somebody_elses_token_is_refused(tmp_path: Path, on: dict[str, Any]) -> None:
    (tmp_path / "one").write_text(SECRET)
    part = built(tmp_path, **on)
    with pytest.raises(ConfigError, match=r"execution\.people\.one: that token is somebody else's"):
        part.wiring()
    part.close()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"enabled": True}, "execution: enabled, and nobody may approve"),
        ({"enabeld": True}, "execution: unknown key `enabeld`; did you mean `enabled`"),
        ({"accounts": {"keys": "/run/x"}}, "execution: accounts: there is no executor for keys"),
        ({"most_per_hour": "many"}, "execution: most_per_hour must be int"),
        ({"people": {"one": "/nowhere/one"}}, "cannot read /nowhere/one"),
    ],
)
def test_a_section_that_cannot_be_is_refused_by_name(
    tmp_path: Path, told: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        built(tmp_path, **told)


def test_a_server_goes_on_with_what_it_left(tmp_path: Path, on: dict[str, Any]) -> None:
    (tmp_path / "data").mkdir()
    left = Site(tmp_path / "data" / "control.sqlite")
    done = left.approved("R02")
    left.executor.execute(done, FIRST)
    left.world.add_pool("prod/other", 4)
    left.cluster.before = crash
    left.pass_time(3600)
    began = left.approved("R09")
    with pytest.raises(Crash):
        left.executor.execute(began, FIRST)
    left.records.close()
    part = built(tmp_path, at=left.clock.moment, **on)
    assert part.execution.told(began)["state"] == "unknown"
    assert part.execution.told(done)["state"] == "cannot tell"
    clock = part.clock
    assert isinstance(clock, ManualClock)
    clock.move_to(left.clock.moment + 120.0)
    part.after_tick(clock.now())
    assert part.execution.told(began)["state"] == "cannot tell", "the API at port 1 shows nothing"
    part.close()


def told_by_doctor(folder: Path, **execution: Any) -> dict[str, tuple[str, str]]:
    file = folder / "tidegauge.yaml"
    file.write_text(yaml.safe_dump({"execution": execution}))
    found = execution_checks(load(file, {}), {})
    return {one.name: (one.verdict.value, one.what) for one in found}


def test_doctor_says_which_class_could_act(tmp_path: Path, on: dict[str, Any]) -> None:
    assert told_by_doctor(tmp_path) == {
        "execution": ("absent", "plans are text: execution is switched off")
    }
    on["ca_file"] = ""
    told = told_by_doctor(tmp_path, **on)
    assert told["execution"] == ("ok", "switched on; may approve: one")
    assert told["execution nodes"] == ("absent", "no credential: this class executes nothing")
    assert told["execution pods"][0] == "blind"
    assert "https://127.0.0.1:1 accepts no connection" in told["execution pods"][1]
    assert told_by_doctor(tmp_path, **{**on, "api_url": ""})["execution"][0] == "blind"


def test_enabled_outside_a_cluster_it_asks_where_the_api_is(
    tmp_path: Path, on: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match=r"set execution\.api_url"):
        built(tmp_path, **{**on, "api_url": ""})
