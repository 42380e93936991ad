"""Everybody in this process who sees changes, and where they are told: once, over restarts too."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from service.kubernetes.cluster_watch import ClusterWatch
from service.kubernetes.pod_watch import PodWatch
from service.sample_changes import SampleChanges
from service.whole_files import write_whole
from vocabulary.entities import Change
from vocabulary.errors import StoreError
from vocabulary.samples import Sample

log = structlog.get_logger(__name__)
MEMORY_FILE = "seen.json"
"""In the data directory: what was known of pods, cluster and drivers when we last told of it."""
MEMORY_VERSION = 1


@dataclass(slots=True)
class ChangeSources:
    """Collects what the watches and the samples show, and hands it over.

    What was seen is written down after it was told: whoever crashes between tells it again, and the
    feed knows it by its id.
    """

    tell: Callable[[Sequence[Change]], object]
    """Keeps changes, or raises StoreError; then they are told again with the next."""
    file: Path
    pods: PodWatch | None = None
    cluster: ClusterWatch | None = None
    samples: SampleChanges = field(default_factory=SampleChanges)
    _pending: list[Change] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _written: int = 0

    def observe(self, samples: Sequence[Sample]) -> None:
        """Look through the samples of one round."""
        with self._lock:
            self._pending.extend(self.samples.take(samples))

    def hand_over(self) -> None:
        """Tell what was seen since the last time, and remember that it was."""
        with self._lock:
            watches = [one for one in (self.pods, self.cluster) if one is not None]
            revision = sum(one.revision for one in (*watches, self.samples))
            memory = self._memory() if revision != self._written else None
            for one in watches:
                self._pending.extend(one.take_changes())
            try:
                if self._pending:
                    self.tell(tuple(self._pending))
            except StoreError as error:
                log.warning("changes wait to be kept", why=str(error), changes=len(self._pending))
                return
            self._pending.clear()
            if memory is not None:
                self._written = revision
                self._write(memory)

    def start(self) -> None:
        """Begin to follow what is to be followed."""
        for one in (self.pods, self.cluster):
            if one is not None:
                one.start()

    def close(self) -> None:
        """Stop following, and tell what was still seen."""
        for one in (self.pods, self.cluster):
            if one is not None:
                one.close()
        self.hand_over()

    def _memory(self) -> dict[str, Any]:
        return {
            "version": MEMORY_VERSION,
            "pods": self.pods.memory() if self.pods is not None else {},
            "cluster": self.cluster.memory() if self.cluster is not None else {},
            "drivers": self.samples.memory(),
        }

    def _write(self, memory: Mapping[str, Any]) -> None:
        try:
            write_whole(self.file, memory)
        except OSError as error:
            log.warning("what was seen cannot be written down", why=error.strerror)


def remembered(file: Path) -> Mapping[str, Any]:
    """What an earlier life had seen; nothing where there was none, or one of another version."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("what was seen cannot be read", file=str(file), why=str(error)[:200])
        return {}
    right = isinstance(body, dict) and body.get("version") == MEMORY_VERSION
    parts = body if right else {}
    return {key: one for key, one in parts.items() if isinstance(one, dict)}
