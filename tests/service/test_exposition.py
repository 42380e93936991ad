"""Our page as strangers read it: the reference parser, our own parser, and promtool's habits."""

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as reference

from collectors._exposition import parse
from service.exposition import render
from vocabulary.metrics import ALL, ENGINE_STEPS, GPU_TEMPERATURE, TIME_TO_FIRST_TOKEN, Kind
from vocabulary.samples import Sample, Series, labels_of

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
escapes = st.sampled_from(["a\\b", 'say "hi"', "two\nlines", "\\n", "{}", "a,b=c"])
scalars = [metric for metric in ALL if metric.kind is not Kind.HISTOGRAM]
samples = st.builds(
    Sample,
    st.builds(
        Series,
        st.sampled_from([metric.name for metric in scalars]),
        st.dictionaries(
            st.sampled_from(["node", "gpu", "model", "reason"]), texts | escapes, max_size=4
        ).map(labels_of),
    ),
    st.floats(allow_nan=True),
    st.floats(0, 2e9),
)


@given(st.lists(samples, max_size=30))
def test_the_page_says_the_last_value_of_every_living_series(given_samples: list[Sample]) -> None:
    last = {one.series: one.value for one in given_samples}
    alive = {series: value for series, value in last.items() if not math.isnan(value)}
    page = render(given_samples)
    read = {
        Series(sample.name, labels_of(sample.labels)): sample.value
        for family in reference(page)
        for sample in family.samples
    }
    assert read == alive
    if alive:
        assert len(parse(page.encode()).values) == len(alive)


def test_families_stand_together_under_help_and_type_in_the_vocabularys_order() -> None:
    page = render(
        [
            Sample(Series(GPU_TEMPERATURE.name, (("gpu", "b"),)), 41.0, 1.0),
            Sample(Series(ENGINE_STEPS.name, (("replica", "r"),)), 7.0, 1.0),
            Sample(Series(GPU_TEMPERATURE.name, (("gpu", "a"),)), 40.0, 1.0),
        ]
    )
    assert page == (
        f"# HELP tidegauge_llm_engine_steps_total {ENGINE_STEPS.help}\n"
        "# TYPE tidegauge_llm_engine_steps_total counter\n"
        'tidegauge_llm_engine_steps_total{replica="r"} 7.0\n'
        f"# HELP hw_temperature_celsius {GPU_TEMPERATURE.help}\n"
        "# TYPE hw_temperature_celsius gauge\n"
        'hw_temperature_celsius{gpu="a"} 40.0\n'
        'hw_temperature_celsius{gpu="b"} 41.0\n'
    )


def histogram(model: str, counts: dict[str, float]) -> list[Sample]:
    name, labels = TIME_TO_FIRST_TOKEN.name, (("model", model),)
    buckets = [
        Sample(Series(f"{name}_bucket", labels_of([*labels, ("le", le)])), value, 0.0)
        for le, value in counts.items()
    ]
    parts = [
        Sample(Series(f"{name}_{part}", labels), counts["+Inf"], 0.0) for part in ("sum", "count")
    ]
    return [*parts, *buckets]


def test_histograms_are_one_family_with_their_buckets_in_order() -> None:
    shuffled = [
        *histogram("b", {"+Inf": 4.0, "10.0": 3.0, "2.5": 1.0}), *histogram("a", {"+Inf": 2.0}),
    ]  # fmt: skip
    families = list(reference(render(shuffled)))
    assert [(family.name, family.type) for family in families] == [
        (TIME_TO_FIRST_TOKEN.name, "histogram")
    ]
    shown = [(one.labels["model"], one.labels.get("le", "")) for one in families[0].samples]
    assert shown == [
        ("a", "+Inf"), ("a", ""), ("a", ""),
        ("b", "2.5"), ("b", "10.0"), ("b", "+Inf"), ("b", ""), ("b", ""),
    ]  # fmt: skip


def test_names_that_the_vocabulary_does_not_know_stay_inside() -> None:
    assert render([Sample(Series("python_info", ()), 1.0, 0.0)]) == ""


def test_nothing_to_say_is_an_empty_page() -> None:
    assert render([]) == ""
