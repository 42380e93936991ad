"""Engine figures by name, out of `engine_figures.yaml`, where each bears its source."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from simulator.engine_model import EngineModel

_FILE = Path(__file__).parent / "engine_figures.yaml"
_RULES = frozenset({"rule", "judgement"})
"""Sources that nobody measured."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A model on the GPUs of one replica."""

    name: str
    about: str
    model: EngineModel
    sources: Mapping[str, str]
    """Key of the source by figure; `SOURCES` says what it is."""

    @property
    def measured(self) -> bool:
        """Whether its step time comes from published measurements."""
        return self.sources["base"] not in _RULES


def _preset(name: str, entry: Mapping[str, Any]) -> Preset:
    kinds = {one.name: one.type for one in fields(EngineModel)}
    figures: dict[str, Any] = {
        figure: (int if kind is int else float)(entry[figure]["value"])
        for figure, kind in kinds.items()
    }
    sources = {figure: str(entry[figure]["source"]) for figure in kinds}
    return Preset(name, str(entry["about"]), EngineModel(**figures), sources)


_READ = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
SOURCES: Mapping[str, str] = _READ["sources"]
"""What each source is, by its key."""
CATALOGUE: Mapping[str, Preset] = {
    name: _preset(name, entry) for name, entry in _READ["presets"].items()
}
PRESETS: Mapping[str, EngineModel] = {name: one.model for name, one in CATALOGUE.items()}
"""The figures alone."""
