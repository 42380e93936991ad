"""Plugins by folder: one module, one frozen dataclass, one contract; its name is its file name."""

import dataclasses
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

from vocabulary.errors import PluginError

Contract = TypeVar("Contract")


def discover(room: ModuleType, contract: type[Contract]) -> dict[str, type[Contract]]:
    """Every plugin in *room*, by file name, in alphabetical order.

    Modules whose name begins with an underscore are the room's own furniture and are passed over.

    Raises:
        PluginError: A module holds no plugin, more than one, or one that cannot be built.
    """
    found: dict[str, type[Contract]] = {}
    for info in sorted(pkgutil.iter_modules(room.__path__), key=lambda item: item.name):
        if info.name.startswith("_") or info.ispkg:
            continue
        module = importlib.import_module(f"{room.__name__}.{info.name}")
        found[info.name] = _only_plugin(module, contract)
    return found


def _only_plugin(module: ModuleType, contract: type[Contract]) -> type[Contract]:
    candidates = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, contract)
        and value.__module__ == module.__name__
    ]
    where = f"{module.__name__.replace('.', '/')}.py"
    if len(candidates) != 1:
        raise PluginError(
            f"{where} must define exactly one {contract.__name__}, and defines {len(candidates)}; "
            "give other modules a name that begins with an underscore"
        )
    plugin = candidates[0]
    if inspect.isabstract(plugin) or not dataclasses.is_dataclass(plugin):
        raise PluginError(f"{where}: {plugin.__name__} must be a finished, frozen dataclass")
    return plugin
