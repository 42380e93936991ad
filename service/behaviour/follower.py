"""Feeds the live engine tick by tick, and says what it found unusual: evidence, not tickets.

Whatever is odd is kept as a move, so that a person who looks into an incident sees which signal
of which entity moved first and most. Where two families of one entity are odder than the fleet's
weekly budget of false statements allows, its behaviour is called unusual and counted: figures
that say whether this could be a ticket one day. Entities in open incidents teach nothing.
"""

import base64
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import structlog

from estimators.alarm_budget import AlarmBudget, corroborated
from estimators.engine_snapshot import SnapshotRefused, from_bytes, to_bytes
from estimators.live_engine import LiveEngine
from estimators.point_anomaly import PointAnomaly
from fleet import identity
from service.behaviour.moves import Move, Moves
from service.behaviour.signals_watched import BY_SIGNAL, FAMILIES, FOLLOWED, entity_of
from vocabulary import metrics
from vocabulary.samples import Array, Labels, Sample, Series, labels_of
from vocabulary.scene import Scene, Watch

log = structlog.get_logger(__name__)
Key = tuple[int, Labels]
FORGET_SECONDS = 2 * 86_400.0
"""A series without a value for so long is forgotten: the weekend of a pool scaled to zero."""
TIDY_SECONDS = 3600.0
AGREE_SECONDS = 300.0
"""Families that move within so long agree: signals look through windows of one to five minutes."""
CATCH_UP_SECONDS = 7200.0
"""How much of the store's past a new engine learns from at once: it judges after 50 rows, and two
hours hold what minutes repeat. Our judgement."""
MOST_SERIES = 200_000
"""Series that are followed; beyond it new ones are not. Our judgement: 60 MB of state."""
LEVEL = 4
"""Which of the engine's averages is called usual: that over 72 rows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a followed series belongs."""

    entity: str
    pool: str
    model: str


@dataclass(slots=True)
class Follower:
    """The engine, its budget, and the moves, for one fleet."""

    interval: float
    per_week: float = 7.0
    judge: PointAnomaly = field(default_factory=PointAnomaly)
    moves: Moves = field(default_factory=Moves)
    ignored: int = 0
    """Series that were not followed because of the limit."""
    alarms: int = 0
    """Statements of unusual behaviour since the start."""
    unusual: dict[str, float] = field(default_factory=dict)
    """Entities whose behaviour is unusual now, and since when."""
    engine: LiveEngine = field(init=False)
    budget: AlarmBudget = field(init=False)
    _keys: dict[Key, int] = field(default_factory=dict)
    _places: list[Place] = field(default_factory=list)
    _entities: dict[str, int] = field(default_factory=dict)
    _of: list[int] = field(default_factory=list)
    """Index of each series' entity."""
    _family: list[int] = field(default_factory=list)
    _seen: list[float] = field(default_factory=list)
    _held: Array = field(default_factory=lambda: np.empty(0))
    """Scores of the last minutes, fading."""
    _tidied: float = 0.0
    _lock: Any = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        """Of nothing anything is known."""
        self.engine = LiveEngine(self.judge, self.interval)
        self.budget = AlarmBudget(self.per_week)
        for names in (self._keys, self._places, self._entities, self._of, self._family, self._seen):
            names.clear()
        self.unusual, self._held = {}, np.empty(0)

    def tick(self, scene: Scene) -> list[Sample]:
        """Take in one moment; gives the series that say what it showed.

        It is evidence: when it fails it begins anew, and incidents are judged without it.
        """
        with self._lock:
            try:
                return self._tick(scene)
            except Exception:
                log.exception("what moves is not followed; it begins anew")
                self._begin()
                return []

    def _tick(self, scene: Scene) -> list[Sample]:
        if not self.engine.rows:
            self._catch_up(scene)
        values = self._read(scene)
        frozen = self._frozen(scene)
        usual = self.engine.levels(LEVEL)
        scores = self.engine.update(scene.now, values, frozen).astype(np.float64)
        self._note(scene.now, values, scores, usual)
        self._judge(scene.now, scores, frozen)
        self._tidy(scene.now)
        return list(self._samples(scene.now))

    def told(self, start: float, end: float) -> dict[str, Any]:
        """What moved in a span, and how the budget is kept."""
        with self._lock:
            return {
                "moves": [one.as_json() for one in self.moves.between(start, end)],
                "unusual": sorted(self.unusual),
                "series": len(self.engine),
                "budget": {
                    "per_week": self.budget.per_week,
                    "bar": _finite(self.budget.bar),
                    "allowed_lately": round(self.budget.nominal, 2),
                    "made_lately": round(self.budget.realised, 2),
                    "correction": round(self.budget.correction, 2),
                },
            }

    # -- one tick ---------------------------------------------------------------------------------

    def _catch_up(self, scene: Scene) -> None:
        """Begin with what the store still knows of the last hours, incidents left out."""
        rows: dict[Key, Array] = {}
        times = np.empty(0)
        for index, one in enumerate(FOLLOWED):
            frame = scene.frame(Watch(one.signal, CATCH_UP_SECONDS, self.interval))
            for labels, row in zip(frame.labels, frame.values, strict=True):
                if np.isfinite(row).any() and entity_of(dict(labels)) is not None:
                    rows[index, labels], times = row, frame.times
        if not rows:
            return
        self._welcome(list(rows))
        block, troubles = np.full((len(times), len(self.engine)), np.nan), _troubles(scene)
        for key, slot in self._keys.items():
            block[:, slot] = rows[key]
            place = self._places[slot]
            for name in (place.entity, f"pool/{place.pool}"):
                for start, end in troubles.get(name, ()):
                    block[(times >= start) & (times <= end), slot] = np.nan
        self._seen = [float(times[-1])] * len(self._seen)
        past = times < scene.now - 0.5 * self.interval
        self.engine.update_block(times[past], block[past])

    def _read(self, scene: Scene) -> Array:
        found: dict[Key, float] = {}
        for index, one in enumerate(FOLLOWED):
            frame = scene.frame(Watch(one.signal, self.interval, self.interval))
            for labels, row in zip(frame.labels, frame.values, strict=True):
                key, value = (index, labels), float(row[-1])
                if isfinite(value) and (key in self._keys or entity_of(dict(labels)) is not None):
                    found[key] = value
        self._welcome([key for key in found if key not in self._keys])
        values = np.full(len(self.engine), np.nan)
        for key, value in found.items():
            slot = self._keys.get(key)
            if slot is not None:
                values[slot] = value
                self._seen[slot] = scene.now
        return values

    def _welcome(self, keys: list[Key]) -> None:
        """Series that come; those of one signal are kin."""
        room = MOST_SERIES - len(self.engine)
        self.ignored = max(0, len(keys) - room)
        for index in sorted({key[0] for key in keys[:room]}):
            mine = [key for key in keys[:room] if key[0] == index]
            self.engine.add(len(mine), family=index, least=FOLLOWED[index].least)
            for key in mine:
                self._place(key)

    def _place(self, key: Key) -> None:
        """The next column is this series."""
        labels = dict(key[1])
        entity = str(entity_of(labels))
        self._keys[key] = len(self._places)
        self._places.append(Place(entity, labels.get("pool", ""), labels.get("model", "")))
        self._of.append(self._entities.setdefault(entity, len(self._entities)))
        self._family.append(FOLLOWED[key[0]].family)
        self._seen.append(0.0)

    def _frozen(self, scene: Scene) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Series of replicas, GPUs and pools in an open incident."""
        troubled = {
            name
            for name, spans in _troubles(scene).items()
            if any(start <= scene.now <= end for start, end in spans)
        }
        if not troubled:
            return np.zeros(len(self._places), np.bool_)
        return np.array(
            [bool({one.entity, f"pool/{one.pool}"} & troubled) for one in self._places], np.bool_
        )

    def _note(self, now: float, values: Array, scores: Array, usual: Array) -> None:
        odd = np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) >= self.judge.alarm)
        names = {slot: key for key, slot in self._keys.items()} if odd.size else {}
        for slot in odd.tolist():
            place, followed = self._places[slot], FOLLOWED[names[slot][0]]
            self.moves.note(
                Move(
                    place.entity,
                    followed.signal.name,
                    FAMILIES[followed.family],
                    place.pool,
                    place.model,
                    now - self.interval,  # a score counts for no more than its predecessor
                    now,
                    float(scores[slot]),
                    float(values[slot]),
                    float(usual[slot]),
                )
            )
        self.moves.settle(now)

    def _judge(
        self, now: float, scores: Array, frozen: np.ndarray[Any, np.dtype[np.bool_]]
    ) -> None:
        of, family = np.array(self._of, np.intp), np.array(self._family, np.intp)
        held = np.concatenate([self._held, np.full(len(scores) - len(self._held), np.nan)])
        fade = self.judge.alarm * self.interval / AGREE_SECONDS
        self._held = np.fmax(scores, np.maximum(held - fade, 0.0))
        evidence = corroborated(self._held, of, family, len(self._entities), len(FAMILIES))
        muted = np.zeros(len(self._entities), np.bool_)
        muted[of[frozen]] = True
        new = self.budget.tick(now, evidence, muted)
        self.alarms += int(new.sum())
        names = list(self._entities)
        for slot in np.flatnonzero(new):
            self.unusual[names[slot]] = now
        going = {names[slot] for slot in np.flatnonzero(self.budget.over)}
        self.unusual = {name: at for name, at in self.unusual.items() if name in going}

    def _samples(self, now: float) -> Iterable[Sample]:
        def say(metric: metrics.Metric, value: float, **labels: str) -> Sample:
            return Sample(Series(metric.name, labels_of(labels)), value, now)

        yield say(metrics.BEHAVIOUR_SERIES, float(len(self.engine)))
        yield say(metrics.BEHAVIOUR_STATEMENTS, float(self.alarms))
        yield say(metrics.BEHAVIOUR_ALLOWED, self.budget.per_week)
        if np.isfinite(self.budget.bar):
            yield say(metrics.BEHAVIOUR_BAR, self.budget.bar)
        if self.budget.nominal >= 1.0:
            ratio = self.budget.realised / self.budget.nominal
            yield say(metrics.BEHAVIOUR_BUDGET_RATIO, ratio)

    # -- series that go, and restarts -------------------------------------------------------------

    def _tidy(self, now: float) -> None:
        if now - self._tidied < TIDY_SECONDS:
            return
        self._tidied = now
        staying = [slot for slot, seen in enumerate(self._seen) if now - seen < FORGET_SECONDS]
        if len(staying) < len(self._seen):
            self._keep(staying)

    def _keep(self, staying: list[int]) -> None:
        self.engine.keep(np.array(staying, np.intp))
        moved = {old: new for new, old in enumerate(staying)}
        self._held = self._held[[slot for slot in staying if slot < len(self._held)]]
        self._keys = {key: moved[slot] for key, slot in self._keys.items() if slot in moved}
        self._places = [self._places[slot] for slot in staying]
        self._seen = [self._seen[slot] for slot in staying]
        self._family = [self._family[slot] for slot in staying]
        before = self._entities
        self._entities = {}
        for place in self._places:
            self._entities.setdefault(place.entity, len(self._entities))
        self._of = [self._entities[place.entity] for place in self._places]
        self.budget.keep(np.array([before[name] for name in self._entities], np.intp))

    def snapshot(self) -> dict[str, Any]:
        """What must survive a restart."""
        with self._lock:
            keys = sorted(self._keys.items(), key=lambda pair: pair[1])
            return {
                "version": 1,
                "series": [[FOLLOWED[key[0]].signal.name, key[1]] for key, _ in keys],
                "seen": self._seen,
                "engine": base64.b64encode(to_bytes(self.engine)).decode(),
                "budget": self.budget.as_json(),
                "moves": self.moves.kept(),
                "statements": self.alarms,
            }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on where another one stopped; what cannot be used is said and learnt anew."""
        try:
            engine = from_bytes(base64.b64decode(kept["engine"]), self.judge, self.interval)
            names = _names(kept, len(engine))
            self.budget.restore(kept["budget"])
            self.moves.restore(kept["moves"])
        except (SnapshotRefused, KeyError, TypeError, ValueError) as error:
            log.warning("what is usual is learnt anew", why=str(error))
            self._begin()
            return
        self.alarms = int(kept["statements"])
        self._take_over(engine, names, kept["seen"])

    def _take_over(
        self, engine: LiveEngine, names: list[tuple[str, Labels]], seen: list[float]
    ) -> None:
        """Columns of an engine that was kept; signals that are followed no more are left out."""
        known = [slot for slot, (name, _) in enumerate(names) if name in BY_SIGNAL]
        engine.keep(np.array(known, np.intp))
        self.engine = engine
        for slot in known:
            name, labels = names[slot]
            engine.state["family"][len(self._places)] = BY_SIGNAL[name]
            self._place((BY_SIGNAL[name], labels))
            self._seen[-1] = float(seen[slot])


def _troubles(scene: Scene) -> dict[str, tuple[tuple[float, float], ...]]:
    """Spans of trouble by place; what happens to a replica or its pool happens to its GPUs."""
    found = dict(scene.troubled)
    for one in scene.replicas:
        spans = (*found.get(str(one.entity), ()), *scene.troubled.get(f"pool/{one.pool}", ()))
        for gpu in one.gpus if spans else ():
            name = str(identity.gpu(gpu))
            found[name] = (*found.get(name, ()), *spans)
    return found


def _names(kept: dict[str, Any], count: int) -> list[tuple[str, Labels]]:
    """Which series the columns of a snapshot are.

    Raises:
        SnapshotRefused: There are not as many as columns.
    """
    names = [
        (str(name), labels_of([(label, value) for label, value in pairs]))
        for name, pairs in kept["series"]
    ]
    if len(names) != count or len(kept["seen"]) != count:
        raise SnapshotRefused(f"{len(names)} names for {count} series")
    return names


def _finite(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
