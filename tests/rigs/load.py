"""
A bounded load for any OpenAI-compatible server, with nothing but the standard library.

Prompts are lists of token ids, so that their length is exact whatever the tokenizer, and the end
token is ignored, so that answers are as long as was asked for. Every answer is streamed: that is
how first tokens are timed from outside.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client saw of one request. *status* 0 means that nobody answered."""

    status: int
    seconds: float
    first_token_seconds: float | None
    prompt_tokens: int
    completion_tokens: int
    error: str = ""

    @property
    def ok(self) -> bool:
        """Answered to the end."""
        return self.status == 200 and not self.error


@dataclass(frozen=True, slots=True)
class Load:
    """Requests under way in the background; `answers` waits for all of them."""

    _pool: ThreadPoolExecutor
    _pending: Sequence[Future[Answer]]

    @property
    def under_way(self) -> int:
        """How many requests have no answer yet."""
        return sum(not future.done() for future in self._pending)

    def answers(self) -> list[Answer]:
        """One answer a request, in the order they were sent."""
        with self._pool:
            return [future.result() for future in self._pending]

    def stop(self) -> list[Answer]:
        """Send nothing more, and wait for the answers to what has been sent."""
        for future in self._pending:
            future.cancel()
        with self._pool:
            return [future.result() for future in self._pending if not future.cancelled()]


def start(
    url: str,
    n: int,
    *,
    model: str = "tiny-random",
    prompt_tokens: int = 64,
    max_tokens: int = 64,
    concurrency: int = 4,
    timeout_seconds: float = 120,
) -> Load:
    """Begin to send *n* completions to *url*, at most *concurrency* at a time."""
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="load")
    pending = [
        pool.submit(_complete, url, model, index, prompt_tokens, max_tokens, timeout_seconds)
        for index in range(n)
    ]
    return Load(pool, pending)


def send(
    url: str,
    n: int,
    *,
    model: str = "tiny-random",
    prompt_tokens: int = 64,
    max_tokens: int = 64,
    concurrency: int = 4,
    timeout_seconds: float = 120,
) -> list[Answer]:
    """Send *n* completions to *url*, at most *concurrency* at a time, and wait for them."""
    return start(
        url,
        n,
        model=model,
        prompt_tokens=prompt_tokens,
        max_tokens=max_tokens,
        concurrency=concurrency,
        timeout_seconds=timeout_seconds,
    ).answers()


def _complete(
    url: str, model: str, index: int, prompt_tokens: int, max_tokens: int, timeout_seconds: float
) -> Answer:
    # Prompts differ from their first token on, or a prefix cache would swallow the load.
    prompt = [10 + (index * 7 + position * 3) % 200 for position in range(prompt_tokens)]
    prompt[: min(2, prompt_tokens)] = [10 + index % 200, 10 + index // 200 % 200][:prompt_tokens]
    body = {
        "model": model,
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begun = time.monotonic()
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=timeout_seconds
    )
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            text = response.read().decode("utf-8", "replace")
            return Answer(response.status, time.monotonic() - begun, None, 0, 0, text[:500])
        return _read_stream(response, begun)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, time.monotonic() - begun, None, 0, 0, f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _read_stream(response: http.client.HTTPResponse, begun: float) -> Answer:
    first: float | None = None
    usage: dict[str, int] = {}
    error = "the stream ended without [DONE]"
    for line in response:
        data = line.decode("utf-8", "replace").strip().removeprefix("data:").strip()
        if data == "[DONE]":
            error = ""
            break
        if not data.startswith("{"):
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            error = json.dumps(chunk["error"])[:500]
            break
        if first is None and chunk.get("choices"):
            first = time.monotonic() - begun
        usage = chunk.get("usage") or usage
    return Answer(
        response.status,
        time.monotonic() - begun,
        first,
        usage.get("prompt_tokens", 0),
        usage.get("completion_tokens", 0),
        error,
    )
