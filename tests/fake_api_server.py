"""A small Kubernetes API: list and watch of pods with versions, bookmarks, 410 and tokens."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Event = tuple[int, str, dict[str, Any]]


class FakeApiServer:
    """Holds pods and their history; `with` starts it on a free port of the loopback."""

    def __init__(self) -> None:
        self.token = "first"
        self.asked: list[dict[str, str]] = []
        self.version = 10
        self._pods: dict[str, dict[str, Any]] = {}
        self._events: list[Event] = []
        self._oldest = 0
        self._cuts = 0
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, pod: Mapping[str, Any]) -> None:
        """Create or change a pod."""
        body = json.loads(json.dumps(pod))
        kind = "MODIFIED" if body["metadata"]["uid"] in self._pods else "ADDED"
        self._happen(kind, body)
        self._pods[body["metadata"]["uid"]] = body

    def delete(self, uid: str) -> None:
        self._happen("DELETED", self._pods.pop(uid))

    def bookmark(self) -> None:
        """Say how far the watch has come, as the API does when nothing else happens."""
        self._happen("BOOKMARK", {"kind": "Pod", "metadata": {}})

    def forget(self) -> None:
        """Compact the history: whoever watches from before now is answered 410."""
        with self._news:
            self._oldest, self._events = self.version, []

    def cut(self) -> None:
        """End every watch under way, as a server does that restarts."""
        with self._news:
            self._cuts += 1
            self._news.notify_all()

    def watches(self) -> list[dict[str, str]]:
        return [one for one in self.asked if one.get("watch")]

    def lists(self) -> list[dict[str, str]]:
        return [one for one in self.asked if not one.get("watch")]

    def _happen(self, kind: str, body: dict[str, Any]) -> None:
        with self._news:
            self.version += 1
            body["metadata"]["resourceVersion"] = str(self.version)
            self._events.append((self.version, kind, json.loads(json.dumps(body))))
            self._news.notify_all()

    def listing(self, node: str) -> dict[str, Any]:
        items = [one for one in self._pods.values() if one["spec"].get("nodeName") == node]
        return {"kind": "PodList", "metadata": {"resourceVersion": str(self.version)},
                "items": items}  # fmt: skip

    def follow(self, node: str, version: int) -> Iterator[dict[str, Any]]:
        if version < self._oldest:
            status = {"kind": "Status", "code": 410, "message": "too old resource version"}
            yield {"type": "ERROR", "object": status}
            return
        cuts = self._cuts
        while news := self._wait(version, cuts):
            for at, kind, body in news:
                version = at
                if kind == "BOOKMARK" or body["spec"].get("nodeName") == node:
                    yield {"type": kind, "object": body}

    def _wait(self, version: int, cuts: int) -> list[Event]:
        """Events after *version* as soon as there are some; none when cut or nothing comes."""
        with self._news:
            self._news.wait_for(lambda: self._cuts != cuts or self._after(version), 10)
            return [] if self._cuts != cuts else self._after(version)

    def _after(self, version: int) -> list[Event]:
        return [one for one in self._events if one[0] > version]


def _handler(api: FakeApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            api.asked.append(query)
            if self.headers.get("Authorization") != f"Bearer {api.token}":
                self.send_error(401)
                return
            node = query["fieldSelector"].removeprefix("spec.nodeName=")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if query.get("watch") != "1":
                self.wfile.write(json.dumps(api.listing(node)).encode())
                return
            for event in api.follow(node, int(query["resourceVersion"])):
                try:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()
                except OSError:
                    return

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def pod_body(name: str, uid: str = "", **more: Any) -> dict[str, Any]:
    """A running vLLM pod with one GPU, as the API writes it; keywords change what they name."""
    container = {
        "name": "vllm",
        "image": more.get("image", "reg.example:5000/vllm/vllm-openai:v0.33.0"),
        "ports": more.get("ports", [{"name": "metrics", "containerPort": 8000}]),
        "resources": {"limits": more.get("limits", {"nvidia.com/gpu": "1"})},
    }
    status = {"name": "vllm", "restartCount": more.get("restarts", 0),
              "containerID": f"containerd://{'c' * 60}0001",
              "lastState": more.get("last", {})}  # fmt: skip
    return {
        "metadata": {
            "name": name, "namespace": "llm", "uid": uid or f"uid-{name}",
            "annotations": more.get("annotations", {}),
            "labels": {"pod-template-hash": "abc12", **more.get("labels", {})},
            "ownerReferences": more.get(
                "owners", [{"kind": "ReplicaSet", "name": "chat-abc12", "controller": True}]
            ),
        },
        "spec": {"nodeName": more.get("node", "n1"), "containers": [container],
                 "hostNetwork": more.get("host_network", False)},
        "status": {"phase": more.get("phase", "Running"), "reason": more.get("reason", ""),
                   "message": more.get("message", ""), "podIP": more.get("ip", "10.1.0.5"),
                   "hostIP": "10.0.0.1", "containerStatuses": [status]},
    }  # fmt: skip
