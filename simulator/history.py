"""Weeks of history for the store, from the coarse model of the same arrivals, as column blocks.

Words and labels are those that collectors give to the live pages, so that a series of history and
the live one are the same series. Counters are anchored at the value the live world begins with
and go on without a reset; should an anchor be too low, history is lifted to begin at zero and the
live world's lower value is read as a normal counter reset. There are no buckets, only sums and
counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.look_alikes.nightly_batch import NightlyBatch
from simulator.past import Past, gateway_past, gpu_past, replica_past
from simulator.traffic import Bend
from simulator.world import World
from vocabulary.metrics import Metric
from vocabulary.samples import Array, Series, labels_of

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples of many series at the same moments."""

    series: tuple[Series, ...]
    times: Array
    """Shape (T,), ascending."""
    values: Array
    """Shape (S, T)."""


def history(
    world: World,
    *,
    span: float = 14 * _DAY,
    step: float = 300.0,
    recent: float = 3600.0,
    recent_step: float = 15.0,
    nightly: Sequence[tuple[float, NightlyBatch]] = (),
) -> Iterator[Block]:
    """*span* seconds that end where *world* starts: coarse steps, then *recent* seconds finely.

    *nightly* are batches that begin so many seconds after the start; history shows each at the
    same time of day on every day. Of what was injected it shows what began before the start.

    Raises:
        ValueError: The world has already moved, so that its counters are no anchor any more.
    """
    if world.now != world.start:
        raise ValueError("history ends where the world starts: build it before the world moves")
    coarse = np.arange(world.start - span, world.start - recent, step)
    fine = np.arange(world.start - recent, world.start, recent_step)
    times = np.concatenate([coarse, fine])
    widths = np.diff(np.append(times, world.start))
    bends = _bends(world, times, nightly)
    rng = np.random.default_rng([world.seed, 11])
    columns: list[tuple[Series, Array]] = []
    for past in _pasts(world, times, widths, bends, rng):
        columns.extend(_columns(past, widths))
    series = tuple(one for one, _values in columns)
    values = np.array([one for _series, one in columns])
    yield Block(series, coarse, values[:, : len(coarse)])
    yield Block(series, fine, values[:, len(coarse) :])


def _pasts(
    world: World,
    times: Array,
    widths: Array,
    bends: Mapping[int, Bend],
    rng: np.random.Generator,
) -> Iterable[Past]:
    for pool in world.spec.deployed:
        pods = world.pods(pool.name)
        sources = world.traffic.of(pool=pool.serves or pool.name)
        own = [bends[id(source)] for source in sources]
        for pod in pods:
            past, busy = replica_past(world, pod, sources, own, times, widths, rng)
            yield past
            for gpu in pod.gpus:
                yield gpu_past(world, gpu, busy, widths, rng)
    for position, holder in enumerate(world.bank.holders):
        if not holder:
            yield gpu_past(world, position, None, widths, rng)
    yield from gateway_past(world, bends, times, widths, rng)


def _columns(past: Past, widths: Array) -> Iterator[tuple[Series, Array]]:
    labels = past.labels
    for metric, own, value in past.gauges:
        yield _series(metric, labels, own), np.broadcast_to(value, widths.shape).astype(float)
    for metric, own, rate, anchor in past.counters:
        yield _series(metric, labels, own), anchored(rate, widths, anchor)
    for metric, own, rate, mean, histogram in past.histograms:
        for part, flow, anchor in (
            ("count", rate, float(histogram.count)),
            ("sum", rate * mean, histogram.total),
        ):
            name = f"{metric.name}_{part}"
            yield Series(name, labels_of({**labels, **own})), anchored(flow, widths, anchor)


def anchored(rate: Array, widths: Array, anchor: float) -> Array:
    """A counter's values that reach *anchor* after the last width.

    *rate* per second holds from each moment until the next. Where more was counted than *anchor*,
    an earlier process counted the first part, from zero: the end always meets the live counter.
    """
    added = rate * widths
    values = anchor - np.cumsum(added[::-1])[::-1]
    earlier = values < 0.0
    return np.where(earlier, np.cumsum(added) - added, values)


def _series(metric: Metric, labels: Mapping[str, str], own: Mapping[str, str]) -> Series:
    return Series(metric.name, labels_of({**labels, **own}))


def _bends(
    world: World, times: Array, nightly: Sequence[tuple[float, NightlyBatch]]
) -> dict[int, Bend]:
    """By source: its nightly batches, and what faults that began in the past did to it."""
    plain = np.ones(len(times))
    found = {id(source): Bend(plain, plain) for source in world.traffic.sources}
    for after, batch in nightly:
        since = (times - (world.start + after)) % _DAY
        factor = np.where(since < batch.duration, batch.factor, 1.0)
        for source in world.traffic.of(batch.tenant, batch.pool):
            found[id(source)] = _both(found[id(source)], Bend(factor, plain))
    for injection in world.injections:
        for key, bend in injection.fault.earlier(world, times - injection.at).items():
            found[key] = _both(found[key], bend)
    return found


def _both(one: Bend, other: Bend) -> Bend:
    return Bend(one.rate * other.rate, one.prompt * other.prompt)
