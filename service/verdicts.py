"""What changes did to pools, evaluated when somebody asks and remembered for a while."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from incidents.change_verdicts import Subject, act_of, subject_of, verdict_on
from incidents.verdict_words import Word, verdict_json
from store.asking import Asking
from vocabulary.entities import Change
from vocabulary.errors import StoreError
from vocabulary.scene import Scene

FRESH_SECONDS = 60.0
"""How long a verdict that may still change is believed: the step of what it is made from."""
MOST_KEPT = 500
"""Verdicts remembered; beyond it the oldest are made again when asked for."""

NOTHING_ON_IT = "no replica was measured on this node"


@dataclass(slots=True)
class Verdicts:
    """One verdict for each act on a pool or a node.

    One is made at a time, so that reading starves nobody.
    """

    store: Asking
    scene: Callable[[], Scene]
    _kept: dict[tuple[Subject, float, float], tuple[float, dict[str, Any]]] = field(
        default_factory=dict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, change: Change) -> Mapping[str, Any] | None:
        """What *change* did so far, as the API tells it; None for what is no question."""
        subject = subject_of(change)
        if subject is None:
            return None
        scene = self.scene()
        span = act_of(change, scene.changes, scene.now)
        key = (subject, span.first, span.last)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and (kept[1]["final"] or scene.now - kept[0] < FRESH_SECONDS):
                return kept[1]
            told = self._told(change, scene.changes, scene.now)
            self._kept[key] = (scene.now, told)
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            return told

    def _told(self, change: Change, changes: Sequence[Change], now: float) -> dict[str, Any]:
        try:
            found = verdict_on(change, changes, self.store.evaluate, now)
        except StoreError as error:
            return _none(str(error))
        if found is None:
            return _none(NOTHING_ON_IT)
        return verdict_json(found)


def _none(why: str) -> dict[str, Any]:
    return {"word": Word.CANNOT_TELL.value, "text": why, "final": False, "signals": []}
