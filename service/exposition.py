"""Our own Prometheus page: the newest value of each series, under the vocabulary's names."""

import math
from collections.abc import Iterable

from vocabulary.metrics import ALL, BY_SERIES_NAME, Metric
from vocabulary.samples import Labels, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ORDER = {metric.name: position for position, metric in enumerate(ALL)}
_PARTS = ("bucket", "sum", "count")


def render(samples: Iterable[Sample]) -> str:
    """A page in text format 0.0.4.

    The last sample of a series counts; a series whose last sample is NaN has ended and is left
    out, as is one that the vocabulary does not know. No timestamps: whoever scrapes sets them.
    """
    newest: dict[Metric, dict[tuple[str, Labels], float]] = {}
    for (name, labels), value, _ in samples:
        metric = BY_SERIES_NAME.get(name)
        if metric is not None:
            newest.setdefault(metric, {})[name, labels] = value
    text = []
    for metric in sorted(newest, key=lambda one: _ORDER[one.name]):
        alive = {key: value for key, value in newest[metric].items() if not math.isnan(value)}
        if alive:
            text.append(f"# HELP {metric.name} {_escaped_help(metric.help)}\n")
            text.append(f"# TYPE {metric.name} {metric.kind.value}\n")
            text.extend(
                f"{name}{_labels(labels)} {_number(value)}\n"
                for (name, labels), value in sorted(alive.items(), key=_place)
            )
    return "".join(text)


def _place(item: tuple[tuple[str, Labels], float]) -> tuple[Labels, int, float]:
    """Histograms together, their buckets by bound, then sum and count."""
    (name, labels), _ = item
    bound = next((float(value) for label, value in labels if label == "le"), math.inf)
    rest = tuple(pair for pair in labels if pair[0] != "le")
    part = name.rpartition("_")[2]
    return rest, _PARTS.index(part) if part in _PARTS else 0, bound


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return _escaped_help(text).replace('"', '\\"')


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
