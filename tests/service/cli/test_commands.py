"""Promises every command keeps: help, exit codes, clean stdout, one clear line when it cannot."""

import json
import socket
from pathlib import Path

import pytest

from tests.service.cli.conftest import Run

COMMANDS = (
    "up", "collect", "serve", "console", "detect", "backtest", "doctor",
    "incidents list", "incidents show", "incidents ack", "incidents assign",
    "incidents silence", "incidents resolve", "incidents note",
    "incidents report", "usage report", "usage export", "usage verify", "rules build",
    "rules check", "config show", "docs build",
)  # fmt: skip


def test_the_version_is_said(run: Run) -> None:
    ended = run("--version")
    assert ended.code == 0
    assert ended.out.startswith("tidegauge ")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(run: Run, command: str) -> None:
    ended = run(*command.split(), "--help")
    assert ended.code == 0
    assert "Usage: tidegauge" in ended.out
    assert not ended.err


def test_no_command_is_missing_in_the_list_above(run: Run) -> None:
    named = {command.split()[0] for command in COMMANDS}
    listed = run("--help").out.partition("Commands:")[2].split("\n")
    found = {line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "}
    assert named <= found


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("up", "--nope"), "--nope"),
        (("nope",), "nope"),
        (("up", "--port", "many"), "--port"),
        (("incidents", "show"), "incident_id"),
        (("incidents", "list", "--output", "xml"), "xml"),
    ],
)
def test_wrong_usage_is_exit_2_with_one_line_that_names_it(
    run: Run, arguments: tuple[str, ...], says: str
) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert not ended.out
    (error,) = ended.err.splitlines()
    assert says in error


def test_an_unknown_key_of_the_file_names_file_and_key(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("prot: 9\n")
    ended = run("config", "show", "--config", str(file))
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert str(file) in ended.err
    assert "did you mean `port`" in ended.err


def test_an_unknown_key_of_the_environment_names_the_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGAUGE_PROT", "9")
    ended = run("config", "show")
    assert ended.code == 2
    assert "TIDEGAUGE_PROT" in ended.err
    assert ended.err.count("\n") == 1


def test_config_show_gives_each_value_its_source_and_keeps_secrets(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tidegauge.yaml").write_text("cluster: lab\n")
    monkeypatch.setenv("TIDEGAUGE_TOKEN", "a-secret-of-some-length")
    ended = run("config", "show", "--output", "json")
    values = json.loads(ended.out)
    assert values["cluster"] == {"value": "lab", "source": "tidegauge.yaml"}
    assert values["port"]["source"] == "default"
    assert values["token"] == {"value": "***", "source": "environment TIDEGAUGE_TOKEN"}
    assert "a-secret" not in run("config", "show").out
    assert not ended.err


@pytest.mark.parametrize("flag", ["--port", "--console-port"])
def test_a_taken_port_is_named_before_anything_starts(run: Run, tmp_path: Path, flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("up", "--demo", flag, str(port), "--data-dir", str(tmp_path / "data"))
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert f"port {port}" in ended.err
    assert flag in ended.err
    assert not (tmp_path / "data").exists()


def test_a_data_directory_that_cannot_be_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGAUGE_OTLP_GRPC_PORT", "0")
    monkeypatch.setattr("service.network.port_is_free", lambda *_: True)
    (tmp_path / "file").write_text("")  # a file where a folder should be stops root as well
    ended = run("up", "--demo", "--data-dir", str(tmp_path / "file" / "data"))
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "--data-dir" in ended.err


def test_detect_prints_json_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    rows = [f"{1_790_000_000 + 60 * row},{row % 7}" for row in range(300)]
    file.write_text("time,value\n" + "\n".join(rows) + "\n")
    ended = run("detect", str(file))
    assert ended.code == 0
    assert len(json.loads(ended.out)["columns"]["value"]["scores"]) == 300
    assert not ended.err


def test_detect_of_a_missing_file_is_one_line(run: Run) -> None:
    ended = run("detect", "missing.csv")
    assert ended.code == 2
    assert not ended.out
    assert ended.err.count("\n") == 1
    assert "missing.csv" in ended.err


def test_completion_is_offered_for_bash(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TIDEGAUGE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "tidegauge inc")
    monkeypatch.setenv("COMP_CWORD", "1")
    ended = run()
    assert ended.code == 0
    assert ended.out.split() == ["incidents"]
