"""Keeps the pods of one node at hand: list once, then watch, and start over when told to.

While the API does not answer, the pods known last stay known: an agent goes on reading its node
through an outage of the control plane.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from service.kubernetes.api_server import ApiServer, Expired
from service.kubernetes.pod_changes import changes_between
from service.kubernetes.pod_objects import pod_of
from vocabulary.entities import Change
from vocabulary.errors import SourceError
from vocabulary.pods import Pod

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PodWatch:
    """Pods of one node, kept current by a thread of its own."""

    api: ApiServer
    node: str
    cluster: str
    now: Callable[[], float]
    """Unix seconds: when a change happened that bears no time of its own."""
    pause_seconds: float = 1.0
    """First pause after a failure; it doubles up to `longest_pause_seconds`."""
    longest_pause_seconds: float = 30.0
    trouble: str = "not listed yet"
    """Why the pods may be out of date; empty while they are not."""
    _pods: Mapping[str, Pod] = field(default_factory=dict)
    _changes: deque[Change] = field(default_factory=lambda: deque(maxlen=1000))
    _version: str = ""
    _listed: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def pods(self) -> tuple[Pod, ...]:
        """Every pod of the node that may run, as known now."""
        return tuple(one for one in self._pods.values() if not one.ended)

    def take_changes(self) -> list[Change]:
        """Changes seen since the last time."""
        taken = []
        while self._changes:
            taken.append(self._changes.popleft())
        return taken

    def start(self) -> None:
        """Begin to follow."""
        self._thread = threading.Thread(target=self._run, name="pods", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a request under way is left behind."""
        self._stop.set()
        self.api.close()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        pause = self.pause_seconds
        while not self._stop.is_set():
            try:
                self.turn()
                pause = self.pause_seconds
                continue
            except SourceError as error:
                self.trouble = str(error)
            except Exception as error:
                self.trouble = type(error).__name__
                if not self._stop.is_set():
                    log.exception("following pods failed")
            if not self._stop.is_set():
                log.warning("pods are out of date", why=self.trouble, next_try_seconds=pause)
            self._stop.wait(pause)
            pause = min(2.0 * pause, self.longest_pause_seconds)

    def turn(self) -> None:
        """List if need be, and follow one watch to its end.

        Raises:
            SourceError: The API is in that state.
        """
        try:
            if not self._version:
                self._list()
            for kind, body in self.api.watch_pods(self.node, self._version):
                self.trouble = ""
                self._take(kind, body)
                if self._stop.is_set():
                    return
        except Expired:
            self._version = ""  # what happened meanwhile shows by comparison with the new list
            raise

    def _list(self) -> None:
        """The first list may come from the server's cache; one after 410 must be up to date."""
        bodies, version = self.api.list_pods(self.node, "" if self._listed else "0")
        fresh = {pod.uid: pod for pod in map(_pod, bodies) if pod is not None}
        if self._listed:
            for uid, pod in fresh.items():
                self._note(self._pods.get(uid), pod)
        self._pods, self._version, self._listed, self.trouble = fresh, version, True, ""

    def _take(self, kind: str, body: Mapping[str, Any]) -> None:
        meta = body.get("metadata")
        version = str(meta.get("resourceVersion", "")) if isinstance(meta, dict) else ""
        pod = None if kind == "BOOKMARK" else _pod(body)
        if pod is not None and kind == "DELETED":
            self._note(self._pods.get(pod.uid), pod)
            self._pods = {uid: one for uid, one in self._pods.items() if uid != pod.uid}
        elif pod is not None and kind in {"ADDED", "MODIFIED"}:
            self._note(self._pods.get(pod.uid), pod)
            self._pods = {**self._pods, pod.uid: pod}
        self._version = version or self._version

    def _note(self, before: Pod | None, after: Pod) -> None:
        self._changes.extend(changes_between(before, after, self.cluster, self.now()))


def _pod(body: Mapping[str, Any]) -> Pod | None:
    try:
        return pod_of(body)
    except ValueError:
        return None
