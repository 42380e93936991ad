"""A GPU node whose driver, kubelet and Kubernetes API are served for real, seen by the product.

Only the driver's GPUs, the pods and the node's /proc are made up. Runs in a process of its own,
because a driver library is loaded once.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from fastapi.testclient import TestClient

from collectors._pod_resources import LIST, Request, Response
from metering.statement import as_json, statement
from service import assembly, core
from service.api.application import create_app
from service.clock import ManualClock
from service.config import load
from service.kubernetes.api_server import ApiServer
from service.kubernetes.pod_watch import PodWatch
from tests.fake_api_server import FakeApiServer, pod_body

SLICES = "/apis/resource.k8s.io/v1/resourceslices"
START = 1_800_000_000.0
STEP = 15.0
UIDS = {
    name: f"6a2f0f2e-3b1c-4f0e-9d6a-00000000000{place}"
    for place, name in enumerate(("chat-1", "chat-2", "spy"))
}

Devices = tuple[str, str, Sequence[str]]
"""Pod, resource (or `claim`), device ids (or names)."""


def look(
    folder: Path, state: Path, states: Sequence[str], held: Sequence[Devices],
    processes: Mapping[str, tuple[str, str]], uids: Sequence[str] = (), step: float = STEP,
    slices: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:  # fmt: skip
    """What the product says after one round for each of *states*, *step* seconds apart.

    *processes* are pid → (pod or empty for the host, command).
    """
    _proc(folder / "proc", processes)
    flags = {"data_dir": folder / "data", "node": "n1", "cluster": "c"}
    config = load(None, {}, {**flags, "host_proc": folder / "proc"})
    kubelet = {"kubelet": {"socket": f"{folder}/kubelet.sock"}}
    config = type(config)(config.settings, config.sources, {"collectors": kubelet}, config.parts)
    clock = ManualClock(START)
    with FakeApiServer() as fake, _kubelet(folder, held):
        (folder / "token").write_text(fake.token)
        for name in ("chat-1", "chat-2", *uids):
            limits = {} if name == "spy" else {"nvidia.com/gpu": "1"}
            fake.put(pod_body(name, UIDS[name], limits=limits))
        for one in slices:
            fake.served = {*fake.served, SLICES}
            fake.put(one, SLICES)
        pods = PodWatch(ApiServer(fake.url, folder / "token"), "n1", "c", clock.now)
        pods.start()
        part = core.build(config, clock, secret="s" * 32)
        agent = assembly.agent_of(config, part.keep, pods)
        try:
            _wait_for(pods, 2 + len(uids))
            for number, text in enumerate(states):
                state.write_text(text)
                clock.move_to(START + number * step)
                samples = agent.round(clock.now())
                part.pipeline.tick(clock.now())
            return _answers(part, samples, clock.now())
        finally:
            agent.close()
            pods.close()
            part.close()


def _answers(part: core.Core, samples: Sequence[Any], now: float) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {'s' * 32}"}
    client = TestClient(create_app(part.wiring()), "http://127.0.0.1", headers=headers)
    gpus = client.get("/api/v1/gpus").json()["gpus"]
    incidents = client.get("/api/v1/incidents").json()["incidents"]
    part.meter.flush()
    told = as_json(statement(part.ledger, 0.0, now + 7200.0))
    return {
        "samples": [[s.series.name, dict(s.series.labels), s.value] for s in samples],
        "gpus": gpus,
        "incidents": [[one["failure_mode"], one["entity"]["id"]] for one in incidents],
        "gpu_time": told["gpu_time"],
    }


def _wait_for(pods: PodWatch, count: int) -> None:
    import time

    for _ in range(200):
        if len(pods.pods()) == count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{len(pods.pods())} pods are listed")


def _proc(proc: Path, processes: Mapping[str, tuple[str, str]]) -> None:
    for pid, (pod, command) in processes.items():
        (proc / pid).mkdir(parents=True)
        place = f"/kubepods/pod{UIDS[pod]}/{'c' * 60}0001" if pod else "/user.slice"
        (proc / pid / "cgroup").write_text(f"0::{place}\n")
        (proc / pid / "comm").write_text(f"{command}\n")


@contextmanager
def _kubelet(folder: Path, held: Sequence[Devices]) -> Iterator[None]:
    answer = Response()
    for pod, resource, ids in held:
        container = answer.pod_resources.add(name=pod, namespace="llm").containers.add(name="vllm")
        if resource != "claim":
            container.devices.add(resource_name=resource, device_ids=ids)
            continue
        claim = container.dynamic_resources.add(claim_name="gpu", claim_namespace="llm")
        for name in ids:
            claim.claim_resources.add(
                driver_name="gpu.nvidia.com", pool_name="n1", device_name=name
            )
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, context: answer,
        request_deserializer=Request.FromString,
        response_serializer=Response.SerializeToString,
    )
    service = LIST.split("/")[1]
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {"List": handler})]
    )
    server.add_insecure_port(f"unix://{folder}/kubelet.sock")
    server.start()
    yield
    server.stop(None).wait()
