"""Times and lists of incidents as people write them; what is wrong is said in one line."""

from pathlib import Path

import numpy as np
import pytest

from service.backtest.known import Known, read_known
from service.backtest.span import Span, moment_of, span_of
from vocabulary.errors import ConfigError

NOW = 1_764_072_000.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("-7d", NOW - 7 * 86400.0),
        ("-90m", NOW - 5400.0),
        ("-1.5h", NOW - 5400.0),
        ("now", NOW),
        ("1764000000", 1_764_000_000.0),
        ("2025-11-25T12:00:00Z", NOW),
        ("2025-11-25T12:00", NOW),
        ("2025-11-25T14:00:00+02:00", NOW),
        ("2025-11-25", NOW - 12 * 3600.0),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, moment: float) -> None:
    assert moment_of(text, NOW, "--from") == moment


@pytest.mark.parametrize("text", ["", "yesterday", "-7y", "7d", "-", "1e400", "nan", "-1970-01-01"])
def test_what_is_no_time_is_named_with_its_flag(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--from .* is no time; write -7d"):
        moment_of(text, NOW, "--from")


def test_ticks_are_those_of_a_live_server() -> None:
    span = span_of("-1m", "", 15.0, NOW + 7.0)
    assert span.moments.tolist() == [NOW - 45.0, NOW - 30.0, NOW - 15.0, NOW]
    assert np.array_equal(
        Span(NOW, NOW + 180.0, 15.0, 60.0).moments, NOW + np.array([60, 120, 180])
    )


@pytest.mark.parametrize(
    ("begin", "end", "every", "says"),
    [
        ("-1h", "-2h", 0.0, "is not before"),
        ("now", "", 0.0, "is not before"),
        ("-500d", "", 0.0, "more than a year"),
        ("-1h", "", 20.0, "--every 20 is no multiple"),
        ("-1h", "", 900.0, "--every 900"),
    ],
)
def test_a_span_that_cannot_be_replayed_is_refused(
    begin: str, end: str, every: float, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        span_of(begin, end, 15.0, NOW, every)


def test_known_incidents_are_read_with_what_is_said_of_them(tmp_path: Path) -> None:
    file = tmp_path / "known.yaml"
    file.write_text(
        "incidents:\n"
        "- {start: 2025-11-25T12:00:00Z, end: 2025-11-25 13:00:00, entity: pool/chat, within: 60}\n"
        "- {start: -2h, end: -1h, what: the slow afternoon}\n"
    )
    first, second = read_known(file, NOW)
    assert first == Known(NOW, NOW + 3600.0, "pool/chat", "", 60.0)
    assert second == Known(NOW - 7200.0, NOW - 3600.0, "", "the slow afternoon")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write a list"),
        ("incidents: 3", "write a list"),
        ("[", "is no YAML"),
        ("- 5", "incident 1 is no mapping"),
        ("- {start: -2h}", "incident 1 has no end"),
        ("- {start: -1h, end: -2h}", "ends before it starts"),
        ("- {start: -2h, end: soon}", "incident 1: end 'soon' is no time"),
        ("- {start: -2h, end: -1h, enitty: x}", "'enitty' is no key; known: end, entity"),
        ("- {start: -2h, end: -1h, within: never}", "within is 'never'"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_entry_and_the_mend(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "known.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says) as raised:
        read_known(file, NOW)
    assert len(str(raised.value).splitlines()) == 1


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.yaml"):
        read_known(tmp_path / "nowhere.yaml", NOW)
