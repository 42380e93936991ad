"""Devices offered to claims: every version of the API, newest generations, no right at all."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.kubernetes.api_server import ApiServer
from service.kubernetes.resource_slices import VERSIONS, ResourceSlices
from vocabulary.pods import OfferedDevice

UUID = "GPU-00000000-0000-0000-0000-000000000001"
GPU = ("gpu.nvidia.com", "n1", "gpu-0")


class Api:
    """Serves one version of the group; everything else is 404, or 403 when forbidden."""

    def __init__(self, version: str) -> None:
        self.version, self.status = version, 200
        self.items: list[dict[str, Any]] = []
        self.asked: list[str] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append(self.path)
                there = self.path.startswith(f"/apis/resource.k8s.io/{api.version}/resourceslices?")
                status = api.status if there or api.status == 403 else 404
                body = json.dumps({"metadata": {}, "items": api.items}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(params=VERSIONS)
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    made = Api(request.param)
    yield made
    made.close()


def device(version: str, name: str, **told: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {key: {"string": value} for key, value in told.items()}
    attributes["minor"] = {"int": 0}
    attributes["gpu.nvidia.com/profile"] = {"string": "1g.10gb"}
    said = {"attributes": attributes}
    return {"name": name, **({"basic": said} if version == "v1beta1" else said)}


def slice_of(version: str, generation: int, *devices: dict[str, Any]) -> dict[str, Any]:
    pool = {"name": "n1", "generation": generation, "resourceSliceCount": 1}
    return {"spec": {"driver": "gpu.nvidia.com", "nodeName": "n1", "pool": pool,
                     "devices": list(devices)}}  # fmt: skip


def reader(api: Api, seconds: list[float]) -> ResourceSlices:
    return ResourceSlices(ApiServer(api.url), "n1", monotonic=lambda: seconds[0])


def test_devices_of_every_version_are_read_and_old_generations_are_not(api: Api) -> None:
    about = {"type": "gpu", "uuid": UUID, "parentUUID": "p"}
    api.items = [
        slice_of(api.version, 2, device(api.version, "gpu-0", **about)),
        slice_of(api.version, 1, device(api.version, "gpu-9")),
    ]
    slices = reader(api, [0.0])
    assert slices.find(*GPU) == OfferedDevice("gpu", UUID, "p", "1g.10gb")
    assert slices.find("gpu.nvidia.com", "n1", "gpu-9") is None
    assert "fieldSelector=spec.nodeName%3Dn1" in api.asked[-1]


def test_what_is_missing_is_asked_again_but_not_at_every_turn(api: Api) -> None:
    seconds = [0.0]
    slices = reader(api, seconds)
    assert slices.find(*GPU) is None
    first = len(api.asked)
    api.items = [slice_of(api.version, 1, device(api.version, "gpu-0", uuid=UUID))]
    seconds[0] = 29.0
    assert slices.find(*GPU) is None
    assert len(api.asked) == first
    seconds[0] = 31.0
    assert slices.find(*GPU) is not None
    seconds[0] = 200.0
    api.items = []
    assert slices.find(*GPU) is not None, "known ones are kept for minutes"
    seconds[0] = 400.0
    assert slices.find(*GPU) is None


def test_without_the_right_nothing_is_known_and_the_mend_is_named(api: Api) -> None:
    api.status = 403
    slices = reader(api, [0.0])
    assert slices.find(*GPU) is None
    assert "agent.readResourceSlices" in slices.trouble


def test_a_cluster_without_claims_has_no_devices_and_no_trouble(api: Api) -> None:
    api.version = "v9"
    slices = reader(api, [0.0])
    assert slices.read() == 0
    assert not slices.trouble


@pytest.mark.parametrize(
    "item", [{}, {"spec": 1}, {"spec": {"devices": [{"name": 5, "attributes": []}, 7]}}]
)
def test_odd_objects_are_passed_over(api: Api, item: dict[str, Any]) -> None:
    api.items = [item]
    slices = reader(api, [0.0])
    slices.read()
