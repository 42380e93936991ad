"""
Python environments for rigs whose dependencies must never meet ours: one each, hash-pinned.

uv makes them, in seconds where pip takes a minute. It is taken from PATH or from beside the
running interpreter, else installed into a small environment of its own in the cache.

The requirement files under ``requirements/`` name no index: packages come from wherever this
machine is configured to get them. uv does not read pip's configuration, so what matters of it
is read here at run time and handed on. ``requirements/README.md`` says how to renew one.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from rigs import cache

REQUIREMENTS = Path(__file__).parent / "requirements"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of a rig."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        return next((self.folder / "lib").glob("python3*")) / "site-packages"

    def script(self, name: str) -> Path:
        """The console script *name* of one of its packages."""
        return self.folder / "bin" / name


def made(
    name: str,
    finish: Callable[[Environment], None] = lambda environment: None,
    *,
    recipe: str = "",
) -> Environment:
    """
    The environment of ``requirements/<name>.txt``, made once.

    *finish* is called once with the new environment, for what requirements cannot say; change
    *recipe* along with it.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pinned = requirements.read_text(encoding="utf-8")

    def make(folder: Path) -> None:
        environment = Environment(folder / "venv")
        uv_venv = ["venv", "-q", "--no-python-downloads", "--python", sys.executable]
        run_uv(name, [*uv_venv, environment.folder], cwd=folder)
        install(environment, name, ["--require-hashes", "-r", requirements])
        finish(environment)

    folder = cache.made_once(name, f"python {version}\n{recipe}\n{pinned}", make)
    return Environment(folder / "venv")


def install(environment: Environment, what: str, arguments: Sequence[str | Path]) -> None:
    """Install into *environment* exactly what *arguments* name, resolving nothing."""
    command = ["pip", "install", "-q", "--python", environment.python, "--no-deps", *arguments]
    run_uv(f"{what}: install", command, cwd=environment.folder)


def run_uv(what: str, arguments: Sequence[str | Path], *, cwd: Path) -> str:
    """Run uv in *cwd*, which must be outside the checkout, whose settings are not for rigs."""
    env = dict(os.environ)
    index = pip_settings("index-url")
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & env.keys():
        env["UV_DEFAULT_INDEX"] = index[-1]
    return cache.ran(what, [uv(), *arguments], cwd=cwd, env=env)


def uv() -> Path:
    """The uv program, installed into the cache if this machine has none."""
    beside = Path(sys.executable).parent / "uv"
    found = shutil.which("uv")
    if beside.exists():
        return beside
    if found:
        return Path(found)
    requirements = REQUIREMENTS / "uv.txt"

    def make(folder: Path) -> None:
        cache.ran("uv: environment", [sys.executable, "-m", "venv", folder / "venv"])
        pip: list[str | Path] = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q"]
        cache.ran("uv: install", [*pip, "--require-hashes", "-r", requirements])

    recipe = requirements.read_text(encoding="utf-8")
    return cache.made_once("uv", recipe, make) / "venv" / "bin" / "uv"


@once
def pip_settings(name: str) -> tuple[str, ...]:
    """
    Every value this machine's pip is configured with under *name*, files and environment.

    Empty where no pip is to be found: an environment made by uv has none, its base usually does.
    """
    values: list[str] = os.environ.get(f"PIP_{name.upper().replace('-', '_')}", "").split()
    pythons = [sys.executable, f"{sys.base_prefix}/bin/python3", shutil.which("python3")]
    for python in (python for python in pythons if python and Path(python).exists()):
        listed = subprocess.run(
            [python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
        )
        if listed.returncode == 0:
            for line in listed.stdout.splitlines():
                key, _, value = line.partition("=")
                if key.rpartition(".")[2] == name:
                    values += str(ast.literal_eval(value)).split()
            break
    return tuple(dict.fromkeys(values))
