"""Why it most likely happens: explanations ranked by one fixed rule, each with its reasons.

A score grows with the detector's confidence, with how many of the incident's other findings the
mode explains, how near they are, whether it began first and whether something was changed just
before; it shrinks with evidence that speaks against it and when another finding explains it in
turn. The weights are our judgement; the same findings always give the same order.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from incidents.change_fit import ACTS, TRAFFIC, fits, rank_of
from incidents.correlation import link, root
from incidents.explains import ALONE, SYMPTOMS
from incidents.readings import Readings
from incidents.settings import DeskSettings
from incidents.suspicion import suspicions
from incidents.tracking import Tracked
from metering.prices import spellings
from vocabulary.entities import Change, EntityKind
from vocabulary.incidents import Cause, NearbyChange

UNKNOWN = 0.1
"""Weight of "none of these" against which scores are shares."""

MAX_CAUSES = 5
MAX_CHANGES = 10

_CONSEQUENCES = frozenset({"restart", "scale"})
"""Kinds that are as often what a fault does: suspects only of a pool, and only before the onset."""


def rank(
    tracked: Sequence[Tracked],
    changes: Sequence[NearbyChange],
    readings: Readings,
    settings: DeskSettings,
) -> tuple[Cause, ...]:
    """Causes of the incident that *tracked* (oldest first) make up, best first, shares of one."""
    leaders: dict[str, Tracked] = {}
    for one in tracked:
        leaders.setdefault(one.mode.word, one)
    scored: list[tuple[float, str, Cause]] = []
    for one in leaders.values():
        score, why = _judge(one, list(leaders.values()), changes, settings)
        scored.append((score, one.mode.code, _cause(one, score, why)))
        for other in suspicions(one, readings):
            better = Cause(other.mode, other.entity, score * other.factor, other.why, _ids(one))
            scored.append((better.score, other.mode.code, better))
    scored = _best_of_each(scored)
    total = sum(score for score, _, _ in scored) + UNKNOWN
    ranked = sorted(scored, key=lambda item: (-round(item[0], 9), item[1]))[:MAX_CAUSES]
    return tuple(
        Cause(c.failure_mode, c.entity, round(score / total, 4), c.why, c.evidence_ids)
        for score, _, c in ranked
    )


def _best_of_each(scored: Iterable[tuple[float, str, Cause]]) -> list[tuple[float, str, Cause]]:
    """Each explanation once: what is found may be suspected too, and by several findings."""
    best: dict[tuple[str, str], tuple[float, str, Cause]] = {}
    for item in sorted(scored, key=lambda item: (-item[0], item[1], item[2].why)):
        best.setdefault((item[1], str(item[2].entity)), item)
    return list(best.values())


def nearby(
    changes: Iterable[Change],
    tracked: Sequence[Tracked],
    since: float,
    settings: DeskSettings,
    traffic: Iterable[NearbyChange] = (),
) -> tuple[NearbyChange, ...]:
    """Changes close to the onset in time and to the findings in topology, with the *traffic*'s own.

    The likeliest for what the findings come from is first.
    """
    here = frozenset[str]().union(*(one.acts_on for one in tracked))
    found = list(traffic)
    for change in changes:
        offset = change.at - since
        near = -settings.change_before_seconds <= offset <= settings.change_after_seconds
        if near and _touches(change, here, tracked):
            found.append(NearbyChange(change.at, change.kind, change.entity, change.what, offset))
    if not found:
        return ()
    mode = root(tracked, settings).mode
    found.sort(key=lambda one: rank_of(one, mode))
    return tuple(found[:MAX_CHANGES])


def _touches(change: Change, here: AbstractSet[str], tracked: Sequence[Tracked]) -> bool:
    """Whether *change* was made to anything the findings are about; lists name models otherwise."""
    touched = {str(change.entity), f"pool/{change.pool}", f"model/{change.entity.id}"}
    if touched & here:
        return True
    if change.kind != "price" or not any(fits(change, one.mode) for one in tracked):
        return False
    models = {one.model for one in tracked if one.model}
    listed = any(change.entity.id in spellings(model) for model in models)
    return listed or not models or change.entity.kind is EntityKind.CLUSTER


def _judge(
    one: Tracked,
    leaders: Sequence[Tracked],
    changes: Sequence[NearbyChange],
    settings: DeskSettings,
) -> tuple[float, str]:
    others = [other for other in leaders if other is not one]
    links = [(other, link(one, other, settings)) for other in others]
    explained = [(other, near) for other, near in links if near > 0.0]
    coverage = sum(near for _, near in explained) / len(others) if others else 0.0
    first = all(one.since <= other.since for other in others)
    change = _suspect(one, changes, settings)
    against = [evidence for evidence in one.evidence if evidence.speaks_against]
    score = one.confidence * (0.4 + 0.3 * coverage + 0.1 * first + 0.2 * (change is not None))
    score *= 1.0 - 0.6 * len(against) / max(1, len(one.evidence))
    score *= 0.4 if one.mode in SYMPTOMS else 1.0
    score *= 0.5 if any(link(other, one, settings) > 0.0 for other in others) else 1.0
    reasons = [one.text.rstrip(".")]
    if explained:
        reasons.append("explains " + ", ".join(other.mode.title.lower() for other, _ in explained))
    reasons.append(_order(one, others))
    if 0.0 < one.lost < 1.0 and one.mode.word in ALONE:
        reasons.append(f"{one.lost:.0%} of the pool's replicas did not work")
    if change is not None:
        reasons.append(f"began {_after(change)} {change.kind} ({change.what})")
    reasons.extend(f"against it: {evidence.text.rstrip('.')}" for evidence in against[:2])
    return score, "; ".join(filter(None, reasons))[:600]


def _order(one: Tracked, others: Sequence[Tracked]) -> str:
    """By how much it began before all else that was found; empty when it did not."""
    gap = min((other.since for other in others), default=one.since) - one.since
    return f"began {gap:.0f} s before the rest" if gap >= 1.0 else ""


def _suspect(
    one: Tracked, changes: Sequence[NearbyChange], settings: DeskSettings
) -> NearbyChange | None:
    """The likeliest change that may have brought *one* about; callers are judged by suspicion."""
    for change in changes:
        if change.kind == TRAFFIC or not fits(change, one.mode):
            continue
        offset = change.at - one.since
        latest = settings.change_after_seconds if change.kind in ACTS else 0.0
        seen_only = change.kind in _CONSEQUENCES and change.entity.kind is not EntityKind.POOL
        if -settings.change_before_seconds <= offset <= latest and not seen_only:
            return change
    return None


def _after(change: NearbyChange) -> str:
    minutes = abs(change.offset_seconds) / 60.0
    if minutes < 1.0:
        return "together with"
    return f"{minutes:.0f} min {'after' if change.offset_seconds < 0 else 'before'}"


def _cause(one: Tracked, score: float, why: str) -> Cause:
    return Cause(one.mode, one.entity, score, why, _ids(one))


def _ids(one: Tracked) -> tuple[str, ...]:
    return tuple(evidence.id for evidence in one.evidence)
