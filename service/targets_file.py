"""Pages to read that a file lists: read again when it changes, without a restart.

Its entries are those of `scrape`, or Prometheus' own (`file_sd`): `targets` of HOST:PORT with
`labels`. It holds no credentials: whoever generates it need not know any, and who may write it
cannot have one sent anywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
import yaml

from service.scrape_entries import NAMEABLE, page_targets, split
from vocabulary.contracts import Target
from vocabulary.errors import ConfigError

log = structlog.get_logger(__name__)
_MOST_BYTES = 4 << 20
_MOST_TARGETS = 10_000


@dataclass(slots=True)
class TargetsFile:
    """The targets of one file, as it was when it could last be read."""

    file: Path
    cluster: str
    trouble: str = ""
    """Why the file as it is now is not used; empty while it is."""
    _targets: tuple[Target, ...] = ()
    _stamp: tuple[int, ...] = field(default=())

    def targets(self) -> tuple[Target, ...]:
        """Every target, read anew if the file has changed; a broken file changes nothing."""
        try:
            self.look()
        except ConfigError as error:
            if str(error) != self.trouble:
                log.warning("the file of targets is not used", why=str(error))
            self.trouble = str(error)
        return self._targets

    def look(self) -> None:
        """Read the file if it has changed.

        Raises:
            ConfigError: It cannot be read, or holds something else than targets.
        """
        try:
            told = self.file.stat()
            stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
            if stamp == self._stamp:
                return
            if told.st_size > _MOST_BYTES:
                raise ConfigError(f"{self.file} has more than {_MOST_BYTES} bytes")
            body = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {self.file}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            shown = " ".join(str(error).split())[:200]
            raise ConfigError(f"{self.file} is neither YAML nor JSON: {shown}") from error
        self._targets = self._read(body)
        self._stamp, self.trouble = stamp, ""

    def _read(self, body: Any) -> tuple[Target, ...]:
        if not isinstance(body, list):
            raise ConfigError(f"{self.file} must be a list of pages; an entry is for example a URL")
        pages, own = split([one for entry in body for one in self._plain(entry)], str(self.file))
        if own:
            raise ConfigError(
                f"{self.file}: {next(iter(own))} says how it is entered; such pages belong to "
                "`scrape` in the configuration"
            )
        if len(pages) > _MOST_TARGETS:
            raise ConfigError(f"{self.file} lists more than {_MOST_TARGETS} pages")
        for page in pages:
            if not page.startswith(("http://", "https://")):
                raise ConfigError(f"{self.file}: {page[:200]!r} is no URL")
        return tuple(page_targets(pages, self.cluster))

    def _plain(self, entry: Any) -> Iterator[Any]:
        """Prometheus' form as URLs, any other entry as it is. Labels we have no word for are let
        go: Prometheus' own setup may need them.
        """  # noqa: D205 - one sentence does not hold it
        if not isinstance(entry, Mapping) or "targets" not in entry:
            yield entry
            return
        labels, addresses = entry.get("labels") or {}, entry["targets"]
        if not isinstance(labels, Mapping) or not isinstance(addresses, list):
            raise ConfigError(f"{self.file}: targets must be a list, and labels a mapping")
        scheme = str(labels.get("__scheme__", "http"))
        path = str(labels.get("__metrics_path__", "/metrics"))
        told = urlencode({name: str(labels[name]) for name in NAMEABLE if name in labels})
        for address in addresses:
            yield f"{scheme}://{address}{path}" + (f"#{told}" if told else "")
