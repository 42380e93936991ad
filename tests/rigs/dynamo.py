"""
A real Dynamo on the CPU: its frontend, which is a router, and its mocker as the workers behind it.

Everything but the model is real: discovery through files, requests over TCP, the frontend's
scheduling and counting. The mocker keeps a KV cache and a batch like an engine, takes as long as
one would, and answers random tokens; its worker page imitates vLLM's names.

The mocker draws token ids from 1,000 to 2,000. A tokenizer without them makes them empty text, and
1.6.1 counts no token at all of a completion streamed without text: hence a vocabulary that has
them. Ready in a second; 120 MB a process.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rigs import cache, environments, tinyhf
from rigs.processes import Server, fetched, free_port, running, work_folder

MODEL = "tiny-random"
VOCABULARY = 4096

_PLAIN_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "DYN_SYSTEM_HOST": "127.0.0.1",
    "DYN_TCP_RPC_HOST": "127.0.0.1",
    "DYN_TCP_RESPONSE_STREAM_HOST": "127.0.0.1",
    # Events would be published on every address of this machine. A broker that nobody runs takes
    # them instead; they are for routers that look at KV caches, which ours does not.
    "DYN_ZMQ_BROKER_ENABLED": "1",
    "DYN_ZMQ_BROKER_URL": "xsub=tcp://127.0.0.1:9 , xpub=tcp://127.0.0.1:9",
}
_PLANES = ("--discovery-backend", "file", "--request-plane", "tcp", "--event-plane", "zmq")


@dataclass(frozen=True, slots=True)
class Dynamo:
    """A running frontend and its workers; every one has a page under ``/metrics``."""

    frontend: Server
    workers: tuple[Server, ...]


def environment() -> environments.Environment:
    """The environment that holds Dynamo, made if it is not there yet."""
    return environments.made("dynamo")


def model() -> Path:
    """The folder of the model that is only a tokenizer."""

    def make(folder: Path) -> None:
        path = tinyhf.write(folder) / "tokenizer.json"
        tokenizer = json.loads(path.read_text(encoding="utf-8"))
        known = tokenizer["model"]["vocab"]
        known |= {f"w{number}": number for number in range(len(known), VOCABULARY)}
        path.write_text(json.dumps(tokenizer), encoding="utf-8")

    recipe = f"{VOCABULARY}\n{Path(tinyhf.__file__).read_text(encoding='utf-8')}"
    return cache.made_once("dynamo-model", recipe, make)


@contextlib.contextmanager
def serve(*, workers: int = 2, batch: int = 256, speed: float = 1.0) -> Iterator[Dynamo]:
    """
    A frontend that gives requests to its *workers* in turn, once it knows them all.

    A worker runs *batch* requests at a time, *speed* times as fast as the mocker would.
    """
    python, folder_of_model = environment().python, model()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder("dynamo"))
        env = {
            **_PLAIN_ENVIRONMENT,
            "DYN_FILE_KV": str(folder / "discovery"),
            "HOME": str(folder),
            "TMPDIR": str(folder),
        }
        mocker: list[str | Path] = [
            *(python, "-m", "dynamo.mocker", "--model-path", folder_of_model),
            *("--model-name", MODEL, "--max-num-seqs", str(batch), "--speedup-ratio", str(speed)),
            *_PLANES,
        ]
        started = tuple(
            stack.enter_context(_worker(f"dynamo-worker-{number}", mocker, folder, env))
            for number in range(workers)
        )
        port = free_port()
        command: list[str | Path] = [
            *(python, "-m", "dynamo.frontend", "--http-host", "127.0.0.1"),
            *("--http-port", str(port), "--router-mode", "round-robin"),
            *_PLANES,
        ]
        frontend = running(
            "dynamo-frontend",
            command,
            port=port,
            folder=folder,
            ready=lambda url: _knows(url, workers),
            env=env,
            kind=Server,
        )
        yield Dynamo(stack.enter_context(frontend), started)


def _worker(
    name: str, command: list[str | Path], folder: Path, env: dict[str, str]
) -> contextlib.AbstractContextManager[Server]:
    port = _low_port()
    own = {**env, "DYN_SYSTEM_PORT": str(port)}
    # Its health waits for the first request; its page is there when it is.
    return running(name, command, port=port, folder=folder, ready="/metrics", env=own, kind=Server)


def _low_port() -> int:
    """A free loopback port that fits sixteen bits with a sign, as 1.6.1 reads this setting."""
    for _ in range(100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randrange(20_000, 32_768)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port from 20000 to 32767")


def _knows(url: str, workers: int) -> bool:
    """Whether the model is served, by all of them."""
    status, text = fetched(f"{url}/health")
    if status != 200:
        return False
    instances = json.loads(text).get("instances", [])
    ready = [one for one in instances if one.get("endpoint") == "generate"]
    return len(ready) == workers and MODEL in fetched(f"{url}/v1/models")[1]
