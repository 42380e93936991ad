"""Ollama from a configured URL, or from its pod, to what is known of it, over a real socket."""

import socket
from collections.abc import Callable
from pathlib import Path

import yaml
from fake_api_server import pod_body
from loopback_target import Target, answer

from service.assembly import page_reader, reach_for
from service.config import load
from service.kubernetes.pod_objects import pod_of
from service.kubernetes.pod_pages import PodRules, find_pages
from service.scrape_entries import static_targets

PS = b'{"models":[{"name":"qwen3:8b","size":9,"size_vram":6}]}'


def test_a_configured_ollama_is_asked_for_its_models_and_its_release(
    serve: Callable[..., Target], tmp_path: Path
) -> None:
    def behave(client: socket.socket, request: bytes) -> None:
        path = request.split()[1]
        body = {b"/api/ps": PS, b"/api/version": b'{"version":"0.33.0"}'}[path]
        answer(body, "Content-Type: application/json")(client, request)

    server = serve(behave)
    url = f"http://127.0.0.1:{server.port}/api/ps"
    file = tmp_path / "tidegauge.yaml"
    file.write_text(yaml.safe_dump({"scrape": [url]}))
    config = load(file, {})
    (target,) = static_targets(config.settings)
    reading = page_reader(config).read(target, reach_for(config), 7.0)
    assert (reading.verdict, reading.collector) == ("ok", "ollama")
    told = {
        (one.series.label("place"), one.series.label("version")): one.value
        for one in reading.samples
    }
    assert told == {("", "0.33.0"): 1.0, ("device", "0.33.0"): 6.0, ("host", "0.33.0"): 3.0}


def test_a_pod_that_runs_ollama_is_asked_at_its_api() -> None:
    ports = [{"containerPort": 11434}]
    pod = pod_of(pod_body("local-1", image="docker.io/ollama/ollama:0.33.0", ports=ports))
    (target,) = find_pages([pod], PodRules("prod", "n1")).targets
    assert target.url == "http://10.1.0.5:11434/api/ps"
