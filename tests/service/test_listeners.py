"""Who holds a port: a real listener, our own names, and what cannot be seen."""

import os
import socket
from pathlib import Path

import pytest

from service import doctor
from service.checks import Verdict
from service.listeners import Listener, listener_on
from service.network import free_port


def test_a_real_listener_is_found_and_a_free_port_has_none() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = listener_on(taken.getsockname()[1])
    assert found is not None
    assert found.pid == os.getpid()
    assert not found.ours
    assert listener_on(free_port()) is None


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (("/opt/.venv/bin/python", "/opt/.venv/bin/tidegauge", "up"), True),
        (("python", "-m", "service.console_process", "127.0.0.1", "8501"), True),
        (("nginx: master process",), False),
        (("vim", "a", "b", "tidegauge"), False),
        ((), False),
    ],
)
def test_our_own_processes_are_known_by_their_command(command: tuple[str, ...], ours: bool) -> None:
    assert Listener(1, command).ours is ours


def test_what_proc_does_not_show_is_not_known(tmp_path: Path) -> None:
    assert listener_on(80, tmp_path) is None
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("head\n 0: 0100007F:0050 0 0A 0 0 0 0 0 77 1\nodd\n")
    (tmp_path / "9").mkdir()
    assert listener_on(80, tmp_path) is None


@pytest.mark.parametrize(
    ("holder", "verdict"),
    [
        (Listener(7, ("tidegauge", "up")), Verdict.OK),
        (Listener(7, ("nginx",)), Verdict.BLIND),
        (None, Verdict.ABSENT),
    ],
)
def test_doctor_tells_our_own_port_from_anothers(
    monkeypatch: pytest.MonkeyPatch, holder: Listener | None, verdict: Verdict
) -> None:
    monkeypatch.setattr(doctor, "listener_on", lambda _: holder)
    check = doctor._taken("API", 8780)
    assert check.verdict is verdict
    assert ("pid 7" in check.what) is (holder is not None)
