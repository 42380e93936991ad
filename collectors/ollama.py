"""Ollama, which has no page of metrics: give its list of loaded models, `http://HOST:11434/api/ps`.

What can be known is which models are in memory and where, and that the server answers. It tells no
tokens, no requests, no queue: those are unknown here, never zero, and its replica is `blind`, since
nobody outside can see whether it makes progress. A gateway in front of it, or spans of its callers,
know more. Should a release come that has a page of its own (ollama#16998), it is read as an unknown
one until its names are written down.

Fields were read in the API's manual and source of 0.33; no running server was asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from collectors._api import ApiCollector
from collectors._words import Folding, clean, model_name
from vocabulary import metrics as m
from vocabulary.contracts import Reach, Target
from vocabulary.errors import SourceError, SourceUnreadable
from vocabulary.metrics import Metric
from vocabulary.samples import Sample, Series, labels_of


@dataclass(frozen=True, slots=True)
class Ollama(ApiCollector):
    """An Ollama server, asked what it has loaded."""

    max_models: int = 100
    """Models told apart on one server; more are one called `other`, since users choose names."""

    engine: ClassVar[str] = "ollama"
    vantage: ClassVar[str] = "engine"
    path: ClassVar[str] = "/api/ps"
    produces: ClassVar[tuple[Metric, ...]] = (m.MODELS_LOADED, m.MODEL_MEMORY)

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        models = self.ask(target.url, target, reach).get("models")
        if not isinstance(models, list):
            raise SourceUnreadable(f"{target.url} lists no models; is it Ollama's /api/ps?")
        about = {"engine": self.engine, "vantage": self.vantage}
        about["version"] = self._version(target, reach)
        about.update(target.labels)
        values = {Series(m.MODELS_LOADED.name, labels_of(about)): float(len(models))}
        folded = Folding(self.max_models)
        for one in models:
            model = folded(_name(one))
            for place, size in _memory(one):
                own = {"pool": model, "model": model, "place": place, **about}
                series = Series(m.MODEL_MEMORY.name, labels_of(own))
                values[series] = values.get(series, 0.0) + size
        return [Sample(series, value, now) for series, value in values.items()]

    def _version(self, target: Target, reach: Reach) -> str:
        """The server's release; empty where it does not say, which costs nothing else."""
        url = target.url.removesuffix(self.path) + "/api/version"
        try:
            said = self.ask(url, target, reach).get("version", "")
        except SourceError:
            return ""
        return clean(said) if isinstance(said, str) else ""


def _name(model: object) -> str:
    if not isinstance(model, Mapping) or not isinstance(model.get("name"), str):
        raise SourceUnreadable("a loaded model has no name; is it Ollama's /api/ps?")
    return model_name(model["name"]) or "unnamed"


def _memory(model: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Bytes by place; nothing of a size that is missing or no number."""
    whole, device = _bytes(model.get("size")), _bytes(model.get("size_vram"))
    if device is not None:
        yield "device", device
        if whole is not None and whole >= device:
            yield "host", whole - device


def _bytes(said: object) -> float | None:
    known = isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said < 2**63
    return float(said) if known else None  # type: ignore[arg-type]
