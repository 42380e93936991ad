"""
A real Triton Inference Server on the CPU, with a model that takes as long as it is asked to.

nvidia-pytriton on PyPI carries the server and its Python backend. They are started as the container
images start them, with a model repository; pytriton's own Python layer is left aside, because the
interpreter inside its backend is an older 3.11 than some standard libraries it would meet (its
proxy then ends with "RLock has no attribute _recursion_count").

Seen on the page of 2.51.0:

* Times are microseconds, in counters; of a model that waits and works for 0.2 s both are exact.
* What a queue refuses because it is full (503 "Exceeds maximum queue size") is counted nowhere.
  What it drops after waiting too long is `REJECTED`; an execution that raises is `BACKEND`.
* An error that a Python model *returns* is counted as a success.
* A request whose client hung up is carried out all the same, and is a success.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rigs import cache, environments
from rigs.processes import Server, free_port, running, work_folder

MODEL = "sleeper"
QUEUE = 8
"""Requests that may wait; the next is refused."""

_CONFIG = """\
backend: "python"
max_batch_size: 1
input [{{ name: "seconds" data_type: TYPE_FP32 dims: [1] }}]
output [{{ name: "seconds" data_type: TYPE_FP32 dims: [1] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
dynamic_batching {{
  default_queue_policy {{
    max_queue_size: {queue}
    default_timeout_microseconds: {patience}
    timeout_action: REJECT
  }}
}}
"""


class Triton(Server):
    """A running Triton; requests go to its URL, and its metrics page has a port of its own."""

    page: str = ""
    """URL of the metrics page."""

    def infer(self, seconds: float) -> int:
        """Status of one request that takes *seconds* once it runs; it fails below zero."""
        tensor = {"name": "seconds", "datatype": "FP32", "shape": [1, 1], "data": [seconds]}
        url = f"{self.url}/v2/models/{MODEL}/infer"
        request = urllib.request.Request(url, json.dumps({"inputs": [tensor]}).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def start(self, n: int, seconds: float) -> list[Future[int]]:
        """Send *n* requests at once; they run one after the other."""
        pool = ThreadPoolExecutor(max_workers=n, thread_name_prefix="triton")
        pending = [pool.submit(self.infer, seconds) for _ in range(n)]
        pool.shutdown(wait=False)
        return pending


def server() -> tuple[Path, environments.Environment]:
    """The folder of the server's parts and the environment they run in, made if missing."""
    environment = environments.made("triton")
    return environment.site_packages / "pytriton" / "tritonserver", environment


@contextlib.contextmanager
def serve(*, patience_seconds: float = 30.0) -> Iterator[Triton]:
    """A Triton that serves ``MODEL`` one request at a time; none waits longer than *patience*."""
    parts, environment = server()
    port, metrics = free_port(), free_port()
    libraries = environment.site_packages / "nvidia_pytriton.libs"
    with work_folder("triton") as folder:
        _write_model(folder / "models", patience_seconds)
        _lay_out_backend(parts, folder / "backends")
        command: list[str | Path] = [
            parts / "bin" / "tritonserver",
            *("--model-repository", "models", "--backend-directory", "backends"),
            *("--http-address", "127.0.0.1", "--http-port", str(port), "--allow-grpc", "false"),
            *("--metrics-address", "127.0.0.1", "--metrics-port", str(metrics)),
            *("--allow-gpu-metrics", "false", "--exit-timeout-secs", "1"),
        ]
        env = {
            # The backend's interpreter takes its packages from the first python3 it finds.
            "PATH": f"{environment.folder / 'bin'}:/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(libraries),
            "HOME": str(folder),
        }
        with running(
            "triton",
            command,
            port=port,
            folder=folder,
            ready=f"/v2/models/{MODEL}/ready",
            env=env,
            kind=Triton,
        ) as triton:
            triton.page = f"http://127.0.0.1:{metrics}/metrics"
            yield triton


def _write_model(repository: Path, patience_seconds: float) -> None:
    folder = repository / MODEL
    (folder / "1").mkdir(parents=True)
    config = _CONFIG.format(queue=QUEUE, patience=round(patience_seconds * 1e6))
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")
    code = Path(__file__).parent / "inside" / "triton_model.py"
    shutil.copy2(code, folder / "1" / "model.py")


def _lay_out_backend(parts: Path, backends: Path) -> None:
    """The Python backend beside the interpreter it runs models in, one for each Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = parts / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise cache.RigUnavailable(f"triton: nvidia-pytriton has no backend for Python {version}")
    shutil.copytree(parts / "backends" / "python", backends / "python")
    shutil.copy2(stub, backends / "python")
