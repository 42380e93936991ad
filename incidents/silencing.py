"""Our silences, kept alive in Alertmanager, which forgets the newest ones when it is killed."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from incidents.headline import plain
from incidents.peer import Outcome, Peer
from store.records import Silence
from vocabulary.incidents import rfc3339


class Silencer:
    """Makes each peer hold every silence in force; looks again every *every* seconds."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._checked: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def mirror(self, peer: Peer, silences: Sequence[Silence], now: float) -> None:
        """Create what *peer* lacks. One that a person ended there stays ended."""
        for silence in silences:
            key = (peer.url, silence.id)
            with self._lock:
                fresh = now - self._checked.get(key, float("-inf")) < self._every
            if not fresh and self._held(peer, silence):
                with self._lock:
                    self._checked[key] = now

    def lost(self, url: str) -> None:
        """A peer did not answer: whatever it knew must be looked at anew."""
        with self._lock:
            self._checked = {key: at for key, at in self._checked.items() if key[0] != url}

    def _held(self, peer: Peer, silence: Silence) -> bool:
        known = peer.silences_of(silence.incident)
        if known is None:
            return False
        if _mentioned(known, silence.id):
            return True
        outcome, _ = peer.post_silence(as_alertmanager_takes_it(silence))
        return outcome is not Outcome.UNREACHABLE


def as_alertmanager_takes_it(silence: Silence) -> dict[str, Any]:
    """The body of `POST /api/v2/silences`: it matches this incident and nothing else."""
    return {
        "matchers": matchers(silence.incident),
        "startsAt": rfc3339(silence.starts_at),
        "endsAt": rfc3339(silence.ends_at),
        "createdBy": plain(silence.who, 100) or "tidegauge",
        "comment": f"{plain(silence.reason, 300)} [{silence.id}]".strip(),
    }


def matchers(incident_id: str) -> list[dict[str, Any]]:
    """What a silence of one incident matches."""
    return [{"name": "incident_id", "value": incident_id, "isRegex": False, "isEqual": True}]


def _mentioned(known: Iterable[Mapping[str, Any]], silence_id: str) -> bool:
    return any(f"[{silence_id}]" in str(one.get("comment", "")) for one in known)
