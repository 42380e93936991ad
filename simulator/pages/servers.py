"""Which servers' pages there are, and how each is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.engine import Engine
from simulator.pages import llamacpp, sglang, tgi, trtllm, vllm
from simulator.pages.text import Writer


@dataclass(frozen=True, slots=True)
class Server:
    """One kind of model server."""

    render: Callable[[Writer, Engine, str, float], bytes]
    """Writes the page of an engine that serves a model, at a time."""
    created: bool = False
    """Whether its page says when each counter began."""
    bounds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Bounds of histograms that are not vLLM's, by the tally's names."""


SERVERS: Mapping[str, Server] = {
    "vllm": Server(vllm.render, created=True),
    "llamacpp": Server(llamacpp.render),
    "sglang": Server(sglang.render, bounds=sglang.BOUNDS),
    "trtllm": Server(trtllm.render, created=True, bounds=trtllm.BOUNDS),
    "tgi": Server(tgi.render, bounds=tgi.BOUNDS),
}
"""By the name that scenario files and containers bear."""
