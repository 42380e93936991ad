"""`tidegauge doctor`: what it says of pages that answer, hang, refuse or are something else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.service.cli.conftest import Run

VLLM = (
    b"# TYPE vllm:num_requests_running gauge\n"
    b'vllm:num_requests_running{model_name="m",engine="0"} 3\n'
    b"# TYPE vllm:generation_tokens counter\n"
    b'vllm:generation_tokens_total{model_name="m",engine="0"} 12\n'
)


@pytest.fixture
def pages() -> Iterator[str]:
    """A page a path: /ok, /hung, /locked, /html."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/hung":
                over.wait(20)
                return
            status, body = {
                "/ok": (200, VLLM), "/locked": (401, b""), "/html": (200, b"<html>hello</html>"),
            }[self.path]  # fmt: skip
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("page", "verdict", "says"),
    [
        ("/ok", "ok", "vllm"),
        ("/hung", "blind", "hung"),
        ("/locked", "blind", "unauthorised"),
        ("/html", "blind", "no metric names"),
    ],
)
def test_each_page_gets_its_verdict_and_a_mend(
    run: Run, pages: str, monkeypatch: pytest.MonkeyPatch, page: str, verdict: str, says: str
) -> None:
    monkeypatch.setenv("TIDEGAUGE_TIMEOUT_SECONDS", "0.5")
    ended = run("doctor", "--scrape", pages + page, "--output", "json")
    (check,) = [one for one in json.loads(ended.out) if one["name"] == pages + page]
    assert check["verdict"] == verdict
    assert says in check["what"]
    assert bool(check["mend"]) is (verdict == "blind")
    assert ended.code == (1 if verdict == "blind" else 0)


def test_a_port_nobody_listens_on_is_blind(run: Run) -> None:
    ended = run("doctor", "--scrape", "http://127.0.0.1:9/metrics")
    assert ended.code == 1
    assert "down" in ended.out
    assert "is the server running" in ended.out
