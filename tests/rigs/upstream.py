"""
A small OpenAI-compatible server in this process, to stand behind a gateway under test.

It answers chat and text completions, streamed or not, with words that say nothing and usage that
adds up: a prompt counts one token a word, an answer has as many tokens as `max_tokens` asks for.
How it behaves can be changed while it runs: fail the next requests, answer slowly.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Upstream:
    """The running server, and how it is to behave from now on."""

    url: str
    first_token_seconds: float = 0.0
    token_seconds: float = 0.0
    fail_with: int = 0
    """Answer every request with this status; 0 for none."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Every body received, in order."""


@contextlib.contextmanager
def serve() -> Iterator[Upstream]:
    """The server on a free loopback port; its URL has no path (clients add ``/v1``)."""
    upstream = Upstream("")

    class Handler(_Handler):
        behaviour = upstream

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    upstream.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    behaviour: Upstream
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name inherited
        """Say nothing: a test's output is for its failures."""

    def do_GET(self) -> None:
        self._answer(200, {"object": "list", "data": [{"id": "mock", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        behaviour = self.behaviour
        behaviour.requests.append(body)
        if behaviour.fail_with:
            error = {"message": "told to fail", "type": "server_error", "code": None}
            self._answer(behaviour.fail_with, {"error": error})
            return
        time.sleep(behaviour.first_token_seconds)
        chat = "messages" in body
        texts = [str(m.get("content", "")) for m in body["messages"]] if chat else [body["prompt"]]
        wanted = int(body.get("max_tokens") or body.get("max_completion_tokens") or 8)
        usage = {"prompt_tokens": sum(len(str(text).split()) for text in texts)}
        usage["completion_tokens"] = wanted
        usage["total_tokens"] = usage["prompt_tokens"] + wanted
        if body.get("stream"):
            self._stream(body, wanted, usage, chat)
        else:
            time.sleep(behaviour.token_seconds * wanted)
            text = " ".join(["word"] * wanted)
            choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            answer = _frame(body, {**choice, "finish_reason": "length"}, chat, chunk=False)
            self._answer(200, {**answer, "usage": usage})

    def _stream(self, body: dict[str, Any], wanted: int, usage: dict[str, int], chat: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for _ in range(wanted):
            time.sleep(self.behaviour.token_seconds)
            choice = {"delta": {"role": "assistant", "content": "word "}, "finish_reason": None}
            self._event(_frame(body, choice if chat else {"text": "word "}, chat, chunk=True))
        last = {"delta": {}, "finish_reason": "length"} if chat else {"text": ""}
        self._event(_frame(body, last, chat, chunk=True))
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event({**_frame(body, {}, chat, chunk=True), "choices": [], "usage": usage})
        with contextlib.suppress(OSError):
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, content: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b"data: " + json.dumps(content).encode() + b"\n\n")
            self.wfile.flush()

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _frame(
    body: dict[str, Any], choice: dict[str, Any], chat: bool, *, chunk: bool
) -> dict[str, Any]:
    kind = "text_completion"
    if chat:
        kind = "chat.completion.chunk" if chunk else "chat.completion"
    return {
        "id": "mock-1",
        "object": kind,
        "created": 1,
        "model": body.get("model", "mock"),
        "choices": [{"index": 0, **choice}],
    }
