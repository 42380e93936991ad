"""Tables of `detection`: single series, NAB's rules, entities, and series that are an hour old."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.yardstick import nab_profile
from benchmarks.yardstick.judging import (
    Figures,
    Judged,
    Rows,
    drawn,
    figures,
    interval,
    judged,
    verdict,
)
from benchmarks.yardstick.labelled import Entity, Labelled, entities
from benchmarks.yardstick.peers import PEERS
from estimators.alarm_budget import AlarmBudget
from estimators.live_engine import LiveEngine, scored
from estimators.point_anomaly import PointAnomaly
from vocabulary.samples import Array

BUDGETS = (1.0, 0.1, 0.01)
ENTITY_BUDGETS = (1.0, 0.3, 0.1, 0.03)
COLD_SECONDS = 3600.0
OURS = "tidegauge"
Measure = Callable[[Figures, Rows], float]


def single(series: Sequence[Labelled]) -> tuple[dict[str, object], Figures]:
    """Every detector's volume and recalls, ours at its default by set, and its lead."""
    said: dict[str, object] = {}
    found: dict[str, Figures] = {}
    rows = sum(len(one.values) for one in series)
    for name, score in PEERS.items():
        begun = time.process_time()
        scores = [score(one) for one in series]
        spent = time.process_time() - begun
        parts = _judged(series, scores)
        found[name] = figures(parts)
        said[name] = _shown(found[name], BUDGETS) | {
            "microseconds_a_row": round(spent / rows * 1e6, 2)
        }
        if name == OURS:
            said[f"{name} at its default"] = _default(parts)
    said["lead over the best peer"] = _leads(found)
    return said, found[OURS]


def cold(series: Sequence[Labelled], whole: Figures) -> dict[str, object]:
    """The same events by a detector that begins an hour before they are judged."""

    def young(one: Labelled) -> Array:
        begin = max(0, one.first - max(1, round(COLD_SECONDS / one.step)))
        scores = scored(PointAnomaly(), one.times[begin:], one.values[begin:], one.step)
        return np.concatenate([np.full(begin, np.nan), scores])

    found = figures(_judged(series, [young(one) for one in series]))
    samples = drawn(found.of)

    def lost(budget: float) -> Callable[[Rows], float]:
        return lambda rows: 100.0 * (whole.recall(budget, rows) - found.recall(budget, rows))

    return _shown(found, BUDGETS) | {
        f"points_lost_at_{budget:g}": interval(lost(budget), samples, len(found.of))
        for budget in BUDGETS
    }


def nab_scores(series: Sequence[Labelled]) -> dict[str, object]:
    """NAB's standard profile, each alarm told once, for every detector."""
    said: dict[str, object] = {"files": len(series)}
    for name, score in PEERS.items():
        files = [(one.odd, nab_profile.told_once(score(one), one.step)) for one in series]
        said[name] = round(nab_profile.best_score(files), 1)
    return said


def of_entities(folder: Path) -> dict[str, object] | None:
    """Recall of entities that are not well: by any metric, and by what the server goes by.

    That is the second highest of the metrics, each a family of its own, less half of the highest
    that the entity has shown; the last row mutes entities while they are labelled, as the server
    does while an incident is open.
    """
    rules: dict[str, Callable[[Entity, Array], Array]] = {
        "any metric": lambda _, scores: scores.max(axis=1),
        "a second metric agrees": lambda _, scores: np.partition(scores, -2, axis=1)[:, -2],
        "tidegauge: and it is news": partial(_news, incidents=False),
        "tidegauge, incidents open where labelled": partial(_news, incidents=True),
    }
    parts: dict[str, list[Judged]] = {name: [] for name in rules}
    for one, scores in _entity_scores(entities(folder)):
        for name, rule in rules.items():
            evidence = rule(one, scores)
            parts[name].append(judged(one.of, one.odd, evidence, one.first, one.step))
    if not parts["any metric"]:
        return None
    return {name: _shown(figures(found), ENTITY_BUDGETS) for name, found in parts.items()}


def _entity_scores(found: Iterator[Entity]) -> Iterator[tuple[Entity, Array]]:
    for one in found:
        engine = LiveEngine(PointAnomaly(), one.step)
        engine.add(one.values.shape[1])
        times = one.step * np.arange(len(one.values), dtype=np.float64)
        scores = engine.update_block(times, one.values)
        yield one, np.nan_to_num(scores.astype(np.float64), nan=-9.0)


def _news(one: Entity, scores: Array, *, incidents: bool) -> Array:
    """The evidence by which the server judges an entity, row by row."""
    second = np.partition(scores, -2, axis=1)[:, -2]
    budget, found = AlarmBudget(1.0), np.full(len(second), np.nan)
    muted = one.odd & incidents
    for row, evidence in enumerate(second[:, None]):
        budget.tick(one.step * row, evidence, muted[row : row + 1])
        found[row] = budget.news(evidence)[0]
    return found


def _judged(series: Sequence[Labelled], scores: Sequence[Array]) -> list[Judged]:
    return [
        judged(one.of, one.odd, found, one.first, one.step)
        for one, found in zip(series, scores, strict=True)
    ]


def _shown(found: Figures, budgets: Sequence[float]) -> dict[str, object]:
    samples, whole = drawn(found.of), len(found.of)
    return {
        "vus_pr": interval(found.volume, samples, whole),
        "recall_at": {
            f"{one:g}": interval(partial(found.recall, one), samples, whole) for one in budgets
        },
    }


def _leads(found: dict[str, Figures]) -> dict[str, object]:
    """Ours less the peer that is best at it, on the same samples of series."""
    ours, peers = found[OURS], {name: one for name, one in found.items() if name != OURS}
    samples, whole = drawn(ours.of), np.arange(len(ours.of))
    measures: dict[str, Measure] = {"vus_pr": Figures.volume}
    measures |= {f"recall_at_{one:g}": partial(_recall, budget=one) for one in BUDGETS}
    said: dict[str, object] = {}
    for name, measure in measures.items():
        reached = {peer: measure(one, whole) for peer, one in peers.items()}
        best = max(reached, key=reached.__getitem__)
        lead = partial(_lead, measure=measure, ours=ours, peer=peers[best])
        said[name] = {"best_peer": best, "lead": interval(lead, samples, len(whole))}
    return said


def _recall(found: Figures, rows: Rows, *, budget: float) -> float:
    return found.recall(budget, rows)


def _lead(rows: Rows, *, measure: Measure, ours: Figures, peer: Figures) -> float:
    return measure(ours, rows) - measure(peer, rows)


def _default(parts: Sequence[Judged]) -> dict[str, object]:
    """Recall and false pages at the default, by set and their mean."""
    alarm = PointAnomaly().alarm
    counts = np.array([verdict(one, one.scores >= alarm) for one in parts])
    of, days = np.array([one.of for one in parts]), np.array([one.days for one in parts])

    def both(rows: Rows) -> tuple[float, float]:
        sets = [rows[of[rows] == name] for name in np.unique(of[rows])]
        recall = [counts[one, 1].sum() / max(1, counts[one, 0].sum()) for one in sets]
        return float(np.mean(recall)), float(
            np.mean([counts[one, 2].sum() / days[one].sum() for one in sets])
        )

    samples, whole = drawn(of), len(parts)
    by_set = {
        str(name): [round(one, 3) for one in both(np.flatnonzero(of == name))]
        for name in np.unique(of)
    }
    return {
        "recall": interval(lambda rows: both(rows)[0], samples, whole),
        "false_pages_per_series_day": interval(lambda rows: both(rows)[1], samples, whole),
        "recall_and_false_pages_by_set": by_set,
    }
