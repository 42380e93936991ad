"""What a long drill says while it runs."""

from typing import Any

from service.cli.drill_running import Telling
from service.drill.case import calm

CASE = calm(1, 1.0)


def record(cpu: float) -> dict[str, Any]:
    return {"cost": {"cpu_seconds": cpu}}


def test_a_log_gets_a_line_a_minute_with_cost_and_time_left() -> None:
    now, said = [0.0], list[str]()
    with Telling(100, visible=False, monotonic=lambda: now[0], say=said.append) as telling:
        for _ in range(10):  # read from a folder: that says nothing of what the others cost
            telling.told(CASE, record(500.0), anew=False)
        for _ in range(9):
            now[0] += 20.0
            telling.told(CASE, record(8.0), anew=True)
    assert said == [
        "13 of 100 cases, 8.0 CPU s each, 0 h 29 min left",
        "16 of 100 cases, 8.0 CPU s each, 0 h 28 min left",
        "19 of 100 cases, 8.0 CPU s each, 0 h 27 min left",
    ]


def test_before_a_case_was_played_nothing_is_said_of_its_cost() -> None:
    telling = Telling(2, visible=False)
    telling.told(CASE, record(500.0), anew=False)
    assert telling.words() == ""
