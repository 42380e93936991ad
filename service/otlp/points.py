"""Data points of OTLP as the classic series Prometheus has for them."""

import math
from collections.abc import Iterator
from itertools import accumulate, pairwise

from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, NumberDataPoint
from prometheus_client.utils import floatToGoString

from vocabulary.samples import Labels, Series, labels_of

_NO_VALUE = 1
"""DataPointFlags: the series has ended."""


class BadPoint(ValueError):
    """The point says something no counter, gauge or histogram can."""


def ended(point: NumberDataPoint | HistogramDataPoint) -> bool:
    """Whether the point bears no value: it says that its series ended, which is not zero."""
    return bool(point.flags & _NO_VALUE)


def number_parts(
    name: str, labels: Labels, point: NumberDataPoint, counter: bool
) -> Iterator[tuple[Series, float]]:
    """The one series of a sum or gauge.

    Raises:
        BadPoint: The value is no number, or a counter is below zero.
    """
    value = float(point.as_int if point.HasField("as_int") else point.as_double)
    if ended(point):
        value = math.nan
    elif not math.isfinite(value) or (counter and value < 0.0):
        raise BadPoint("no finite value" if not math.isfinite(value) else "negative counter")
    yield Series(name, labels), value


def histogram_parts(
    name: str, labels: Labels, point: HistogramDataPoint
) -> Iterator[tuple[Series, float]]:
    """The series `_bucket`, `_sum` and `_count` of an explicit histogram.

    Raises:
        BadPoint: Bounds and counts do not fit, or the counts do not add up.
    """
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if any(not low < high for low, high in pairwise([-math.inf, *bounds, math.inf])):
        raise BadPoint("bucket bounds do not ascend")
    if ended(point):
        for bound in [*bounds, math.inf]:
            yield Series(f"{name}_bucket", _with_le(labels, bound)), math.nan
        yield Series(f"{name}_count", labels), math.nan
        yield Series(f"{name}_sum", labels), math.nan
        return
    if counts and (len(counts) != len(bounds) + 1 or sum(counts) != point.count):
        raise BadPoint("bucket counts do not add up")
    if point.HasField("sum") and not math.isfinite(point.sum):
        raise BadPoint("no finite sum")
    below = accumulate(counts or [point.count])
    for bound, count in zip([*(bounds if counts else []), math.inf], below, strict=True):
        yield Series(f"{name}_bucket", _with_le(labels, bound)), float(count)
    yield Series(f"{name}_count", labels), float(point.count)
    if point.HasField("sum"):
        yield Series(f"{name}_sum", labels), point.sum


def _with_le(labels: Labels, bound: float) -> Labels:
    return labels_of([*labels, ("le", bound_text(bound))])


def bound_text(bound: float) -> str:
    """A bucket's bound as Prometheus pages write it: `0.5`, `1.0`, `+Inf`."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
