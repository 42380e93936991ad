"""What is usual at this hour of the week."""

from typing import Any

import numpy as np
import pytest

from estimators.seasonal import DAY, WEEK, SameHourOfWeek

SUNDAY = 4 * DAY + 2500 * WEEK - DAY + 15 * 3600.0
"""A Sunday, 15:00 UTC: the epoch was a Thursday."""
SEASON = SameHourOfWeek()


def history(days: float, course: Any, at: float = SUNDAY) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(at - days * DAY, at + 1.0, 900.0)
    noise = 1.0 + 0.05 * np.sin(times / 777.0)
    return times, course(times) * noise


def steady(times: np.ndarray) -> np.ndarray:
    return np.full(len(times), 10.0)


def test_the_usual_lies_inside_the_band() -> None:
    band = SEASON.band(*history(14.0, steady), SUNDAY)
    assert band is not None
    assert band.expected == pytest.approx(10.0, rel=0.06)
    assert band.lower < 9.0 < 11.0 < band.upper < 40.0


def test_fewer_days_make_a_wider_band_and_none_make_no_band() -> None:
    widths = []
    for days in (28.0, 14.0, 7.5, 1.2):
        band = SEASON.band(*history(days, steady), SUNDAY)
        assert band is not None
        widths.append(band.upper)
    assert widths == sorted(widths)
    assert SEASON.band(*history(0.5, steady), SUNDAY) is None


def test_a_batch_of_the_same_hour_is_usual() -> None:
    def nightly(times: np.ndarray) -> np.ndarray:
        return np.where((times - SUNDAY + 1800.0) % DAY < 3600.0, 100.0, 10.0)

    band = SEASON.band(*history(14.0, nightly), SUNDAY)
    assert band is not None
    assert band.upper > 100.0
    elsewhere = SEASON.band(*history(14.0, nightly), SUNDAY - 6 * 3600.0)
    assert elsewhere is not None
    assert elsewhere.upper < 60.0


def test_a_batch_half_an_hour_late_is_usual() -> None:
    """A clock change, or a job that queued."""

    def nightly(times: np.ndarray) -> np.ndarray:
        return np.where((times - SUNDAY + 2700.0) % DAY < 1800.0, 100.0, 10.0)

    band = SEASON.band(*history(14.0, nightly), SUNDAY)
    assert band is not None
    assert band.upper > 100.0


def test_a_weekend_is_compared_with_weekends() -> None:
    def busy_weekdays(times: np.ndarray) -> np.ndarray:
        return np.where((times // DAY + 3) % 7 >= 5, 10.0, 80.0)

    weekend = SEASON.band(*history(21.0, busy_weekdays), SUNDAY)
    monday = SEASON.band(*history(21.0, busy_weekdays, SUNDAY + DAY), SUNDAY + DAY)
    assert weekend is not None
    assert monday is not None
    assert weekend.expected == pytest.approx(10.0, rel=0.1)
    assert monday.expected == pytest.approx(80.0, rel=0.1)


def test_missing_days_are_not_zero() -> None:
    times, values = history(14.0, steady)
    values[times > SUNDAY - 5 * DAY] = np.nan
    band = SEASON.band(times, values, SUNDAY)
    assert band is not None
    assert band.expected == pytest.approx(10.0, rel=0.06)
    assert SEASON.band(times, np.full(len(times), np.nan), SUNDAY) is None


def test_hours_of_nothing_have_a_band_that_starts_at_nothing() -> None:
    def office(times: np.ndarray) -> np.ndarray:
        return np.where((times - SUNDAY + 3 * 3600.0) % DAY < 6 * 3600.0, 0.0, 10.0)

    band = SEASON.band(*history(14.0, office), SUNDAY)
    assert band is not None
    assert band.lower == 0.0
    assert band.upper < 10.0


def test_the_band_holds_the_next_day_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    outside = 0
    for _ in range(300):
        levels = np.exp(rng.normal(0.0, 0.3, 16)) * 10.0
        course = lambda times, levels=levels: levels[((SUNDAY - times) // DAY).astype(int)]  # noqa: E731
        times, values = history(14.0, course)
        band = SEASON.band(
            times[times < SUNDAY - DAY / 2], values[times < SUNDAY - DAY / 2], SUNDAY
        )
        assert band is not None
        outside += not band.lower <= levels[0] <= band.upper
    assert outside <= 9
