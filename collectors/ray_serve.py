"""Ray Serve LLM: vLLM's names as Ray's metrics agent repeats them, on a port of its node.

Until early 2025 they begin with `ray_vllm:`, since then with `ray_vllm_`, because Ray's exporter
allows no colon. `WorkerId`, `ReplicaId` and `SessionName` change at every restart and identify
nobody: series that differ in them alone are added up, so that a node should hold one replica of a
model, and a worker that died leaves the sum when Ray forgets it. `process_…` on such a page is the
agent's own and says nothing of an engine. Read this page or the engine's own, never both.

Ray's exporter forgets what was observed and adds up the middles of buckets: on a recorded page of
2.60 four durations of 6.0 s in all have a `_sum` of 7.15. Means of such a page are as coarse as its
buckets.

Names were read on an excerpt of Ray 2.32's page, on a page of Ray 2.60 to which an actor wrote
vLLM's names, and in vLLM 0.32's `ray_wrappers.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from collectors._reading import PageCollector
from collectors._vllm_words import vllm_words
from collectors._words import Word
from vocabulary.metrics import Metric

_WORDS = vllm_words("ray_vllm_", "ray_vllm:")


@dataclass(frozen=True, slots=True)
class RayServe(PageCollector):
    """The page of a Ray node's metrics agent; the engine in there is vLLM."""

    engine: ClassVar[str] = "vllm"
    vantage: ClassVar[str] = "engine"
    marks: ClassVar[tuple[str, ...]] = ("ray_vllm_", "ray_vllm:")
    produces: ClassVar[tuple[Metric, ...]] = tuple({word.metric: None for word in _WORDS})

    def words(self) -> Iterable[Word]:
        return _WORDS
