"""What the command cannot do it says in one line, with the exit code that was promised."""

from pathlib import Path

import pytest

from service.network import free_port
from store.embedded import EmbeddedStore
from tests.service.cli.conftest import Run
from vocabulary import metrics as m
from vocabulary.samples import Series, labels_of

NOON = 1_764_072_000.0


def refused(run: Run, code: int, says: str, *arguments: str) -> None:
    ended = run("backtest", *arguments)
    assert ended.code == code, ended
    assert not ended.out
    [line] = ended.err.splitlines()
    assert says in line


def folder_with(tmp_path: Path, *moments: float) -> Path:
    store = EmbeddedStore(tmp_path / "data" / "series")
    store.append_columns([
        (Series(m.REQUESTS_RUNNING.name, labels_of({"replica": "r", "vantage": "engine"})),
         list(moments), [1.0] * len(moments)),
    ] if moments else [])  # fmt: skip
    store.close()
    return tmp_path / "data"


def test_a_folder_without_series_is_named(run: Run, tmp_path: Path) -> None:
    refused(run, 2, "holds no series", "--data-dir", str(tmp_path / "nowhere"))


def test_a_store_without_samples_is_named(run: Run, tmp_path: Path) -> None:
    refused(run, 2, "holds no samples", "--data-dir", str(folder_with(tmp_path)))


def test_times_in_which_nothing_was_stored_are_named(run: Run, tmp_path: Path) -> None:
    folder = str(folder_with(tmp_path, NOON))
    refused(run, 2, "holds nothing of models", "--data-dir", folder, "--from", "2025-01-01",
            "--to", "2025-01-02")  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "soon"), "--from 'soon' is no time"),
        (("--from", "-1h", "--to", "-2h"), "is not before"),
        (("--every", "7"), "--every 7"),
        (("--known", "nowhere.yaml"), "nowhere.yaml"),
        (("--html", "no/such/folder/report.html"), "no/such/folder/report.html"),
        (("--prometheus", "http://127.0.0.1:1"), "one history at a time"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    folder = str(folder_with(tmp_path, NOON, NOON + 600.0))
    refused(run, 2, says, "--data-dir", folder, *arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no samples"),
        ("up 1\n", "line 1: 'up 1' is no"),
        ('# HELP x y\nup{a="b"} 1 soon\n', "line 2"),
        ('{"odd name"} 1 1764072000\n', "is no series"),
        ("up{a=b} 1 1764072000\n", "labels that cannot be read"),
    ],
)
def test_a_file_that_is_no_dump_is_named_with_its_line(
    run: Run, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "dump.om").write_text(text)
    refused(run, 2, says, "--file", "dump.om")


def test_a_file_that_is_not_there_is_named(run: Run) -> None:
    refused(run, 2, "cannot read nowhere.om", "--file", "nowhere.om")


def test_a_prometheus_that_does_not_answer_is_exit_3(run: Run) -> None:
    url = f"http://user:hidden@127.0.0.1:{free_port()}"
    ended = run("backtest", "--prometheus", url)
    assert ended.code == 3
    [line] = ended.err.splitlines()
    assert "does not answer" in line
    assert "hidden" not in line


def test_what_is_no_url_is_named(run: Run) -> None:
    refused(run, 2, "http", "--prometheus", "localhost")


def test_a_calm_past_is_exit_0(run: Run, tmp_path: Path) -> None:
    moments = [NOON + 15.0 * place for place in range(9)]
    folder = str(folder_with(tmp_path, *moments))
    ended = run("backtest", "--data-dir", folder, "--from", "-1m", "--every", "60")
    assert ended.code == 0
    assert "Would have sent 0 pages and 0 tickets" in ended.out
    assert not ended.err
