"""Our own page shows what is, and nothing of what is no more."""

from service.self_report import SelfReport
from vocabulary import metrics
from vocabulary.samples import Sample, Series, labels_of


def sample(replica: str, value: float, at: float) -> Sample:
    name = metrics.REQUESTS_RUNNING.name
    return Sample(Series(name, labels_of({"replica": replica})), value, at)


def test_the_newest_value_of_each_series_is_shown() -> None:
    report = SelfReport()
    report.take([sample("a", 1, 100.0)])
    report.take([sample("a", 2, 115.0)])
    assert b'replica="a"} 2' in report.page()


def test_a_series_that_ended_leaves_the_page() -> None:
    report = SelfReport()
    report.take([sample("a", 1, 100.0)])
    report.take([sample("a", float("nan"), 115.0)])
    assert b'replica="a"' not in report.page()


def test_a_series_that_nobody_renews_leaves_the_page() -> None:
    """An agent that was killed sends no end marks; its frozen counters would look stalled."""
    report = SelfReport()
    report.take([sample("dead", 1, 100.0), sample("alive", 1, 100.0)])
    report.take([sample("alive", 1, 500.0)])
    page = report.page()
    assert b'replica="alive"' in page
    assert b'replica="dead"' not in page


def test_what_is_true_at_the_moment_of_asking_is_asked_then() -> None:
    ages = iter([5.0, 600.0])
    name = metrics.WATERMARK_AGE.name
    report = SelfReport(lambda: [Sample(Series(name, ()), next(ages), 0.0)])
    assert f"{name} 5".encode() in report.page()
    assert f"{name} 600".encode() in report.page()
