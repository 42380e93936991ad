"""Where stored history is read from: a data directory, a Prometheus-compatible backend, a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from collectors._dialect import dialect
from service import assembly
from service.backtest.dump import Dump
from service.backtest.span import Span
from service.config import Config
from service.data_folder import SIMULATED_FILE
from store.asking import Asking
from store.dialect import Dialect
from store.embedded import EmbeddedStore
from store.prometheus import PrometheusStore
from store.told_changes import Told, read_told_changes
from vocabulary import signals
from vocabulary.errors import ConfigError
from vocabulary.expressions import Signal

_LIFE_SIGNS = (
    signals.TARGET_UP,
    signals.RUNNING,
    signals.GATEWAY_OPERATION_RATE,
    signals.GPU_POWER,
)
"""Where any of these has a value, there is history to replay."""
_STEP = 300.0
"""Seconds between two looks for life: as far as an instant looks back."""
_MOST_LOOKS = 5000


@dataclass(frozen=True, slots=True)
class Past:
    """Series, what was done to the fleet meanwhile, and how the backend calls things."""

    asking: Asking
    name: str
    """What it is called in a report."""
    close: Callable[[], None]
    changes: Callable[[float, float], Sequence[Told]] = lambda _start, _end: ()
    """What was told from one moment up to another, in order of arrival."""
    dialect: Dialect = field(default_factory=dict)
    """How the backend calls our words; empty where it knows them."""
    simulated: bool = False
    """A demo's, whose models have prices of their own."""


def of_data_folder(folder: Path) -> Past:
    """What a server or a demo keeps in *folder*; it may be running.

    Raises:
        ConfigError, StoreError: There is none, or it cannot be read.
    """
    series = folder / assembly.STORE_FOLDER
    if not series.is_dir():
        raise ConfigError(
            f"{folder} holds no series; name the folder of a server with --data-dir, or a "
            "Prometheus with --prometheus"
        )
    store = EmbeddedStore(series, read_only=True)
    control = folder / assembly.CONTROL_FILE

    def changes(start: float, end: float) -> Sequence[Told]:
        return read_told_changes(control, start, end) if control.exists() else ()

    simulated = (folder / SIMULATED_FILE).exists()
    return Past(store, str(folder), store.close, changes, simulated=simulated)


def of_prometheus(config: Config, url: str, span: Span) -> Past:
    """What the Prometheus at *url* holds, in our words or in the servers' own.

    Raises:
        StoreUnreachable, StoreError: It does not answer, or is none.
    """
    ours = PrometheusStore(url)
    if not ours.evaluate(signals.TARGET_UP, span.start, span.end, _looks(span)).empty:
        return Past(ours, ours.shown, ours.close)
    ours.close()
    words = dialect(assembly.page_collectors(config))
    raw = PrometheusStore(url, dialect=words)
    return Past(raw, raw.shown, raw.close, dialect=words)


def of_dump(config: Config, file: Path) -> Past:
    """What a dump of a Prometheus holds, in our words or in the servers' own.

    Raises:
        ConfigError: It cannot be read.
    """
    dump = Dump(file, dialect(assembly.page_collectors(config)))
    return Past(dump, str(file), lambda: None, dialect=dump.dialect)


def where_it_holds(past: Past, span: Span) -> Span:
    """*span* without the time before the first value in it.

    Raises:
        ConfigError: There is no value in all of it.
    """
    first = [_first(past, signal, span) for signal in _LIFE_SIGNS]
    known = [moment for moment in first if moment is not None]
    if not known:
        raise ConfigError(
            f"{past.name} holds nothing of models, gateways or GPUs from {span.words}; "
            "name other times with --from and --to"
        )
    return span.beginning(min(known) - _looks(span))


def _first(past: Past, signal: Signal, span: Span) -> float | None:
    frame = past.asking.evaluate(signal, span.start, span.end, _looks(span))
    if frame.empty:
        return None
    known = ~np.isnan(frame.values).all(axis=0)
    return float(frame.times[int(np.argmax(known))])


def _looks(span: Span) -> float:
    return float(max(_STEP, span.seconds / _MOST_LOOKS))
