"""Samples as OTLP metrics on the wire: one resource a replica or GPU, cumulative with a start.

What a series says of itself (name, labels, resource) is written once and kept as bytes; a sample
then costs a look-up and a fixed pattern of eighteen bytes, or twenty-seven. Field numbers are
those of opentelemetry-proto, metrics/v1/metrics.proto; the official encoder is the tests' oracle.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct, pack

from service.otlp_resources import attribute, message, resource, split, string
from vocabulary.metrics import BY_SERIES_NAME, Kind, Metric
from vocabulary.samples import Labels, Sample, Series

MOST_BYTES = 3 << 20
"""Where an export is cut into several, between resources: gRPC refuses messages beyond 4 MiB."""
_GAUGE, _COUNTER = Struct("<BQBd"), Struct("<BQBdBQ")
"""time_unix_nano (3), as_double (4), and since when a counter counts (2), each after its key."""
_START, _TIME, _DOUBLE, _FLAGS = 0x11, 0x19, 0x21, 0x40
_NO_VALUE = 1
"""The flag for: no recorded value."""
_POINT = 1
_DATA = {Kind.GAUGE: 5, Kind.COUNTER: 7, Kind.HISTOGRAM: 9}
"""Field of Metric that holds the points, by kind."""
_AFTER = {Kind.GAUGE: b"", Kind.COUNTER: b"\x10\x02\x18\x01", Kind.HISTOGRAM: b"\x10\x02"}
"""What follows the points: cumulative (2), and monotonic (3) for a counter."""


@dataclass(slots=True)
class _Points:
    """The points of one metric in one resource."""

    head: bytes
    """Name, description and unit of the metric."""
    kind: Kind
    waiting: list[bytes] = field(default_factory=list)

    def take(self) -> bytes:
        """The metric with its waiting points, on the wire."""
        data = b"".join(self.waiting) + _AFTER[self.kind]
        self.waiting.clear()
        return message(2, self.head + message(_DATA[self.kind], data))


@dataclass(slots=True)
class _Track:
    """One number series: its place, its unchanging bytes, and since when it counts."""

    points: _Points
    head: bytes
    """The point up to its times, its own length included."""
    attributes: bytes
    start: float
    last: float
    at: float


@dataclass(slots=True)
class _Histogram:
    """One histogram: what its series said at each moment of this batch."""

    points: _Points
    attributes: bytes
    start: float
    last: float = -math.inf
    at: float = -math.inf
    moments: dict[float, dict[float | str, float]] = field(default_factory=dict)
    """Moment → bound, `sum` or `count` → value."""
    keys: tuple[float | str, ...] = ()
    order: tuple[float, ...] = ()
    bounds: bytes = b""
    """The bounds in ascending order, and as they stand on the wire."""

    def point(self, at: float, said: dict[float | str, float], start: float) -> bytes:
        """The explicit-bucket point: counts of their own instead of running ones."""
        keys = tuple(said)
        if keys != self.keys:
            finite = [one for one in keys if not isinstance(one, str) and math.isfinite(one)]
            self.order = tuple(sorted(finite))
            self.bounds = message(7, pack(f"<{len(self.order)}d", *self.order))
            self.keys = keys
        count, total = said["count"], said.get("sum", math.nan)
        times = pack("<BQBQ", _START, nanos(start), _TIME, nanos(at))
        if math.isnan(count):
            each = [0] * (len(self.order) + 1)
            tail = b"\x21" + bytes(8) + bytes((0x50, _NO_VALUE))
        else:
            each, below = [], 0.0
            for bound in self.order:
                upto = below if math.isnan(said[bound]) else said[bound]
                each.append(max(0, int(upto - below)))
                below = upto
            each.append(max(0, int(count - below)))
            tail = pack("<BQBd", 0x21, int(count), 0x29, 0.0 if math.isnan(total) else total)
        counts = message(6, pack(f"<{len(each)}Q", *each))
        return message(_POINT, self.attributes + times + tail + counts + self.bounds)


_Share = tuple[_Histogram, float | str]
"""A series that is part of a histogram, and which."""


@dataclass(slots=True)
class Encoder:
    """Encodes batches of samples; remembers each series' bytes, and since when it counts.

    A cumulative series counts since its first sample here, or its last reset. What counted before
    we came is in the first value; OpenTelemetry calls that a start unknown.
    """

    forget_after: float = 3600.0
    """Seconds without a sample after which a series is forgotten, and begun anew."""
    most_bytes: int = MOST_BYTES
    _tracks: dict[Series, _Track | _Share] = field(default_factory=dict)
    _histograms: dict[tuple[Metric, Labels], _Histogram] = field(default_factory=dict)
    _resources: dict[Labels, tuple[bytes, dict[Metric, _Points]]] = field(default_factory=dict)
    _swept: float = -math.inf

    def encode(self, samples: Iterable[Sample]) -> list[bytes]:
        """*samples* as ExportMetricsServiceRequests in protobuf.

        NaN says that the series ended, and travels as a point without a value. Names that are not
        ours are left out.
        """
        touched: dict[int, _Histogram] = {}
        tracks, newest = self._tracks, self._swept
        for series, value, at in samples:
            track = tracks.get(series) or self._begin(series, value, at)
            if track is None:
                continue
            newest = max(newest, at)
            if isinstance(track, _Track):
                self._number(series, track, value, at)
            else:
                histogram, part = track
                histogram.moments.setdefault(at, {})[part] = value
                touched[id(histogram)] = histogram
        for histogram in touched.values():
            self._gathered(histogram)
        bodies = list(self._bodies())
        if newest - self._swept > self.forget_after / 4:
            self._forget(newest)
        return bodies

    def _number(self, series: Series, track: _Track, value: float, at: float) -> None:
        points = track.points
        now = round(at * 1e9)
        if math.isnan(value):  # it ended; if it comes back it is another one
            times = pack("<BQBB", _TIME, now, _FLAGS, _NO_VALUE)
            if points.kind is Kind.COUNTER:
                times += pack("<BQ", _START, nanos(track.start))
            points.waiting.append(message(_POINT, track.attributes + times))
            del self._tracks[series]
            return
        if points.kind is Kind.GAUGE:
            points.waiting.append(track.head + _GAUGE.pack(_TIME, now, _DOUBLE, value))
        else:
            if value < track.last:
                track.start = track.at  # it was reset somewhere after its last sample
            elif at - track.at > self.forget_after:
                track.start = at
            track.last = value
            since = nanos(track.start)
            points.waiting.append(
                track.head + _COUNTER.pack(_TIME, now, _DOUBLE, value, _START, since)
            )
        track.at = at

    def _gathered(self, histogram: _Histogram) -> None:
        """The points of a histogram whose series are all in."""
        for at, said in histogram.moments.items():
            if "count" not in said:
                continue
            count = said["count"]
            if count < histogram.last:
                histogram.start = histogram.at
            elif at - histogram.at > self.forget_after:
                histogram.start = at
            histogram.points.waiting.append(histogram.point(at, said, histogram.start))
            histogram.last, histogram.at = count, at
            if math.isnan(count):  # it ended; if it comes back it is another one
                histogram.last, histogram.at = -math.inf, -math.inf
        histogram.moments.clear()

    def _begin(self, series: Series, value: float, at: float) -> _Track | _Share | None:
        """The track of a series never seen before; None when its name is not ours."""
        metric = BY_SERIES_NAME.get(series.name)
        if metric is None:
            return None
        track: _Track | _Share
        if metric.kind is Kind.HISTOGRAM:
            labels = tuple(pair for pair in series.labels if pair[0] != "le")
            histogram = self._histograms.get((metric, labels))
            if histogram is None:
                histogram = _Histogram(*self._place(metric, labels, 9), at)
                self._histograms[metric, labels] = histogram
            track = histogram, _part(series)
        else:
            points, attributes = self._place(metric, series.labels, 7)
            rest = (_GAUGE if metric.kind is Kind.GAUGE else _COUNTER).size
            head = message(_POINT, attributes + bytes(rest))[:-rest]
            track = _Track(points, head, attributes, at, value, at)
        self._tracks[series] = track
        return track

    def _place(self, metric: Metric, labels: Labels, number: int) -> tuple[_Points, bytes]:
        """Where points of this metric and resource gather, and the attributes of this one."""
        about, own = split(labels)
        if about not in self._resources:
            self._resources[about] = (resource(about), {})
        _, metrics = self._resources[about]
        if metric not in metrics:
            named = string(1, metric.otel) + string(2, metric.help) + string(3, metric.unit)
            metrics[metric] = _Points(named, metric.kind)
        return metrics[metric], b"".join(attribute(number, name, value) for name, value in own)

    def _bodies(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        for head, metrics in self._resources.values():
            filled = [points.take() for points in metrics.values() if points.waiting]
            if not filled:
                continue
            part = message(1, head + message(2, _SCOPE + b"".join(filled)))
            if parts and size + len(part) > self.most_bytes:
                yield b"".join(parts)
                parts, size = [], 0
            parts.append(part)
            size += len(part)
        if parts:
            yield b"".join(parts)

    def _forget(self, now: float) -> None:
        """Let go of series that have not been seen for long, and of what only they used."""
        self._swept = now
        horizon = now - self.forget_after
        self._tracks = {
            series: track for series, track in self._tracks.items() if _owner(track).at > horizon
        }
        self._histograms = {key: one for key, one in self._histograms.items() if one.at > horizon}
        used = {id(_owner(track).points) for track in self._tracks.values()}
        for _, metrics in self._resources.values():
            for metric in [one for one, points in metrics.items() if id(points) not in used]:
                del metrics[metric]
        self._resources = {about: one for about, one in self._resources.items() if one[1]}


_SCOPE = message(1, string(1, "tidegauge"))


def _owner(track: _Track | _Share) -> _Track | _Histogram:
    return track if isinstance(track, _Track) else track[0]


def _part(series: Series) -> float | str:
    """Which part of its histogram a series is: a bound, `sum` or `count`."""
    part = series.name.rpartition("_")[2]
    return float(series.label("le")) if part == "bucket" else part


def nanos(seconds: float) -> int:
    """Unix nanoseconds."""
    return round(seconds * 1e9)
