"""What an Xid means: the shipped catalogue, and what a site says otherwise.

The catalogue is versioned data (`xid_catalogue.yaml`, its sources at the top). A code it does not
have is an Xid of unknown meaning, never a harmless one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vocabulary.errors import ConfigError
from vocabulary.failure_modes import BY_WORD

SCHEMA = 1
SHIPPED = Path(__file__).with_name("xid_catalogue.yaml")
CLASSES = frozenset(
    {
        "application", "driver", "firmware", "memory", "link", "hardware", "consequence", "notice",
        "unknown",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Xid:
    """One row of the catalogue."""

    code: int
    meaning: str
    kind: str
    """One of CLASSES."""
    mode: str = ""
    """Word of the failure mode that one event speaks for; empty where one says nothing."""
    repeats: int = 0
    """Events on one GPU within a day from which it speaks for `gpu_xid`; 0 is never."""
    nvidia: str = ""
    """What NVIDIA's catalogue says to do at once."""
    disagree: str = ""
    """Which public sources say otherwise."""
    site: bool = False
    """Whether this site's own file had a say."""

    @property
    def text(self) -> str:
        """`Xid 79 (the GPU has fallen off the bus)`."""
        return f"Xid {self.code} ({self.meaning})"


@dataclass(frozen=True, slots=True)
class XidCatalogue:
    """Every Xid that is known, by code."""

    version: str
    rows: Mapping[int, Xid] = field(default_factory=dict)

    def of(self, code: str) -> Xid:
        """The Xid with this code, as a label spells it."""
        number = int(code) if code.isascii() and code.isdecimal() and len(code) < 7 else -1
        unknown = Xid(number, "not in the catalogue", "unknown", "gpu_xid", 0, "contact support")
        return self.rows.get(number, unknown)

    def with_site(self, file: Path) -> "XidCatalogue":
        """This catalogue with the fields that *file* gives its rows.

        Raises:
            ConfigError: The file cannot be read, or a row of it cannot be meant.
        """
        given = _rows(_content(file), file)
        rows = dict(self.rows)
        for code, own in given.items():
            before = rows.get(code, Xid(code, "not in the catalogue", "unknown", "gpu_xid"))
            rows[code] = _row(code, own, file, before)
        return XidCatalogue(f"{self.version} with {file.name}", rows)


@cache
def shipped() -> XidCatalogue:
    """The catalogue that came with this version."""
    content = _content(SHIPPED)
    found = {
        code: replace(_row(code, own, SHIPPED, Xid(code, "", "unknown")), site=False)
        for code, own in _rows(content, SHIPPED).items()
    }
    return XidCatalogue(str(content["version"]), found)


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the Xid file {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"Xid file {file}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or content.get("schema", SCHEMA) != SCHEMA:
        raise ConfigError(f"Xid file {file}: must hold `schema: {SCHEMA}` and `xids`")
    return content


def _rows(content: Mapping[str, Any], file: Path) -> dict[int, Mapping[str, Any]]:
    rows = content.get("xids")
    if not isinstance(rows, dict):
        raise ConfigError(
            f"Xid file {file}: `xids` must hold codes, for example `63: {{repeats: 1}}`"
        )
    for code, own in rows.items():
        if type(code) is not int or not isinstance(own, dict):
            raise ConfigError(f"Xid file {file}: {code!r} must be a code with fields")
    return rows


_SPELT = {"class": "kind"}
_KNOWN = {one.name for one in fields(Xid)} - {"code", "site", "kind"} | {"class"}


def _row(code: int, own: Mapping[str, Any], file: Path, before: Xid) -> Xid:
    unknown = set(own) - _KNOWN
    if unknown:
        raise ConfigError(f"Xid file {file}: {code}: unknown field `{min(map(str, unknown))}`")
    given = {_SPELT.get(name, name): value for name, value in own.items()}
    for name, value in given.items():
        if not isinstance(value, int if name == "repeats" else str) or value is True:
            raise ConfigError(f"Xid file {file}: {code}: {name} cannot be {value!r}")
    row = replace(before, **given, site=True)
    if row.kind not in CLASSES:
        raise ConfigError(f"Xid file {file}: {code}: class must be one of {', '.join(CLASSES)}")
    if row.mode and row.mode not in BY_WORD:
        raise ConfigError(f"Xid file {file}: {code}: there is no failure mode `{row.mode}`")
    return row
