"""Who asks what and when: tenants with a day and a week, replaying the real traces' bursts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from simulator.calls import Arrival
from simulator.spans import SpanLog
from simulator.traces import Trace, load
from vocabulary.samples import Array

_HOUR = 3600.0
_DAY = 24 * _HOUR
_RATE_HOLDS = 15.0
"""Seconds for which a computed rate is used again; seasons and noise are far slower."""
_NOISE_STEP = 300.0
_NOISE_SIGMA = 0.08
"""Lognormal spread of a tenant's rate around its season. Our judgement."""
_NOISE_MEMORY = 0.9
_NOISE_LENGTH = 4096
"""Steps before the noise repeats: a little over 14 days."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of every day in which a tenant asks more: its nightly batch."""

    hour: float
    """When it begins, hours of the day in UTC."""
    seconds: float
    factor: float
    """By how much the rate is multiplied."""

    def at(self, times: Array) -> Array:
        """The multiplier at *times*."""
        since = (times - self.hour * _HOUR) % _DAY
        return np.where(since < self.seconds, self.factor, 1.0)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who is charged, and how its day and week go."""

    name: str
    peak_hour: float = 14.0
    """Busiest hour of the day, UTC."""
    swing: float = 0.5
    """How far the day rises above and falls below its mean, 0 to 1."""
    weekend: float = 0.7
    """Saturday and Sunday against a working day."""
    nightly: Window | None = None

    def season(self, times: Array) -> Array:
        """Rate over its weekly mean, without noise and without the nightly window."""
        hours = times / _HOUR
        day = 1.0 + self.swing * np.cos((hours - self.peak_hour) * 2 * np.pi / 24.0)
        weekday = (np.floor(times / _DAY).astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
        week = np.where(weekday >= 5, self.weekend, 1.0) * 7.0 / (5.0 + 2.0 * self.weekend)
        return np.asarray(day * week, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Stream:
    """The requests of one tenant to one pool."""

    tenant: str
    pool: str
    trace: str
    rate: float
    """Requests a second, mean over a week."""
    cached: float = 0.2
    """Share of a prompt that the prefix cache holds."""
    voices: int = 1
    """Independent replays of the trace that share the rate: that many teams behind one key."""


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """What multiplies a stream at each moment of the past."""

    rate: Array
    prompt: Array


class Source(Protocol):
    """Something that asks."""

    def until(self, start: float, end: float) -> Iterator[Arrival]:
        """The calls in [start, end), in order of time."""
        ...


def noise_table(seed: int, index: int) -> Array:
    """Slow lognormal noise of one stream, mean one: the same for history and for the live world."""
    drawn = np.random.default_rng([seed, 101, index]).standard_normal(_NOISE_LENGTH)
    fresh = np.sqrt(1.0 - _NOISE_MEMORY**2)
    out = np.empty(_NOISE_LENGTH)
    value = float(drawn[0])
    for step in range(_NOISE_LENGTH):
        value = _NOISE_MEMORY * value + fresh * float(drawn[step])
        out[step] = value
    return np.asarray(np.exp(_NOISE_SIGMA * out - _NOISE_SIGMA**2 / 2), dtype=np.float64)


@dataclass(slots=True)
class StreamSource:
    """Replays a trace in the rhythm of its tenant: a gap of one is one over the rate of now."""

    stream: Stream
    tenant: Tenant
    trace: Trace
    noise: Array
    position: int
    """Next request of the trace."""
    longest: int
    """Longest prompt the pool takes, in tokens."""
    due: float = 0.0
    """Expected requests until the next one is due."""
    rate_factor: float = 1.0
    prompt_factor: float = 1.0
    output_factor: float = 1.0
    cached_factor: float = 1.0
    clock_shift: float = 0.0
    """Seconds by which its callers' day is early: their clocks were put forward."""
    rate_now: float = 0.0
    rate_until: float = 0.0

    def rate(self, times: Array) -> Array:
        """Requests a second at *times*, without what faults add."""
        steps = times / _NOISE_STEP
        below = np.floor(steps).astype(np.int64)
        share = steps - below
        noise = (1 - share) * self.noise[below % _NOISE_LENGTH] + share * self.noise[
            (below + 1) % _NOISE_LENGTH
        ]
        local = times + self.clock_shift
        nightly = self.tenant.nightly.at(local) if self.tenant.nightly else 1.0
        usual = self.stream.rate / self.stream.voices
        found = usual * self.tenant.season(local) * nightly * noise
        return np.asarray(found, dtype=np.float64)

    def rate_at(self, now: float) -> float:
        """Calls a second *now*, with what faults add; computed every few seconds."""
        if now >= self.rate_until:
            self.rate_now = float(self.rate(np.array([now]))[0])
            self.rate_until = now + _RATE_HOLDS
        return self.rate_now * self.rate_factor

    def until(self, start: float, end: float) -> Iterator[Arrival]:
        """The calls in [start, end)."""
        rate = self.rate_at(start)
        if rate <= 0.0:
            return
        at = start + self.due / rate
        while at < end:
            index = self.position
            self.position = (index + 1) % len(self.trace)
            yield Arrival(
                at,
                self.stream.tenant,
                self.stream.pool,
                max(1, min(self.longest, int(self.trace.input_tokens[index] * self.prompt_factor))),
                max(1, int(self.trace.output_tokens[index] * self.output_factor)),
                self.stream.cached * self.cached_factor,
            )
            at += float(self.trace.gaps[self.position]) / rate
        self.due = (at - end) * rate


@dataclass(slots=True)
class Poisson:
    """One key calling at random moments, with prompts and answers around one size."""

    tenant: str
    pool: str
    rate: float
    """Calls a second."""
    input_tokens: int
    output_tokens: int
    cached: float
    rng: np.random.Generator
    next_at: float = -1.0
    spread: float = 0.0
    """Lognormal spread of the sizes: 0 for a program's calls, more where many people share it."""

    def until(self, start: float, end: float) -> Iterator[Arrival]:
        """The calls in [start, end)."""
        if self.next_at < 0:
            self.next_at = start + float(self.rng.exponential(1.0 / self.rate))
        while self.next_at < end:
            prompt, answer = (self._size(one) for one in (self.input_tokens, self.output_tokens))
            yield Arrival(self.next_at, self.tenant, self.pool, prompt, answer, self.cached)
            self.next_at += float(self.rng.exponential(1.0 / self.rate))

    def _size(self, mean: int) -> int:
        if not self.spread:
            return mean
        return max(1, int(mean * self.rng.lognormal(-(self.spread**2) / 2.0, self.spread)))


@dataclass(slots=True)
class Traffic:
    """All sources together."""

    sources: list[StreamSource]
    extra: list[Source] = field(default_factory=list)
    """What faults add."""
    spans: SpanLog = field(default_factory=SpanLog)
    """What applications trace of their agents."""

    def until(self, start: float, end: float) -> list[Arrival]:
        """Every call in [start, end), in order of time."""
        found = [call for one in (*self.sources, *self.extra) for call in one.until(start, end)]
        found.sort(key=lambda call: call.at)
        return found

    def move(self, tenant: str, pool: str, to: str, share: float) -> None:
        """Send a *share* of a tenant's calls to *pool* to another; their sum stays."""
        left, came = self.of(tenant, pool), self.of(tenant, to)
        moved = share * sum(one.stream.rate / one.stream.voices for one in left)
        before = sum(one.stream.rate / one.stream.voices for one in came)
        for source in left:
            source.rate_factor = 1.0 - share
        for source in came:
            source.rate_factor = 1.0 + moved / before

    def move_back(self, tenant: str) -> None:
        """Every stream of a tenant at its usual rate again."""
        for source in self.of(tenant):
            source.rate_factor = 1.0

    def of(self, tenant: str = "", pool: str = "") -> list[StreamSource]:
        """The streams of a tenant, of a pool, or of one tenant to one pool."""
        return [
            one
            for one in self.sources
            if tenant in ("", one.stream.tenant) and pool in ("", one.stream.pool)
        ]


def open_traffic(
    seed: int, tenants: Sequence[Tenant], streams: Sequence[Stream], longest: dict[str, int]
) -> Traffic:
    """Traffic of *streams*, each beginning somewhere in its trace; *longest* prompt by pool."""
    by_name = {tenant.name: tenant for tenant in tenants}
    starts = np.random.default_rng([seed, 102])
    sources: list[StreamSource] = []
    for index, stream in enumerate(streams):
        trace = load(stream.trace)
        noise = noise_table(seed, index)
        sources.extend(
            StreamSource(
                stream,
                by_name[stream.tenant],
                trace,
                noise,
                int(starts.integers(len(trace))),
                longest[stream.pool],
            )
            for _ in range(stream.voices)
        )
    return Traffic(sources)
