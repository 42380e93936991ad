"""A file of targets: read again when it changes, and never worse than it was."""

import json
import os
from pathlib import Path

import pytest

from service.assembly import agent_of
from service.config import load
from service.targets_file import TargetsFile
from vocabulary.errors import ConfigError


def write(file: Path, text: str, stamp: int) -> None:
    file.write_text(text)
    os.utime(file, ns=(stamp, stamp))


def urls(file: TargetsFile) -> list[str]:
    return [one.url for one in file.targets()]


def test_both_forms_of_entries_are_understood(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "- http://10.0.0.1:8000/metrics\n"
        "- {url: 'https://10.0.0.2:8000/m', model: qwen3, pool: chat}\n"
        "- targets: ['10.0.0.3:8000', '10.0.0.4:8000']\n"
        "  labels: {model: llama, team: x, __metrics_path__: /p, __scheme__: https}\n"
    )
    found = TargetsFile(tmp_path / "t.yaml", "c").targets()
    assert [one.url for one in found] == [
        "http://10.0.0.1:8000/metrics", "https://10.0.0.2:8000/m", "https://10.0.0.3:8000/p",
        "https://10.0.0.4:8000/p",
    ]  # fmt: skip
    assert dict(found[1].labels) == {
        "cluster": "c", "replica": "static/10.0.0.2:8000", "model": "qwen3", "pool": "chat",
    }  # fmt: skip
    assert dict(found[2].labels)["model"] == "llama"
    assert "team" not in dict(found[2].labels)


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    write(path, json.dumps(["http://a:1/m"]), 1)
    file = TargetsFile(path, "c")
    assert urls(file) == ["http://a:1/m"]
    write(path, json.dumps(["http://a:1/m", "http://b:1/m"]), 2)
    assert urls(file) == ["http://a:1/m", "http://b:1/m"]
    write(path, "[", 3)
    assert urls(file) == ["http://a:1/m", "http://b:1/m"]
    assert "neither YAML nor JSON" in file.trouble
    path.unlink()
    assert urls(file) == ["http://a:1/m", "http://b:1/m"]
    write(path, "[]", 4)
    assert urls(file) == []
    assert file.trouble == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: b", "must be a list"), ("- ftp://x/y", "is no URL"),
        ("- targets: x", "targets must be a list"),
        ("- {url: 'http://a/m', bearer_token_file: /etc/shadow}", "belong to `scrape`"),
        ("- {url: 'http://a/m', what: 1}", "unknown key `what`"), ("- {model: x}", "has no url"),
        ("- http://a/m#replica=mine", "after # write NAME=VALUE"),
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_in_one_line_that_names_it(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        TargetsFile(path, "c").look()


def test_an_agent_reads_the_pages_of_its_file_and_refuses_one_that_is_not_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.yaml"
    with pytest.raises(ConfigError, match=r"cannot read .*t\.yaml"):
        agent_of(load(None, {}, {"targets": str(path)}), lambda samples: None)
    path.write_text("- http://127.0.0.1:1/metrics")
    agent = agent_of(load(None, {}, {"targets": str(path)}), lambda samples: None)
    assert [one.url for one in agent.targets()] == ["http://127.0.0.1:1/metrics"]
    agent.close()
