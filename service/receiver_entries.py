"""The `receivers` list of the configuration: whom we tell directly, each with its kind and a name.

receivers:
  - kind: slack
    name: oncall
    url_file: /etc/tidegauge/slack-url
    severities: [critical]
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from vocabulary.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def split(entries: Any, origin: str) -> dict[str, dict[str, Any]]:
    """What each entry says, by its name, which is its kind where it has none.

    Raises:
        ConfigError: The list is none, an entry has no kind, or two have one name.
    """
    if isinstance(entries, str):
        entries = _read(entries, origin)
    if not isinstance(entries, list):
        raise ConfigError(f"{origin}: receivers must be a list, for example `- kind: slack`")
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("kind"), str):
            raise ConfigError(f"{origin}: an entry of receivers has no kind, as in `kind: slack`")
        rest = {str(key): value for key, value in entry.items()}
        name = str(rest.pop("name", rest["kind"]))
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{origin}: receivers: {name[:80]!r} is no name; write it as oncall-2"
            )
        if name in found:
            raise ConfigError(f"{origin}: receivers: two are named {name}; give one another `name`")
        found[name] = rest
    return found


def _read(text: str, origin: str) -> Any:
    """A list in the environment is YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: receivers is no valid YAML") from error
