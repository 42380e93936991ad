"""Every value knows its source, and every mistake is named with its mend."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from service.config import load, token_of
from vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Plugin:
    seconds: float = 90.0


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "tidegauge.yaml"
    file.write_text("port: 1111\ncluster: from-file\nconsole_port: 2222\n")
    config = load(
        file, {"TIDEGAUGE_PORT": "3333", "TIDEGAUGE_CONSOLE_PORT": "4444"}, {"port": 5555}
    )
    assert config.settings.port == 5555
    assert config.settings.console_port == 4444
    assert config.settings.cluster == "from-file"
    sources = {value.key: value.source for value in config.values()}
    assert sources["port"] == "flag --port"
    assert sources["console_port"] == "environment TIDEGAUGE_CONSOLE_PORT"
    assert sources["cluster"] == str(file)
    assert sources["host"] == "default"


def test_an_unknown_key_names_file_key_and_the_likely_word(tmp_path: Path) -> None:
    file = tmp_path / "tidegauge.yaml"
    file.write_text("prot: 1\n")
    with pytest.raises(
        ConfigError, match=r"tidegauge\.yaml: unknown key `prot`; did you mean `port`"
    ):
        load(file, {})


def test_an_unknown_environment_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="environment TIDEGAUGE_PROT: unknown key `prot`"):
        load(None, {"TIDEGAUGE_PROT": "1"})


WRONG_VALUES = [
    ("port", "http"),
    ("port", 1.5),
    ("port", 70000),
    ("port", [1]),
    ("interval_seconds", 0),
    ("interval_seconds", "inf"),
    ("gpus", "perhaps"),
    ("otlp_protocol", "carrier-pigeon"),
    ("scrape", "localhost:8000"),
]


@pytest.mark.parametrize(("key", "value"), WRONG_VALUES)
def test_a_value_of_the_wrong_kind_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{key}|localhost"):
        load(None, {}, {key: value})


def test_lists_come_from_yaml_and_from_commas(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("scrape: ['http://127.0.0.1:1/metrics']\n")
    assert load(file, {}).settings.scrape == ("http://127.0.0.1:1/metrics",)
    both = load(None, {"TIDEGAUGE_SCRAPE": "http://a/metrics, http://b/metrics"})
    assert both.settings.scrape == ("http://a/metrics", "http://b/metrics")


def test_plugin_sections_set_the_plugins_own_fields(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("detectors: {slow: {seconds: 30}}\n")
    config = load(file, {"TIDEGAUGE_DETECTORS__FAST__SECONDS": "2.5"})
    built = config.build("detectors", {"slow": Plugin, "fast": Plugin, "plain": Plugin})
    assert (built["slow"].seconds, built["fast"].seconds, built["plain"].seconds) == (30, 2.5, 90.0)


def test_unknown_plugins_and_fields_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("detectors: {slow: {secons: 30}}\n")
    with pytest.raises(
        ConfigError, match=r"detectors\.slow: unknown key `secons`; did you mean `seconds`"
    ):
        load(file, {}).build("detectors", {"slow": Plugin})
    with pytest.raises(ConfigError, match=r"detectors\.slow: there is no such plugin"):
        load(file, {}).build("detectors", {"other": Plugin})


@pytest.mark.parametrize("content", ["a: [", "just words", "\x00"])
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_missing_token_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load(tmp_path / "none.yaml", {})
    with pytest.raises(ConfigError, match="cannot read token_file"):
        token_of(load(None, {}, {"token_file": tmp_path / "none"}).settings)


def test_the_token_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    assert token_of(load(None, {}, {"token_file": tmp_path / "token"}).settings) == "s3cret"


@dataclass(frozen=True, slots=True)
class Part:
    quiet_seconds: float = 600.0
    pages: int = 14


def test_a_section_sets_the_fields_of_a_rooms_settings_class(tmp_path: Path) -> None:
    file = tmp_path / "tidegauge.yaml"
    file.write_text("incidents: {quiet_seconds: 60}\n")
    config = load(file, {"TIDEGAUGE_ALERTMANAGER__QUIET_SECONDS": "5"})
    assert config.part("incidents", Part, pages=3) == Part(60.0, 3)
    assert config.part("alertmanager", Part) == Part(5.0)
    sources = {value.key: value.source for value in config.values()}
    assert sources["incidents.quiet_seconds"] == str(file)
    origin = "environment TIDEGAUGE_ALERTMANAGER__QUIET_SECONDS"
    assert sources["alertmanager.quiet_seconds"] == origin


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("incidents: {quite_seconds: 60}", "unknown key `quite_seconds`; did you mean `quiet_sec"),
        ("incidents: {pages: 60}", "unknown key `pages`"),
        ("incidents: {quiet_seconds: soon}", "quiet_seconds must be float, and is 'soon'"),
        ("incidents: 60", "incidents must hold settings"),
    ],
)
def test_a_mistake_in_a_rooms_section_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "tidegauge.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load(file, {}).part("incidents", Part, pages=3)
