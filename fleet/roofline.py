"""How fast a replica may decode at most: the memory side of the roofline.

In the roofline model (Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009) a
kernel that does little arithmetic for each byte is bound by memory bandwidth. Decoding is such a
kernel: a step of the batch reads all weights and the KV cache of its requests once, so that

    steps a second  <=  sum of the GPUs' peak bandwidth / (bytes of weights + bytes of KV in use)

A tensor-parallel group reads its weights together, each GPU its part. Steps that also compute
prompts are bound by arithmetic and lie below. What is not known (the weights' bytes, the kind of
a GPU) makes the ceiling unknown: absent, never zero and never a guess.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from vocabulary import metrics, signals
from vocabulary.entities import Gpu, Replica
from vocabulary.samples import Sample, Series, labels_of
from vocabulary.scene import Scene, Watch

BANDWIDTHS = Path(__file__).with_name("gpu_bandwidth.yaml")
KV_USAGE = Watch(signals.KV_USAGE, 120.0, 15.0)
KV_CAPACITY = Watch(signals.KV_CAPACITY, 120.0, 15.0)


@dataclass(frozen=True, slots=True)
class Roofline:
    """What a step of each model reads; the ceiling of each replica follows from it."""

    weight_bytes: Mapping[str, float] = field(default_factory=dict)
    """Bytes of weights that a step reads, by model: the size of its files; of a mixture of
    experts, the part that a batch of usual size touches. A model that is not named has no
    ceiling."""
    kv_bytes_per_token: Mapping[str, float] = field(default_factory=dict)
    """Bytes of KV cache a token takes, by model: 2 x layers x KV heads x head size x bytes of a
    number. Where it is not named, KV is left out and the ceiling is the weights' alone."""

    def __post_init__(self) -> None:
        for name in ("weight_bytes", "kv_bytes_per_token"):
            table = getattr(self, name)
            if not isinstance(table, Mapping):
                raise TypeError(f"{name} must hold models, for example `{{llama-70b: 141e9}}`")
            numbers = {str(model): _positive(name, model, value) for model, value in table.items()}
            object.__setattr__(self, name, numbers)

    def samples(self, scene: Scene) -> Iterable[Sample]:
        """The ceiling of every replica of which enough is known, at the scene's moment."""
        if not self.weight_bytes:
            return
        kinds = {gpu.entity.id: gpu for gpu in scene.gpus}
        tokens = _kv_tokens(scene)
        for replica in scene.replicas:
            most = self.ceiling(replica, kinds, tokens.get(replica.entity.id))
            if most is not None:
                about = {
                    "replica": replica.entity.id,
                    "pool": replica.pool,
                    "model": replica.model,
                }
                series = Series(metrics.DECODE_STEP_CEILING.name, labels_of(about))
                yield Sample(series, most, scene.now)

    def ceiling(
        self, replica: Replica, gpus: Mapping[str, Gpu], kv_tokens: float | None
    ) -> float | None:
        """Steps a second at most; None where weights, GPUs or their bandwidth are not known."""
        weights = self.weight_bytes.get(replica.model)
        held = [gpus[one].model if one in gpus else "" for one in replica.gpus]
        speeds = [bandwidth(product) for product in held]
        known = [one for one in speeds if one is not None]
        if weights is None or not speeds or len(known) < len(speeds):
            return None
        a_token = self.kv_bytes_per_token.get(replica.model)
        kv = a_token * kv_tokens if a_token is not None and kv_tokens is not None else 0.0
        return sum(known) / (weights + kv)


def bandwidth(product: str) -> float | None:
    """Peak bytes a second of the GPU that NVML calls *product*; None for a kind we do not know."""
    words = frozenset(re.findall(r"[a-z0-9]+", product.lower()))
    fitting = [key for key in _bandwidths() if key <= words]
    return _bandwidths()[max(fitting, key=len)] if fitting else None


@cache
def _bandwidths() -> dict[frozenset[str], float]:
    rows = yaml.safe_load(BANDWIDTHS.read_text(encoding="utf-8"))["gpus"]
    return {frozenset(row["words"]): row["gigabytes"] * 1e9 for row in rows}


def _kv_tokens(scene: Scene) -> dict[str, float]:
    """Tokens in the KV cache of each replica now, where both share and size are known."""
    sizes = {one["replica"]: row[-1] for one, row in scene.frame(KV_CAPACITY).rows()}
    found = {}
    for labels, row in scene.frame(KV_USAGE).rows():
        tokens = float(row[-1] * sizes.get(labels["replica"], math.nan))
        if math.isfinite(tokens):
            found[labels["replica"]] = tokens
    return found


def _positive(name: str, model: object, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name}: {model} must be a number of bytes, and is {value!r}")
    return number
