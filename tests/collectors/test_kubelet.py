"""Allocations from a real gRPC server on a Unix socket, and device ids of every plugin."""

# ruff: noqa: N802 - names are pynvml's

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors._device_ids import Device, parse_device_id
from collectors._pod_resources import LIST, Request, Response
from collectors.kubelet import Kubelet
from vocabulary.contracts import Target
from vocabulary.errors import SourceError, SourceHung, SourceUnreadable, SourceUnsupported
from vocabulary.pods import Pod

NODE = Target("node", (("cluster", "c"), ("node", "n1")))
GPU = "GPU-00000000-0000-0000-0000-00000000000{}"
MIG = "MIG-11111111-0000-0000-0000-00000000000{}"


class FakeNvml:
    """Two GPUs, whose minor numbers do not follow their indices."""

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return GPU.format(index)

    def nvmlDeviceGetMinorNumber(self, handle: str) -> int:
        return 1 - int(handle[-1])

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle


REACH: Any = SimpleNamespace(
    nvml=FakeNvml(),
    pods=[
        Pod("llm", "a", "uid-a", owner="chat", phase="Running"),
        Pod("llm", "b", "uid-b", owner="chat", phase="Running"),
        Pod("llm", "done", "uid-d", phase="Succeeded"),
    ],
)
Serve = Callable[[Any], Kubelet]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers = []

    def start(answer: Any, method: str = "List") -> Kubelet:
        server = grpc.server(ThreadPoolExecutor(2))
        handler = grpc.unary_unary_rpc_method_handler(
            lambda request, context: answer(context) if callable(answer) else answer,
            request_deserializer=Request.FromString,
            response_serializer=lambda one: (
                one if isinstance(one, bytes) else one.SerializeToString()
            ),
        )
        service = LIST.split("/")[1]
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, {method: handler})]
        )
        server.add_insecure_port(f"unix://{tmp_path}/kubelet.sock")
        server.start()
        servers.append(server)
        return Kubelet(socket=f"{tmp_path}/kubelet.sock", timeout_seconds=1.0)

    yield start
    for server in servers:
        server.stop(None).wait()


def listing(*held: tuple[str, str, list[str]]) -> Any:
    """pod, resource, device ids"""
    answer = Response()
    for pod, resource, ids in held:
        told = answer.pod_resources.add(name=pod, namespace="llm")
        container = told.containers.add(name="vllm")
        container.devices.add(resource_name=resource, device_ids=ids)
    return answer


def gave(kubelet: Kubelet) -> set[tuple[str, str]]:
    samples = list(kubelet.collect(NODE, REACH, 5.0))
    assert all(one.value == 1.0 and one.at == 5.0 for one in samples)
    labels = [dict(one.series.labels) for one in samples]
    return {(one["gpu"], one["replica"]) for one in labels}


A, B = "c/llm/uid-a/vllm", "c/llm/uid-b/vllm"


def test_exclusive_gpus_are_joined_to_the_pods_uid(serve: Serve) -> None:
    kubelet = serve(listing(("a", "nvidia.com/gpu", [GPU.format(0), GPU.format(1)])))
    assert gave(kubelet) == {(GPU.format(0), A), (GPU.format(1), A)}
    (sample, _) = kubelet.collect(NODE, REACH, 5.0)
    assert dict(sample.series.labels).items() >= {
        "cluster": "c", "node": "n1", "namespace": "llm", "pod": "a", "pool": "llm/chat",
    }.items()  # fmt: skip


def test_slots_of_a_shared_gpu_count_once_for_each_pod(serve: Serve) -> None:
    slots = [f"{GPU.format(0)}::1", f"{GPU.format(0)}::2"]
    kubelet = serve(
        listing(("a", "nvidia.com/gpu.shared", slots), ("b", "nvidia.com/gpu", [slots[0]]))
    )
    assert gave(kubelet) == {(GPU.format(0), A), (GPU.format(0), B)}


def test_every_device_plugins_ids_lead_to_the_gpu(serve: Serve) -> None:
    kubelet = serve(
        listing(
            ("a", "nvidia.com/mig-1g.10gb", [MIG.format(3)]),
            ("b", "nvidia.com/gpu", ["nvidia0/vgpu2"]),
        )
    )
    assert gave(kubelet) == {(MIG.format(3), A), (GPU.format(1), B)}


def test_what_no_gpu_can_be_named_for_is_kept_under_its_plugins_name_and_other_resources_are_not(
    serve: Serve,
) -> None:
    kubelet = serve(listing(("a", "nvidia.com/gpu", ["whatever"]), ("a", "rdma/ib", ["x"])))
    assert gave(kubelet) == {("n1/whatever", A)}


def test_pods_that_ended_or_are_unknown_hold_nothing(serve: Serve) -> None:
    kubelet = serve(
        listing(("done", "nvidia.com/gpu", [GPU.format(0)]), ("x", "nvidia.com/gpu", ["y"]))
    )
    assert gave(kubelet) == set()


def test_an_answer_beyond_grpcs_default_of_4_mib_is_taken(serve: Serve) -> None:
    many = [f"device-{n:0>200}" for n in range(25_000)]
    kubelet = serve(listing(("a", "nvidia.com/gpu", [GPU.format(0)]), ("b", "rdma/ib", many)))
    assert gave(kubelet) == {(GPU.format(0), A)}


def _hang(context: grpc.ServicerContext) -> bytes:
    import time

    time.sleep(2.0)
    return b""


def _refuse(context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests")
    return b""


@pytest.mark.parametrize(
    ("answer", "error"),
    [(_hang, SourceHung), (_refuse, SourceUnreadable), (b"\xff\xff\xff", SourceUnreadable)],
)
def test_what_is_wrong_with_the_kubelet_is_named(
    serve: Serve, answer: Any, error: type[SourceError]
) -> None:
    with pytest.raises(error):
        list(serve(answer).collect(NODE, REACH, 0.0))


def test_a_missing_socket_or_method_is_unsupported_with_its_mend(
    serve: Serve, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnsupported, match=r"agent\.podResources"):
        list(Kubelet(socket=f"{tmp_path}/none.sock").collect(NODE, REACH, 0.0))
    old = serve(b"", "Other")  # type: ignore[call-arg]
    with pytest.raises(SourceUnsupported, match="Kubernetes"):
        list(old.collect(NODE, REACH, 0.0))


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (GPU.format(1), Device(gpu=GPU.format(1))),
        (GPU.format(1) + "::7", Device(gpu=GPU.format(1))),
        (MIG.format(1), Device(gpu=MIG.format(1))),
        (MIG.format(1) + "::0", Device(gpu=MIG.format(1))),
        (f"MIG-{GPU.format(1)}/7/0", Device(gpu=f"MIG-{GPU.format(1)}/7/0")),
        ("nvidia3", Device(minor=3)), ("nvidia3/gi5", Device()),
        ("nvidia3/gi5/vgpu1", Device()), ("nvidia3/vgpu12", Device(minor=3)),
        ("GPU-short", Device()), ("", Device()),
    ],
)  # fmt: skip
def test_device_ids_are_read_as_their_plugins_write_them(text: str, device: Device) -> None:
    assert parse_device_id(text) == device


@given(st.uuids(), st.integers(0, 10**6))
def test_a_slot_never_changes_the_gpu(uuid: Any, slot: int) -> None:
    assert parse_device_id(f"GPU-{uuid}::{slot}") == parse_device_id(f"GPU-{uuid}")


@given(st.text(max_size=80))
def test_no_text_is_a_crash_and_at_most_one_meaning_is_found(text: str) -> None:
    device = parse_device_id(text)
    assert not (device.gpu and device.minor is not None)
