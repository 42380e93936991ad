"""Builds the fake driver library, and runs Python in a process that finds it as the real one."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("nvml.c")
ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path, *defines: str) -> Path:
    """Compile into *folder*, which then can stand in LD_LIBRARY_PATH."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("the fake driver needs a C compiler")
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-O1", *defines,
        "-Wl,-soname,libnvidia-ml.so.1", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


def run(code: str, library: Path, state: Path) -> Any:
    """Run *code* with nvidia-ml-py on top of the fake; gives back what it printed, as JSON.

    A fresh process, because a driver library is loaded once and for ever.
    """
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(library),
        "FAKE_NVML_STATE": str(state),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state_text(**lines: float) -> str:
    """State in words: `count=2, gpu0_util=93` becomes `count 2` and `0.util 93`."""
    out = []
    for key, value in lines.items():
        name = f"{key[3]}.{key[5:]}" if key.startswith("gpu") else key
        out.append(f"{name} {value}\n")
    return "".join(out)
