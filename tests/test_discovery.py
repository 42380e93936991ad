"""Plugins are found by folder, and a folder that breaks its promise is named."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.errors import PluginError

GOOD = '''
from dataclasses import dataclass
from vocabulary.contracts import Remediation

@dataclass(frozen=True, slots=True)
class Wait(Remediation):
    """Wait."""
    card = "R00"
    answers = ()
    def propose(self, incident, scene):
        return None
'''


@pytest.fixture
def room(tmp_path: Path) -> Iterator[tuple[ModuleType, Path]]:
    folder = tmp_path / "room_under_test"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A room."""\n')
    sys.path.insert(0, str(tmp_path))
    import importlib

    importlib.invalidate_caches()
    yield importlib.import_module("room_under_test"), folder
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("room_under_test")]:
        del sys.modules[name]


def find(room: ModuleType) -> dict[str, type[Remediation]]:
    return discover(room, Remediation)  # type: ignore[type-abstract]


def test_a_plugin_is_known_by_its_file_name(room: tuple[ModuleType, Path]) -> None:
    module, folder = room
    (folder / "wait.py").write_text(GOOD)
    (folder / "_furniture.py").write_text("VALUE = 1\n")
    assert list(find(module)) == ["wait"]


def test_a_file_without_a_plugin_is_named(room: tuple[ModuleType, Path]) -> None:
    module, folder = room
    (folder / "empty.py").write_text("VALUE = 1\n")
    with pytest.raises(PluginError, match=r"room_under_test/empty\.py .*defines 0"):
        find(module)


def test_two_plugins_in_one_file_are_refused(room: tuple[ModuleType, Path]) -> None:
    module, folder = room
    second = GOOD.split("import Remediation\n")[1].replace("class Wait", "class WaitMore")
    (folder / "two.py").write_text(GOOD + second)
    with pytest.raises(PluginError, match="defines 2"):
        find(module)


def test_an_unfinished_plugin_is_refused(room: tuple[ModuleType, Path]) -> None:
    module, folder = room
    (folder / "half.py").write_text(GOOD.replace("def propose", "def prepare"))
    with pytest.raises(PluginError, match="finished, frozen dataclass"):
        find(module)
