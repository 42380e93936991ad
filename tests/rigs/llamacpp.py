"""
A real llama-server with a model of random weights.

It is compiled from the sources inside the llama-cpp-python source archive (five minutes on two
cores, once; no network beyond the package index: without ``LLAMA_USE_PREBUILT_UI=OFF`` the build
would fetch a web page). It needs a C++ compiler; cmake and ninja come from PyPI.

``TINY`` (145k parameters) answers at once. ``SLOW`` (25M) is slow enough on one thread that
requests queue: more requests than *slots* are "deferred" and wait for their first token.

Names on its metrics page mislead in two places: ``llamacpp:n_tokens_max`` is typed counter but is
a maximum, and the ``*_tokens_seconds`` gauges are averages since the start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rigs import cache, environments
from rigs.processes import Server, free_port, running, work_folder

MODEL = "tiny-random"


@dataclass(frozen=True, slots=True)
class Size:
    """How large the random model is."""

    layers: int
    width: int


TINY = Size(layers=2, width=64)
SLOW = Size(layers=8, width=640)

_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)


def server_binary() -> Path:
    """The llama-server program, compiled if it is not there yet."""
    source = environments.REQUIREMENTS / "llamacpp-source.txt"
    recipe = source.read_text(encoding="utf-8") + " ".join(_FLAGS)
    return cache.made_once("llamacpp", recipe, _compile) / "llama-server"


def random_model(size: Size = TINY) -> Path:
    """A GGUF file of that *size*, always with the same contents."""
    script = Path(__file__).parent / "inside" / "random_gguf.py"

    def make(folder: Path) -> None:
        python = environments.made("gguf").python
        command: list[str | Path] = [
            python,
            script,
            folder / "model.gguf",
            str(size.layers),
            str(size.width),
        ]
        cache.ran("llamacpp: random model", command)

    recipe = f"{size}\n{script.read_text(encoding='utf-8')}"
    return cache.made_once("llamacpp-model", recipe, make) / "model.gguf"


@contextlib.contextmanager
def serve(
    *,
    size: Size = TINY,
    slots: int = 4,
    context_tokens: int = 8192,
    threads: int = 1,
    flags: Sequence[str] = (),
) -> Iterator[Server]:
    """
    A llama-server that serves ``MODEL``; `Server.freeze` and `Server.thaw` make it hang and go on.

    *context_tokens* is shared by all *slots*.
    """
    binary, model = server_binary(), random_model(size)
    port = free_port()
    command: list[str | Path] = [
        binary,
        *("-m", model, "--alias", MODEL),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--metrics", "--slots", "-np", str(slots), "-c", str(context_tokens)),
        # It spins while it waits: more threads would make every other timing lie.
        *("-t", str(threads), "-tb", str(threads)),
        *flags,
    ]
    with (
        work_folder("llamacpp") as folder,
        running(
            "llama-server", command, port=port, folder=folder, ready="/health", kind=Server
        ) as server,
    ):
        yield server


def _compile(folder: Path) -> None:
    if not (shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")):
        raise cache.RigUnavailable("llamacpp: no C++ compiler on this machine")
    build = environments.made("llamacpp-build")
    work = folder / "work"
    work.mkdir()
    source = environments.REQUIREMENTS / "llamacpp-source.txt"
    download: list[str | Path] = [
        build.python,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--require-hashes",
    ]
    cache.ran(
        "llamacpp: sources", [*download, "--no-binary", "llama-cpp-python", "-r", source], cwd=work
    )
    # Not tarfile: its safe extraction is missing from Python 3.11 before 3.11.4.
    archive = next(work.glob("llama_cpp_python-*.tar.gz"))
    cache.ran("llamacpp: unpack", ["tar", "-xzf", archive], cwd=work)
    tree = next(work.glob("llama_cpp_python-*/vendor/llama.cpp"))
    jobs = str(len(os.sched_getaffinity(0)))
    env = {**os.environ, "PATH": f"{build.folder / 'bin'}:{os.environ.get('PATH', '')}"}
    for arguments in (
        ["-B", "build", "-G", "Ninja", *_FLAGS],
        ["--build", "build", "--target", "llama-server", "-j", jobs],
    ):
        command = ["nice", "-n", "10", "cmake", *arguments]
        cache.ran("llamacpp: compile", command, cwd=tree, env=env, timeout_seconds=3600)
    shutil.copy2(tree / "build" / "bin" / "llama-server", folder / "llama-server")
    shutil.rmtree(work)
