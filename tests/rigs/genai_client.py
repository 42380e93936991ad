"""
An application that calls a model through an instrumented client and exports OTLP.

The instrumentation is the official successor, ``opentelemetry-instrumentation-genai-openai``, in
an environment of its own, so that the project's OpenTelemetry version never decides what its
receiver is tested with. Spans and metrics are flushed before `call` returns. Metrics arrive
twice, at the flush and at the end, both cumulative: a receiver must not add them up.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rigs import environments

_SCRIPT = Path(__file__).parent / "inside" / "genai_calls.py"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many calls went well, and the exception names of those that did not."""

    ok: int
    errors: list[str]
    log: str
    """What the client wrote to standard error: an export that failed is told only there."""


def call(
    base_url: str,
    endpoint: str,
    *,
    protocol: Literal["http", "grpc"] = "http",
    calls: int = 1,
    streamed: bool = False,
    model: str = "tiny-random",
    max_tokens: int = 16,
    api_key: str = "none",
    user: str = "",
    token: str = "",
    service_name: str = "rig-client",
    content: str = "",
    timeout_seconds: float = 120,
) -> Outcome:
    """
    Make chat *calls* to *base_url* (which ends in ``/v1``) and export to *endpoint*.

    *endpoint* is a base URL for both protocols; over HTTP the paths are added. *token* goes with
    the export, *api_key* and *user* with the calls. *content* other than empty is the mode in
    which prompts are captured, such as ``SPAN_ONLY``.
    """
    order = {
        "base_url": base_url,
        "endpoint": endpoint,
        "protocol": protocol,
        "calls": calls,
        "streamed": streamed,
        "model": model,
        "max_tokens": max_tokens,
        "api_key": api_key,
        "user": user,
        "token": token,
        "service_name": service_name,
        "content": content,
    }
    done = subprocess.run(
        [environments.made("genai-client").python, _SCRIPT],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0, f"the instrumented client failed:\n{done.stderr[-3000:]}"
    said = json.loads(done.stdout)
    return Outcome(said["ok"], said["errors"], done.stderr)
