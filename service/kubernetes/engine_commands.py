"""Model servers and gateways by their command line, and where such a server shows its metrics.

The words are those of each project's own documentation. An image that names the command itself is
known by its repository, since the pod does not repeat it.
"""

import re
from dataclasses import dataclass

from vocabulary.pods import Container

_LOWEST_PORT = 1024


@dataclass(frozen=True, slots=True)
class EngineCommand:
    """How one server is started."""

    name: str
    words: str
    """Regular expression of the words that start it."""
    port: int
    """Where its metrics are unless it is told otherwise."""
    path: str = "/metrics"
    flag: str = "--port"
    """Flag that moves it."""
    image: str = ""
    """Regular expression of image repositories whose own command this is."""


ENGINES = (
    EngineCommand(
        "vllm", r"vllm serve|vllm\.entrypoints\.[\w.]*api_server", 8000, image=r"vllm-openai"
    ),
    EngineCommand("sglang", r"sglang\.launch_server|sglang serve", 30000),
    EngineCommand("trtllm", r"trtllm-serve", 8000, "/prometheus/metrics"),
    EngineCommand("triton", r"tritonserver", 8002, flag="--metrics-port"),
    EngineCommand("tgi", r"text-generation-launcher", 3000, image=r"text-generation-inference"),
    EngineCommand("lmdeploy", r"lmdeploy serve", 23333, flag="--server-port"),
    EngineCommand("llamacpp", r"llama-server", 8080),
    EngineCommand("dynamo", r"dynamo\.frontend", 8000, flag="--http-port"),
    EngineCommand("litellm", r"litellm(?= --)", 4000),
    EngineCommand("ollama", r"ollama serve", 11434, "/api/ps", image=r"ollama/ollama"),
)


def engine_of(container: Container) -> EngineCommand | None:
    """The server that *container* runs, as far as its command line or its image says."""
    repository = container.image.partition("@")[0].rpartition(":")[0] or container.image
    for one in ENGINES:
        if _started_by_words(one, container):
            return one
        own = one.image and re.search(rf"(?:^|[/-]){one.image}$", repository)
        if own and (not container.command or container.command[0].startswith("-")):
            return one
    return None


def metrics_port(engine: EngineCommand, container: Container) -> int | None:
    """The port above 1023 on which it shows its metrics: what its command line says, else its own
    default, if that is declared or nothing is. None where that leaves none.
    """  # noqa: D205 - one sentence does not hold it
    line = " ".join(container.command)
    told = re.search(rf"(?:^|\s){re.escape(engine.flag)}[= ](\d{{1,5}})(?=\s|$)", line)
    port = int(told[1]) if told else engine.port
    declared = {number for _, number in container.ports}
    usual = port in declared or (not declared and _started_by_words(engine, container))
    if not (told or usual):
        return None
    return port if _LOWEST_PORT <= port <= 65535 else None


def _started_by_words(engine: EngineCommand, container: Container) -> bool:
    line = " ".join(container.command)[:4096]
    return bool(re.search(rf"(?:^|[\s/;&|(\"'])(?:{engine.words})(?![\w-])", line))
