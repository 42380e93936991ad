"""Configuration: default < file < environment < flag, and every value knows where it came from.

The file's sections mirror the rooms: `detectors: {engine_stalled: {…}}` sets the fields of the
plugin in detectors/engine_stalled.py, so no class here lists everybody's settings. An unknown key
is an error that names the file and the key.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from service import receiver_entries, scrape_entries
from service.settings import Settings
from vocabulary.errors import ConfigError

ENV_PREFIX = "TIDEGAUGE_"
CONFIG_VARIABLE = "TIDEGAUGE_CONFIG"
"""Names the configuration file where no --config is given."""
PLUGIN_SECTIONS = ("collectors", "detectors", "remediations")
PART_SECTIONS = ("incidents", "alertmanager", "otlp_forward", "roofline", "execution")
"""Sections that hold the fields of one settings class: `incidents: {quiet_seconds: 600}`."""
Plugin = TypeVar("Plugin")


@dataclass(frozen=True, slots=True)
class Value:
    """One effective value and where it came from."""

    key: str
    value: Any
    source: str
    help: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Effective settings, the plugins' own sections, and the origin of each value."""

    settings: Settings
    sources: Mapping[str, str]
    plugins: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """section → plugin → field → value, not yet checked against the plugin."""
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """section → field → value, not yet checked against the settings class."""

    def values(self) -> Iterator[Value]:
        """Every setting in the order of the class, then what plugin sections set."""
        for item in dataclasses.fields(Settings):
            yield Value(
                item.name,
                getattr(self.settings, item.name),
                self.sources.get(item.name, "default"),
                item.metadata["help"],
                item.metadata["secret"],
            )
        for section, entries in self.plugins.items():
            for plugin, fields in entries.items():
                for name, value in fields.items():
                    key = f"{section}.{plugin}.{name}"
                    yield Value(key, value, self.sources.get(key, "file"), "Setting of a plugin.")
        for section, fields in self.parts.items():
            for name, value in fields.items():
                key = f"{section}.{name}"
                yield Value(key, value, self.sources.get(key, "file"), "Setting of a room.")

    def build(self, section: str, classes: Mapping[str, type[Plugin]]) -> dict[str, Plugin]:
        """Each discovered plugin with the settings its section gives it.

        Raises:
            ConfigError: The section names a plugin or a field that does not exist.
        """
        wanted = self.plugins.get(section, {})
        for name in wanted:
            if name not in classes:
                raise ConfigError(
                    f"{section}.{name}: there is no such plugin{_near(name, classes)}"
                )
        return {
            name: _build(f"{section}.{name}", cls, wanted.get(name, {}))
            for name, cls in classes.items()
        }

    def part(self, section: str, cls: type[Plugin], **given: Any) -> Plugin:
        """The settings class of one room as its section sets it; *given* has a key elsewhere.

        Raises:
            ConfigError: The section names a field that does not exist.
        """
        return _build(section, cls, self.parts.get(section, {}), given)

    def receivers(self, kinds: Mapping[str, type[Plugin]]) -> dict[str, Plugin]:
        """Every receiver of the `receivers` list by its name, each of one of *kinds*.

        Raises:
            ConfigError: A kind or a field does not exist, or a value cannot be that.
        """
        built = {}
        for name, told in self.parts.get("receivers", {}).items():
            kind, fields = told["kind"], {k: v for k, v in told.items() if k != "kind"}
            if kind not in kinds:
                raise ConfigError(f"receivers: there is no kind `{kind}`{_near(kind, kinds)}")
            built[name] = _build(f"receivers.{name}", kinds[kind], fields)
        return built


def load(
    file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> Config:
    """Read the configuration; *flags* holds what the command line said (None = not given).

    Raises:
        ConfigError: An unknown key, or a value of the wrong type, named with its origin.
    """
    gathered = _Gathered()
    for key, value in _read_file(file).items():
        gathered.place(key, value, str(file))
    for name, text in sorted(environ.items()):
        if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE:
            path = name.removeprefix(ENV_PREFIX).lower().split("__")
            value = text if len(path) == 1 else yaml.safe_load(text)
            for part in reversed(path[1:]):
                value = {part: value}
            gathered.place(path[0], value, f"environment {name}")
    for key, value in (flags or {}).items():
        if value is not None:
            gathered.place(key, value, "flag --" + key.replace("_", "-"))
    settings = _check(Settings(**gathered.values))
    return Config(settings, gathered.sources, gathered.plugins, gathered.parts)


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold keys and values, for example `port: 8780`")
    return {str(key): value for key, value in content.items()}


class _Gathered:
    """What the sources said so far; a later source overrides an earlier one."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.plugins: dict[str, dict[str, dict[str, Any]]] = {}
        self.parts: dict[str, dict[str, Any]] = {}

    def place(self, key: str, value: Any, origin: str) -> None:
        """Take one top-level key, or refuse it by name."""
        if key in PLUGIN_SECTIONS:
            self._place_plugins(key, value, origin)
            return
        if key in PART_SECTIONS:
            self._place_part(key, value, origin)
            return
        if key == "receivers":
            self.parts[key] = receiver_entries.split(value, origin)
            self.sources.update({f"{key}.{name}": origin for name in self.parts[key]})
            return
        known = {item.name for item in dataclasses.fields(Settings)}
        if key not in known:
            near = _near(key, known | {*PLUGIN_SECTIONS, *PART_SECTIONS, "receivers"})
            raise ConfigError(f"{origin}: unknown key `{key}`{near}")
        if key == "scrape":
            value, self.parts["scrape"] = scrape_entries.split(value, origin)
            self.sources.update({f"scrape.{url}": origin for url in self.parts["scrape"]})
        self.values[key] = _convert(key, value, origin)
        self.sources[key] = origin

    def _place_plugins(self, section: str, value: Any, origin: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(
                f"{origin}: {section} must hold plugins, for example `{section}: {{name: {{…}}}}`"
            )
        for plugin, fields in value.items():
            if not isinstance(fields, dict):
                raise ConfigError(f"{origin}: {section}.{plugin} must hold settings of that plugin")
            self.plugins.setdefault(section, {}).setdefault(str(plugin), {}).update(fields)
            for name in fields:
                self.sources[f"{section}.{plugin}.{name}"] = origin

    def _place_part(self, section: str, value: Any, origin: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(
                f"{origin}: {section} must hold settings, for example `{section}: {{…}}`"
            )
        self.parts.setdefault(section, {}).update(value)
        self.sources.update({f"{section}.{name}": origin for name in value})


def _convert(key: str, value: Any, origin: str) -> Any:
    """Bring *value* to the declared type of Settings.<key>."""
    wanted = typing.get_type_hints(Settings)[key]
    options = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    if value is None and type(None) in options:
        return None
    kind = next(option for option in options if option is not type(None))
    if key == "kubernetes" and isinstance(value, bool):  # what YAML makes of a bare on or off
        value = "on" if value else "off"
    try:
        return _as(kind, value)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: ~ of nobody's home
        name = getattr(kind, "__name__", str(kind))
        raise ConfigError(f"{origin}: {key} must be {name}, and is {value!r}") from error


def _as(kind: Any, value: Any) -> Any:
    if kind is bool:
        text = str(value).strip().lower()
        if text not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
            raise ValueError(text)
        return text in {"true", "1", "yes", "on"}
    if kind is Path:
        return Path(str(value)).expanduser()
    if typing.get_origin(kind) is tuple:
        parts = value.split(",") if isinstance(value, str) else list(value)
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if isinstance(value, bool | dict | list):
        raise TypeError(type(value).__name__)
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError(str(value))
    return kind(value)


_POSITIVE = (
    "interval_seconds", "timeout_seconds", "max_page_mib", "retention_days", "max_store_gib",
    "demo_speed",
)  # fmt: skip
_PORTS = ("port", "console_port", "otlp_grpc_port", "agent_port")


def _check(settings: Settings) -> Settings:
    for key in _POSITIVE:
        value = getattr(settings, key)
        if not 0 < value < float("inf"):
            raise ConfigError(f"{key} must be greater than 0, and is {value}")
    for key in _PORTS:
        if not 0 <= getattr(settings, key) <= 65535:
            raise ConfigError(
                f"{key} must be a port between 0 and 65535, and is {getattr(settings, key)}"
            )
    if settings.otlp_protocol not in {"grpc", "http"}:
        raise ConfigError(f"otlp_protocol must be grpc or http, and is {settings.otlp_protocol!r}")
    if settings.kubernetes not in {"auto", "on", "off"}:
        raise ConfigError(f"kubernetes must be auto, on or off, and is {settings.kubernetes!r}")
    scrape_entries.redirects_of(settings.scrape_redirects, "scrape_redirects")
    for url in (*settings.scrape, *settings.alertmanager_urls, settings.prometheus_url):
        if url and not url.startswith(("http://", "https://")):
            raise ConfigError(f"{url!r} is no URL; write for example http://127.0.0.1:8000/metrics")
    return settings


def _build(
    where: str, cls: type[Plugin], fields: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Plugin:
    given = given or {}
    names = {item.name for item in dataclasses.fields(typing.cast("Any", cls)) if item.init}
    known = names - given.keys()
    for key in fields:
        if key not in known:
            raise ConfigError(f"{where}: unknown key `{key}`{_near(key, known)}")
    try:
        return cls(**given, **_typed(cls, fields))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _typed(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Values of plain types as the class declares them; others are the class's own to check."""
    hints = typing.get_type_hints(cls)
    typed = {}
    for name, value in fields.items():
        try:
            plain = hints[name] in {bool, int, float, str}
            typed[name] = _as(hints[name], value) if plain else value
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be {hints[name].__name__}, and is {value!r}") from error
    return typed


def _near(word: str, known: typing.Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, 1)
    return f"; did you mean `{close[0]}`?" if close else f"; known: {', '.join(names[:40])}"


def token_of(settings: Settings) -> str:
    """The configured token, from its file when one is named; empty when there is none.

    Raises:
        ConfigError: The file cannot be read.
    """
    if settings.token or settings.token_file is None:
        return settings.token
    try:
        return settings.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"cannot read token_file {settings.token_file}: {error.strerror}"
        ) from error
