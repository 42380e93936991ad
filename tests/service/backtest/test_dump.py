"""A dump answers as a store that holds the same samples, in our words and in the servers' own."""

from pathlib import Path

import numpy as np

from service.backtest.dump import Dump
from store.dialect import Spelling
from store.embedded import EmbeddedStore
from store.promql import quoted
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.samples import Series, labels_of

NOON = 1_764_072_000.0
NASTY = 'a "quoted" \\ back\nslash, {x="y"} é'


def test_our_own_words_are_answered_as_by_a_store(tmp_path: Path) -> None:
    times = NOON + 15.0 * np.arange(40)
    rng = np.random.default_rng(5)
    lines, columns = ["# a comment", ""], []
    for name in (m.OUTPUT_TOKENS.name, m.TARGET_UP.name):
        for replica in ("r1", NASTY):
            labels = {"pool": "p", "model": "m", "replica": replica, "vantage": "engine"}
            values = np.cumsum(rng.poisson(9, len(times))).astype(float)
            columns.append((Series(name, labels_of(labels)), times, values))
            inside = ",".join(f"{key}={quoted(value)}" for key, value in labels.items())
            pairs = zip(times.tolist(), values.tolist(), strict=True)
            lines += [f"{name}{{{inside}}} {value} {at:.3f}" for at, value in pairs]
    file = tmp_path / "dump.om"
    file.write_text("\n".join([*lines[:5], *lines[:4:-1], "# EOF"]))
    dump = Dump(file, {m.OUTPUT_TOKENS.name: (Spelling("never:asked"),)})
    store = EmbeddedStore(tmp_path / "store")
    store.append_columns(columns)
    for signal in (signals.OUTPUT_TOKEN_RATE, signals.TARGET_UP):
        asked = (signal, NOON, NOON + 600.0, 30.0)
        ours, theirs = dump.evaluate(*asked), store.evaluate(*asked)
        assert ours.labels == theirs.labels
        np.testing.assert_allclose(ours.values, theirs.values)
    assert not ours.empty
    assert dump.newest() == store.newest()
    store.close()


def test_the_servers_own_names_are_asked_as_a_prometheus_would_be(tmp_path: Path) -> None:
    file = tmp_path / "dump.om"
    file.write_text(
        'vllm:waiting{instance="10.0.0.1:8000",model_name="m",why="a"} 2000 1764072000000\n'
        'vllm:waiting{instance="10.0.0.1:8000",model_name="m",why="b"} 9000 1764072000000\n'
        'vllm:waiting_old{instance="10.0.0.2:8000",model_name="m",why="a"} 5000 1764072000\n'
    )
    renamed = {"replica": "instance", "model": "model_name", "pool": "model_name"}
    new, old = (
        Spelling(name, renamed, {"vantage": "engine"}, (("why", "a"),), 0.001)
        for name in ("vllm:waiting", "vllm:waiting_old")
    )
    dump = Dump(file, {m.REQUESTS_WAITING.name: (new, old)})
    frame = dump.evaluate(signals.WAITING, NOON, NOON, 15.0)
    rows = {labels["replica"]: float(row[0]) for labels, row in frame.rows()}
    assert rows == {"10.0.0.1:8000": 2.0, "10.0.0.2:8000": 5.0}
    assert {labels["pool"] for labels, _ in frame.rows()} == {"m"}
