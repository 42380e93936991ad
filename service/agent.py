"""The agent's loop: read every target each interval, mark what ended, hand the samples on.

One slow or broken target never delays another (see `service/lane.py`), and one that has not
answered when the round closes is `hung` for that round.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from collectors._reading import Reading
from service.lane import Lane
from vocabulary import metrics
from vocabulary.contracts import Collector, Reach, Target
from vocabulary.errors import SourceError
from vocabulary.samples import Sample, Series, labels_of

log = structlog.get_logger(__name__)
NAN = float("nan")
DERIVED = "derived"
"""Source of what is made of a round's hardware readings together."""
STRANGER_SECONDS = 120.0
"""How long a guessed page that was none of ours is left alone; our judgement."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """One node's hardware and who reads it. A real agent has its own node; the demo has several."""

    name: str
    collector: Collector
    node: Target
    reach: Reach


@dataclass(slots=True)
class Agent:
    """Reads targets and hardware once a round."""

    targets: Callable[[], Sequence[Target]]
    read: Callable[[Target, Reach, float], Reading]
    """Reads one page, whatever kind of server it is."""
    reach: Reach
    deliver: Callable[[float, list[Sample]], None]
    hardware: Sequence[Hardware] = ()
    """Collectors of scope node, each run once a round."""
    derive: Callable[[Mapping[str, Reading], float], Iterable[Sample]] = lambda *_: ()
    """What the hardware's readings say together, by the collectors' names."""
    deadline_seconds: float = 6.0
    """Wall seconds a round waits before it calls the rest hung."""
    lane: Lane[Reading] = field(default_factory=Lane)
    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Target URL → (verdict, detail) of the last round, for the doctor and the status page."""
    _seen: dict[str, frozenset[Series]] = field(default_factory=dict)
    _known: dict[str, dict[str, str]] = field(default_factory=dict)
    """What pages told about themselves, so that a silent target keeps its model and engine."""
    _strange: dict[str, float] = field(default_factory=dict)
    """When to look again at guessed pages that were none of ours."""
    _trusted: set[str] = field(default_factory=set)
    """Targets that answered quickly the last time; they are read before the others."""
    _refusals: dict[str, Counter[str]] = field(default_factory=dict)
    """How often each limit refused each target."""

    def round(self, now: float) -> list[Sample]:
        """Read everything once; every sample bears the time *now*."""
        targets = {target.url: target for target in self.targets()}
        self._strange = {url: until for url, until in self._strange.items() if until > now}
        targets = {url: one for url, one in targets.items() if url not in self._strange}
        readings = self._readings(targets, now)
        samples: list[Sample] = []
        for url, target in targets.items():
            samples.extend(self._target_samples(target, readings[url], now))
        ours = {DERIVED, *(one.name for one in self.hardware)}
        for url in self._seen.keys() - targets.keys() - ours:
            samples.extend(self._ended(url, frozenset(), now))
            self._forget(url)
        hardware = {one.name: readings[one.name] for one in self.hardware}
        for name, reading in hardware.items():
            self.verdicts[name] = (reading.verdict, reading.detail)
            told = [*reading.samples, *self._source_up(name, reading.verdict, now)]
            samples.extend(told)
            samples.extend(self._ended(name, frozenset(one.series for one in told), now))
        samples.extend(self._derived(hardware, now))
        self.deliver(now, samples)
        return samples

    def _source_up(self, name: str, verdict: str, now: float) -> Iterable[Sample]:
        """That a source of this node answers, or hangs as a whole; a missing one is no target."""
        if verdict in {"ok", "hung"}:
            node = next(dict(one.node.labels) for one in self.hardware if one.name == name)
            about = {**node, "target": f"node/{name}", "verdict": verdict}
            yield _sample(metrics.TARGET_UP.name, float(verdict == "ok"), now, about)

    def close(self) -> None:
        """Let go of the workers without waiting for hung ones."""
        self.lane.close()

    def _readings(self, targets: Mapping[str, Target], now: float) -> dict[str, Reading]:
        """What each target and each collector of hardware gave; hung where it gave nothing yet."""
        calls: dict[str, Callable[[], Reading]] = {
            one.name: partial(_hardware_reading, one, now) for one in self.hardware
        }
        for url in sorted(targets, key=lambda url: url not in self._trusted):
            calls[url] = partial(_page_reading, self.read, targets[url], self.reach, now)
        found = self.lane.run(calls, self.deadline_seconds)
        self._trusted = {
            name for name, one in found.items() if one.seconds <= self.lane.patience_seconds
        }
        spent, why = self.deadline_seconds, "did not answer before the round closed"
        late = Reading((), "hung", why, spent, limit="time")
        return {name: found.get(name, late) for name in calls}

    def _derived(self, readings: Mapping[str, Reading], now: float) -> list[Sample]:
        try:
            made = list(self.derive(readings, now))
        except Exception:  # what was read is worth keeping without what is made of it
            log.exception("deriving failed")
            made = []
        return [*made, *self._ended(DERIVED, frozenset(one.series for one in made), now)]

    def _forget(self, url: str) -> None:
        self.verdicts.pop(url, None)
        self._known.pop(url, None)
        self._refusals.pop(url, None)

    def _target_samples(self, target: Target, reading: Reading, now: float) -> Iterable[Sample]:
        if not target.expected and target.url not in self._known and reading.verdict != "ok":
            self._strange[target.url] = now + STRANGER_SECONDS
            return
        self.verdicts[target.url] = (reading.verdict, reading.detail)
        yield from reading.samples
        told = self._known.setdefault(target.url, {})
        told.update(_identity(reading.samples))
        if reading.vantage:
            told.setdefault("vantage", reading.vantage)
        about = {**told, **dict(target.labels), "target": target.url}
        up = 1.0 if reading.verdict == "ok" else 0.0
        own = [
            _sample(metrics.TARGET_UP.name, up, now, {**about, "verdict": reading.verdict}),
            _sample(metrics.TARGET_SCRAPE_DURATION.name, reading.seconds, now, about),
            _sample(metrics.TARGET_SAMPLES.name, float(len(reading.samples)), now, about),
            *self._refused(target.url, reading.limit, about, now),
        ]
        yield from own
        kept = frozenset(one.series for one in (*reading.samples, *own))
        yield from self._ended(target.url, kept, now)

    def _refused(
        self, url: str, limit: str, about: Mapping[str, str], now: float
    ) -> Iterable[Sample]:
        """How often each limit that ever refused this target did."""
        if limit:
            self._refusals.setdefault(url, Counter())[limit] += 1
        for which, count in self._refusals.get(url, {}).items():
            labels = {**about, "limit": which}
            yield _sample(metrics.TARGET_REFUSALS.name, float(count), now, labels)

    def _ended(self, source: str, present: frozenset[Series], now: float) -> Iterable[Sample]:
        """Staleness marks for series this source had in the last round and has no more."""
        for series in self._seen.get(source, frozenset()) - present:
            yield Sample(series, NAN, now)
        if present:
            self._seen[source] = present
        else:
            self._seen.pop(source, None)


def _page_reading(
    read: Callable[[Target, Reach, float], Reading], target: Target, reach: Reach, now: float
) -> Reading:
    """Read one page; a page that breaks its collector must not stop the others."""
    try:
        return read(target, reach, now)
    except Exception as error:
        log.exception("a page broke its collector", target=target.url)
        return Reading((), "failed", type(error).__name__)


def _hardware_reading(hardware: Hardware, now: float) -> Reading:
    """Run one hardware collector; a broken driver must not stop the pages."""
    began = time.perf_counter()
    try:
        samples = tuple(hardware.collector.collect(hardware.node, hardware.reach, now))
    except SourceError as error:
        return Reading((), error.verdict, str(error))
    except Exception as error:
        log.exception("collector failed", collector=hardware.name)
        return Reading((), "failed", type(error).__name__)
    spent = time.perf_counter() - began
    labels = {**dict(hardware.node.labels), "collector": hardware.name}
    duration = _sample(metrics.COLLECTOR_DURATION.name, spent, now, labels)
    return Reading((*samples, duration), "ok", "", spent)


def _identity(samples: Sequence[Sample]) -> dict[str, str]:
    """Labels that only the page could tell: which model, which engine, which vantage."""
    found: dict[str, str] = {}
    for sample in samples:
        labels = dict(sample.series.labels)
        for name in ("engine", "vantage", "version"):
            if name in labels:
                found.setdefault(name, labels[name])
        if labels.get("vantage") == "engine":
            for name in ("model", "pool"):
                if name in labels:
                    found.setdefault(name, labels[name])
        if len(found) == 5:
            break
    return found


def _sample(name: str, value: float, at: float, labels: Mapping[str, str]) -> Sample:
    return Sample(Series(name, labels_of(labels)), value, at)
