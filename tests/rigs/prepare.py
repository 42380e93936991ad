"""
Obtain the real servers of the integration tests ahead of time.

`python tests/rigs/prepare.py --all`, or the names of some. One line a rig: how long it took, or
why this machine cannot have it, which is no failure unless ``--strict`` says so. What is there
already takes no time. What has to be compiled comes after everything that is only downloaded.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__":
    # Started as a script, Python puts this folder first on the path, where rigs/prometheus.py
    # and others would hide packages of the same name.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rigs import (
    alertmanager,
    cache,
    chromium,
    dynamo,
    environments,
    kubernetes,
    litellm,
    llamacpp,
    prometheus,
    triton,
    vllm,
)


def _prometheus() -> None:
    for release in prometheus.RELEASES:
        prometheus.prometheus_binary(release)
        prometheus.promtool(release)


def _alertmanager() -> None:
    for release in alertmanager.RELEASES:
        alertmanager.alertmanager_binary(release)
        alertmanager.amtool(release)


def _genai_client() -> None:
    environments.made("genai-client")


def _vllm() -> None:
    vllm.environment()
    vllm.model()


def _llamacpp() -> None:
    llamacpp.random_model(llamacpp.TINY)
    llamacpp.random_model(llamacpp.SLOW)
    llamacpp.server_binary()


def _dynamo() -> None:
    dynamo.environment()
    dynamo.model()


def _kubernetes() -> None:
    kubernetes.etcd_binary()
    kubernetes.apiserver_binary()


RIGS: dict[str, Callable[[], object]] = {
    "prometheus": _prometheus,
    "alertmanager": _alertmanager,
    "chromium": chromium.executable,
    "genai-client": _genai_client,
    "litellm": litellm.program,
    "vllm": _vllm,
    "triton": triton.server,
    "dynamo": _dynamo,
    "llamacpp": _llamacpp,
    "kubernetes": _kubernetes,
}
"""In the order in which they are prepared: those that are compiled come last."""
COMPILED = {"llamacpp": 5, "kubernetes": 4}
"""Minutes on two quiet cores, once: said beforehand, or it looks as if nothing happened."""


def main(arguments: Sequence[str]) -> int:
    """Prepare what *arguments* name; the exit status."""
    parser = argparse.ArgumentParser(description="Obtain the real servers of integration tests.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RIGS))
    parser.add_argument("--all", action="store_true", help="every rig")
    parser.add_argument("--strict", action="store_true", help="fail if a rig is unavailable")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(RIGS))
    if unknown:
        parser.error(f"no such rig: {', '.join(unknown)} (there are: {', '.join(RIGS)})")
    if not options.names and not options.all:
        parser.error(f"name rigs or say --all (there are: {', '.join(RIGS)})")
    wanted = [name for name in RIGS if options.all or name in options.names]
    begun = time.monotonic()
    unavailable = sum(not _prepared(name) for name in wanted)
    _say(f"{'total':14}{time.monotonic() - begun:7.1f} s   in {cache.root()}")
    return 1 if unavailable and options.strict else 0


def _prepared(name: str) -> bool:
    begun = time.monotonic()
    if name in COMPILED:
        _say(f"{name:14}    ...     compiled unless it is there: {COMPILED[name]} minutes or more")
    elif sys.stdout.isatty():
        _say(f"{name:14}    ... ", end="\r")
    try:
        RIGS[name]()
    except cache.RigUnavailable as unavailable:
        _say(f"{name:14}{time.monotonic() - begun:7.1f} s   unavailable: {unavailable.reason}")
        return False
    _say(f"{name:14}{time.monotonic() - begun:7.1f} s   ready")
    return True


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
