"""Every rig really starts here and answers; each skips only when this machine cannot have it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from rigs import (
    alertmanager,
    chromium,
    genai_client,
    litellm,
    llamacpp,
    load,
    prometheus,
    upstream,
    vllm,
)
from rigs.cache import RigUnavailable
from rigs.processes import fetched, wait_until

# The first run obtains the servers, and one of them is compiled.
pytestmark = [pytest.mark.integration, pytest.mark.prove, pytest.mark.timeout(1800)]


@contextlib.contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except RigUnavailable as unavailable:
        pytest.skip(unavailable.reason)


def _asked(url: str, body: dict[str, Any], key: str = "none") -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}


@pytest.mark.parametrize("release", prometheus.RELEASES)
def test_prometheus_answers_a_query(release: str) -> None:
    with _or_skip(), prometheus.serve(release=release) as server:
        status, text = fetched(f"{server.url}/api/v1/query?query=vector(1)")
        assert (status, json.loads(text)["status"]) == (200, "success")
        checked = subprocess.run([prometheus.promtool(release), "--version"], check=False)
        assert checked.returncode == 0


@pytest.mark.parametrize("release", alertmanager.RELEASES)
def test_alertmanager_answers_and_gossips_with_nobody(release: str) -> None:
    with _or_skip(), alertmanager.serve(release=release) as server:
        status, text = fetched(f"{server.url}/api/v2/status")
        assert (status, json.loads(text)["cluster"]["status"]) == (200, "disabled")
        assert (
            subprocess.run([alertmanager.amtool(release), "--version"], check=False).returncode == 0
        )


def test_llama_server_completes_and_can_be_frozen() -> None:
    with _or_skip(), llamacpp.serve() as server:
        answers = load.send(server.url, 4, prompt_tokens=20, max_tokens=10)
        assert [(a.ok, a.prompt_tokens, a.completion_tokens) for a in answers] == [
            (True, 20, 10)
        ] * 4
        server.freeze()
        assert fetched(f"{server.url}/health", timeout_seconds=0.5)[0] == 0
        server.thaw()
        assert fetched(f"{server.url}/health")[0] == 200


def test_vllm_completes_and_loses_its_engine() -> None:
    with _or_skip(), vllm.serve() as server:
        answers = server.send(4, prompt_tokens=20, max_tokens=10)
        assert [(a.ok, a.prompt_tokens, a.completion_tokens) for a in answers] == [
            (True, 20, 10)
        ] * 4
        assert "vllm:num_requests_running" in fetched(f"{server.url}/metrics")[1]
        server.kill_engine_core()
        assert wait_until(lambda: fetched(f"{server.url}/health")[0] != 200)


def test_litellm_counts_tokens_for_the_tenant_of_the_key() -> None:
    tenant = litellm.Tenant(key_alias="alpha-key", team_id="team-alpha", user_id="user-alpha")
    with _or_skip(), upstream.serve() as behind:
        configuration = litellm.config([litellm.Route("chat", behind.url)])
        with litellm.serve(configuration, {"sk-alpha": tenant}) as gateway:
            url = f"{gateway.url}/v1/chat/completions"
            body = {"model": "chat", "max_tokens": 5, "user": "end-1"}
            body["messages"] = [{"role": "user", "content": "one two three"}]
            assert _asked(url, body, "sk-alpha")[0] == 200
            assert _asked(url, body, "sk-nobody")[0] == 401
            name = "litellm_output_tokens_metric_total{"

            def lines() -> list[str]:
                return [line for line in gateway.metrics().splitlines() if line.startswith(name)]

            assert wait_until(lambda: bool(lines()), timeout_seconds=10)
            (line,) = lines()
            for label in ('team="team-alpha"', 'api_key_alias="alpha-key"', 'user="user-alpha"'):
                assert label in line
            assert 'end_user="end-1"' in line
            assert line.endswith(" 5.0")


def test_the_instrumented_client_exports_spans_and_metrics() -> None:
    paths: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with _or_skip(), upstream.serve() as behind:
            endpoint = f"http://127.0.0.1:{receiver.server_address[1]}"
            outcome = genai_client.call(f"{behind.url}/v1", endpoint, calls=2)
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()
    assert (outcome.ok, outcome.errors) == (2, [])
    assert {"/v1/traces", "/v1/metrics"} == set(paths)


def test_chromium_renders_a_page(tmp_path: Path) -> None:
    with _or_skip():
        program = chromium.executable()
    page = "data:text/html,<p id=tide></p><script>tide.textContent=6*7</script>"
    profile = f"--user-data-dir={tmp_path}"
    done = subprocess.run(
        [program, *chromium.launch_args(), profile, "--dump-dom", page],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert '<p id="tide">42</p>' in done.stdout, done.stderr


def test_a_server_does_not_outlive_a_test_process_that_was_killed() -> None:
    """No clean-up runs after SIGKILL, so something else must end the server."""
    with _or_skip():
        prometheus.prometheus_binary()
    source = """if True:
        import time
        from rigs import prometheus
        with prometheus.serve() as server:
            print(server.pid, flush=True)
            time.sleep(60)
        """
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=env
    ) as tester:
        assert tester.stdout is not None
        pid = int(tester.stdout.readline())
        tester.send_signal(signal.SIGKILL)
    assert wait_until(lambda: _is_gone(pid), timeout_seconds=10)


def _is_gone(pid: int) -> bool:
    """Ended, or dead and only not yet collected by whoever inherited it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"
