"""Reads the fake driver with the real collector, and finds values in what it gave."""

from collections.abc import Sequence
from typing import Any

from vocabulary import metrics as m

UUID = "GPU-00000000-0000-0000-0000-{:012d}"

READ = """
    import json, os, pathlib, time
    from types import SimpleNamespace
    import pynvml
    from collectors.nvml import Nvml
    from vocabulary.contracts import Target
    from vocabulary.errors import SourceError

    reach = SimpleNamespace(nvml=pynvml)
    target = Target("", (("cluster", "c"), ("node", "n1")))
    collector = Nvml(timeout_seconds=0.5)
    state = pathlib.Path(os.environ["FAKE_NVML_STATE"])

    def read(now=0.0):
        try:
            samples = collector.collect(target, reach, now)
        except SourceError as error:
            return {"verdict": error.verdict, "text": str(error)}
        return [[s.series.name, dict(s.series.labels), s.value] for s in samples]

    def then(text):
        state.write_text(text)
        return read()
"""


def values(samples: Sequence[Any], metric: m.Metric, gpu: int | str = 0, **own: str) -> list[float]:
    """Values of *metric* for the GPU of this index or uuid."""
    uuid = gpu if isinstance(gpu, str) else UUID.format(gpu)
    return [
        value
        for name, labels, value in samples
        if name == metric.name and labels.get("gpu") == uuid and own.items() <= labels.items()
    ]
