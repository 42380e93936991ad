"""Config maps that pods of model servers name: which keys changed, never what they hold.

They are asked for one by one, by name, once a minute: a watch would bring the content of every
config map of the cluster here to learn about a few.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fleet import identity
from service.kubernetes.api_server import ApiServer, NotServed, Resource
from service.kubernetes.json_fields import mapping, text
from service.kubernetes.workload_objects import Workload, fingerprint
from vocabulary.entities import Change
from vocabulary.errors import SourceError

RESOURCE = Resource(("/api/v1/configmaps",), setting="server.readConfigMaps")
_MOST = 200
"""Config maps that are asked for at most, a request each."""
_SHOWN = 6


@dataclass(slots=True)
class ConfigMaps:
    """Fingerprints of the config maps that workloads name."""

    api: ApiServer
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    """`namespace/name` → key → fingerprint."""
    revision: int = 0
    """Grows whenever `known` has changed."""
    trouble: str = ""
    """Why they may be out of date; empty while they are not."""

    def look(self, workloads: Iterable[Workload], now: float) -> list[Change]:
        """Ask for each once; gives what changed since the last look."""
        users: dict[str, list[Workload]] = {}
        for one in workloads:
            for name in one.config_maps if one.serves else ():
                users.setdefault(f"{one.namespace}/{name}", []).append(one)
        changes: list[Change] = []
        before = set(self.known)
        try:
            for key in sorted(users)[:_MOST]:
                found = self._ask(key)
                changes.extend(self._told(key, found, users[key], now))
                self.known[key] = found
            self.trouble = ""
        except SourceError as error:
            self.trouble = str(error)
        kept = {key: one for key, one in self.known.items() if key in users}
        self.revision += bool(changes) or kept.keys() != before
        self.known = kept
        return changes

    def _ask(self, key: str) -> dict[str, str]:
        """Key → fingerprint; empty when it is not there."""
        namespace, _, name = key.partition("/")
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps/{quote(name, safe='')}"
        try:
            body = self.api.get(path, RESOURCE)
        except NotServed:
            return {}
        salt = text(mapping(body.get("metadata")).get("name"))
        both: Mapping[str, Any] = {**mapping(body.get("binaryData")), **mapping(body.get("data"))}
        return {
            str(key)[:253]: fingerprint(namespace, salt, str(key), str(value))
            for key, value in both.items()
        }

    def _told(
        self, key: str, found: Mapping[str, str], users: list[Workload], now: float
    ) -> Iterator[Change]:
        old = self.known.get(key)
        if old is None or old == found:
            return
        parts = [f"+{name}" for name in sorted(found.keys() - old.keys())]
        parts += [f"-{name}" for name in sorted(old.keys() - found.keys())]
        parts += [one for one in sorted(old.keys() & found.keys()) if old[one] != found[one]]
        more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
        shown = ", ".join(parts[:_SHOWN]) + more
        what = f"config map {key.partition('/')[2]}: {shown} (content not shown)"
        for pool in dict.fromkeys(one.pool for one in users):
            yield Change(now, "config", identity.pool(pool), what, pool)
