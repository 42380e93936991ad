"""Keeps objects of one kind at hand without a gap: list once, watch, list again when told to.

Each object is reduced at once to what somebody asks for, and two looks at it are compared by
whoever wants to know what changed. What happened while nobody watched (a cut connection, 410, our
own restart) shows by comparing what was known with the new list; nothing is told twice.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from service.kubernetes.api_server import ApiServer, Expired, NotServed, Resource
from vocabulary.errors import SourceError

log = structlog.get_logger(__name__)
Seen = TypeVar("Seen")
RARELY = 300.0
"""Seconds until a kind is asked for again that this cluster has not: somebody may install it. Our
judgement."""


@dataclass(slots=True)
class Informer(Generic[Seen]):
    """Objects of one kind by uid, kept current by a thread of its own.

    While the API does not answer, what was known last stays known.
    """

    api: ApiServer
    resource: Resource
    read: Callable[[Mapping[str, Any]], Seen]
    """Reduces an object; ValueError: it is none of ours."""
    changed: Callable[[Seen | None, Seen | None], None]
    """Told of (before, after); None before one appeared and after it went. What is there at the
    very first list has not changed, unless an earlier life `remembers` otherwise."""
    known: Mapping[str, Seen] = field(default_factory=dict)
    pause_seconds: float = 1.0
    """First pause after a failure; it doubles up to `longest_pause_seconds`."""
    longest_pause_seconds: float = 30.0
    remembers: bool = False
    """`known` is what an earlier life had listed, be it nothing."""
    trouble: str = "not listed yet"
    """Why the objects may be out of date; empty while they are not."""
    version: str = ""
    listed: bool = False
    revision: int = 0
    """Grows whenever `known` does not hold what it held before."""
    _path: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow."""
        name = f"follow {self.resource.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; returns at once."""
        self._stop.set()
        self.api.close()

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Stop, and wait a moment for the end; a request under way is left behind."""
        self.stop()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def turn(self) -> None:
        """List if need be, and follow one watch to its end.

        Raises:
            SourceError: The API is in that state.
        """
        try:
            if not self.version:
                self.relist()
            for kind, body in self.api.watch(self.resource, self.version, self._path):
                self.trouble = ""
                self._take(kind, body)
                if self._stop.is_set():
                    return
        except Expired:
            self.version = ""  # what happened meanwhile shows by comparison with the new list
            raise

    def relist(self) -> None:
        """Take a whole list. The first may come from the server's cache, which may lie behind; one
        that is compared with something known may not.

        Raises:
            SourceError: The API is in that state.
        """  # noqa: D205 - one sentence does not hold it
        compared = self.listed or self.remembers or bool(self.known)
        bodies, version = self._first_served("" if compared else "0")
        fresh = dict(filter(None, map(self._reduced, bodies)))
        if compared:
            for uid, one in fresh.items():
                self._tell(self.known.get(uid), one)
            for uid in self.known.keys() - fresh.keys():
                self._tell(self.known[uid], None)
        self.known, self.version, self.listed, self.trouble = fresh, version, True, ""
        self.revision += 1

    def _first_served(self, version: str) -> tuple[list[dict[str, Any]], str]:
        for path in self.resource.paths[:-1]:
            try:
                found = self.api.list(self.resource, version, path)
            except NotServed:
                continue
            self._path = path
            return found
        self._path = self.resource.paths[-1]
        return self.api.list(self.resource, version, self._path)

    def _take(self, kind: str, body: Mapping[str, Any]) -> None:
        meta = body.get("metadata")
        version = str(meta.get("resourceVersion", "")) if isinstance(meta, dict) else ""
        found = None if kind == "BOOKMARK" else self._reduced(body)
        if found is not None and kind in {"ADDED", "MODIFIED", "DELETED"}:
            self._note(kind, *found)
        self.version = version or self.version

    def _note(self, kind: str, uid: str, one: Seen) -> None:
        """Most updates of an object change nothing that we kept of it, and end here."""
        before = self.known.get(uid)
        if before == one and kind != "DELETED":
            return
        self._tell(before, one)
        if kind == "DELETED":
            self._tell(one, None)
            self.known = {key: value for key, value in self.known.items() if key != uid}
        else:
            self.known = {**self.known, uid: one}
        self.revision += 1

    def _reduced(self, body: Mapping[str, Any]) -> tuple[str, Seen] | None:
        try:
            meta = body.get("metadata")
            uid = str(meta.get("uid", "")) if isinstance(meta, dict) else ""
            return (uid, self.read(body)) if uid else None
        except ValueError:
            return None

    def _tell(self, before: Seen | None, after: Seen | None) -> None:
        if before != after:
            self.changed(before, after)

    def _run(self) -> None:
        pause = self.pause_seconds
        while not self._stop.is_set():
            wait = pause
            try:
                self.turn()
                pause = wait = self.pause_seconds  # no watch that ends at once makes a storm
                self._stop.wait(wait)
                continue
            except Expired:
                wait = self.pause_seconds  # nothing is wrong: the new list says what happened
            except NotServed as error:
                self.trouble, wait = str(error), max(pause, RARELY)
            except SourceError as error:
                self._warn(str(error), pause)
            except Exception as error:
                self.trouble = type(error).__name__
                if not self._stop.is_set():
                    log.exception("following failed", what=self.resource.name)
            self._stop.wait(wait)
            pause = min(2.0 * pause, self.longest_pause_seconds)

    def _warn(self, why: str, pause: float) -> None:
        """Say it when it is new: a missing right is no news the second time."""
        if why != self.trouble and not self._stop.is_set():
            log.warning(
                "out of date", what=self.resource.name, why=why, next_try_seconds=round(pause, 1)
            )
        self.trouble = why
