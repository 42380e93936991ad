"""Prometheus' own tool lints our page: every metric of the vocabulary, every kind of label."""

import subprocess

import pytest
from rigs.prometheus import promtool

from service.exposition import render
from vocabulary.metrics import ALL, Kind
from vocabulary.samples import Sample, Series, labels_of


@pytest.mark.integration
def test_promtool_finds_nothing_to_say_about_our_page() -> None:
    samples = []
    for metric in ALL:
        labels = labels_of(dict.fromkeys((*metric.labels, "model"), 'a "b" \\ c\nd'))
        for name in metric.series_names:
            bounds = ["0.5", "+Inf"] if name.endswith("_bucket") else [""]
            bounds = bounds if metric.kind is Kind.HISTOGRAM else [""]
            samples += [
                Sample(Series(name, labels_of([*labels, ("le", le)])), 1.0, 0.0) for le in bounds
            ]
    done = subprocess.run(
        [promtool(), "check", "metrics"],
        input=render(samples), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
