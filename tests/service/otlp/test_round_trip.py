"""Our agent's export to our receiver, over both doors: what was measured is what is kept."""

import math
from typing import Literal

import pytest
from otlp_bodies.recorded import RECORDED_AT, Kept
from otlp_bodies.served import AGENT, both

from service.otlp_export import OtlpExport
from service.otlp_send import sender_of
from vocabulary import metrics as m
from vocabulary.metrics import Kind, Metric
from vocabulary.samples import Sample, Series, labels_of

NOW = RECORDED_AT
NAN = math.nan
IDENTITY = {
    "cluster": "c", "node": "n", "namespace": "ns", "pod": "p-0", "pool": "ns/p", "engine": "vllm",
    "replica": "c/ns/u/x", "model": "llama", "vantage": "engine", "version": "0.33.0",
    "tenant": "team-a", "gpu": "GPU-1",
}  # fmt: skip


def samples_of(metric: Metric, at: float, level: float) -> list[Sample]:
    labels = {**IDENTITY, **{label: f"a-{label}" for label in metric.labels}}
    if metric.kind is not Kind.HISTOGRAM:
        return [Sample(Series(metric.name, labels_of(labels)), level, at)]
    buckets = [("0.5", level), ("1.0", 2 * level), ("+Inf", 3 * level)]
    return [
        *(
            Sample(Series(f"{metric.name}_bucket", labels_of({**labels, "le": le})), value, at)
            for le, value in buckets
        ),
        Sample(Series(f"{metric.name}_count", labels_of(labels)), 3 * level, at),
        Sample(Series(f"{metric.name}_sum", labels_of(labels)), 1.25 * level, at),
    ]


def as_told(samples: list[Sample]) -> dict[tuple[Series, int], float]:
    return {(one.series, round(one.at * 1000)): one.value for one in samples}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_metric_survives_the_way_from_agent_to_server(
    protocol: Literal["http", "grpc"],
) -> None:
    rounds = [
        [sample for metric in m.ALL for sample in samples_of(metric, at, level)]
        for at, level in ((NOW - 15, 3.0), (NOW, 5.0))
    ]
    kept = Kept()
    with both(kept) as (http_port, grpc_port):
        port = http_port if protocol == "http" else grpc_port
        export = OtlpExport(
            sender_of(f"http://127.0.0.1:{port}", protocol, {"authorization": f"Bearer {AGENT}"})
        )
        ended = [sample._replace(value=NAN, at=NOW + 15) for sample in rounds[1]]
        for one in (*rounds, ended):
            export.offer(one)
        export.close()
        assert export.tally.failures == 0
    alive = [one for one in kept.samples if not math.isnan(one.value)]
    assert as_told(alive) == as_told([*rounds[0], *rounds[1]])
    gone = {(one.series, round(one.at)) for one in kept.samples if math.isnan(one.value)}
    assert gone == {(one.series, round(one.at)) for one in ended}, "each series ended, none is 0"
