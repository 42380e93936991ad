"""Allocations from a real gRPC server on a Unix socket, and device ids of every plugin."""

# ruff: noqa: N802 - names are pynvml's

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors._device_ids import Device, parse_claimed_name, parse_device_id, uuid_of
from collectors._pod_resources import LIST, Request, Response
from collectors.kubelet import Kubelet
from vocabulary.contracts import Target
from vocabulary.errors import SourceError, SourceHung, SourceUnreadable, SourceUnsupported
from vocabulary.pods import OfferedDevice, Pod

NODE = Target("node", (("cluster", "c"), ("node", "n1")))
GPU = "GPU-00000000-0000-0000-0000-00000000000{}"
MIG = "MIG-11111111-0000-0000-0000-00000000000{}"


class NvmlError(Exception):
    value = 3


class FakeNvml:
    """Two GPUs, whose minor numbers do not follow their indices, and a third cut in two."""

    NVMLError = NvmlError
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_DEVICE_MIG_ENABLE = 1
    privileged: ClassVar[bool] = True

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return 3

    def nvmlDeviceGetMigMode(self, handle: str) -> tuple[int, int]:
        return (1, 1) if handle == GPU.format(2) else (0, 0)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 2

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, place: int) -> str:
        return MIG.format(place + 3)

    def nvmlDeviceGetGpuInstanceId(self, handle: str) -> int:
        return int(handle[-1]) + 4

    def nvmlDeviceGetComputeInstanceId(self, handle: str) -> int:
        return 0

    def nvmlDeviceGetName(self, handle: str) -> str:
        return "NVIDIA H100 80GB HBM3 MIG 1g.10gb"

    def nvmlDeviceGetGpuInstanceById(self, handle: str, number: int) -> int:
        if not self.privileged:
            raise NvmlError
        return number

    def nvmlGpuInstanceGetInfo(self, number: int) -> Any:
        return SimpleNamespace(placement=SimpleNamespace(start=number - 7))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return GPU.format(index)

    def nvmlDeviceGetMinorNumber(self, handle: str) -> int:
        return [1, 0, 2][int(handle[-1])]

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle


OFFERED = {
    "gpu-1": OfferedDevice("gpu", uuid=GPU.format(1).lower()),
    "gpu-2-mig-19-0-1": OfferedDevice("mig", uuid=MIG.format(3), parent=GPU.format(2)),
    "gpu-2-mig-1g10gb-19-1": OfferedDevice("mig", parent=GPU.format(2), profile="1g.10gb"),
    "gpu-vfio-0": OfferedDevice("vfio"),
}
REACH: Any = SimpleNamespace(
    nvml=FakeNvml(),
    offered=lambda driver, pool, device: OFFERED.get(device) if pool == "n1" else None,
    pods=[
        Pod("llm", "a", "uid-a", owner="chat", phase="Running"),
        Pod("llm", "b", "uid-b", owner="chat", phase="Running"),
        Pod("llm", "done", "uid-d", phase="Succeeded"),
        Pod("llm", "old", "uid-o", owner="chat", phase="Running", created=5.0),
        Pod("llm", "new", "uid-n", owner="chat", phase="Running", created=9.0),
        Pod("llm", "next", "uid-x", owner="chat", phase="Pending", created=10.0),
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


def claims(*held: tuple[str, str, str], driver: str = "gpu.nvidia.com", share: str = "") -> Any:
    """pod, claim, device; every device of the pool n1."""
    answer = Response()
    for pod, claim, device in held:
        container = answer.pod_resources.add(name=pod, namespace="llm").containers.add(name="vllm")
        dynamic = container.dynamic_resources.add(claim_name=claim, claim_namespace="llm")
        dynamic.claim_resources.add(
            driver_name=driver, pool_name="n1", device_name=device, share_id=share
        )
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


def test_older_forms_and_instances_lead_to_the_drivers_own_uuid(serve: Serve) -> None:
    ids = ["nvidia2/gi7", f"MIG-{GPU.format(2)}/8/0", "nvidia2/gi9", f"MIG-{GPU.format(0)}/1/0"]
    kubelet = serve(listing(("a", "nvidia.com/gpu", ids)))
    assert gave(kubelet) == {
        (MIG.format(3), A), (MIG.format(4), A), ("n1/nvidia2/gi9", A), (ids[3], A),
    }  # fmt: skip


def test_a_slot_says_that_it_is_one(serve: Serve) -> None:
    kubelet = serve(listing(("a", "nvidia.com/gpu", [f"{GPU.format(0)}::1", GPU.format(1)])))
    sharing = {s.series.label("gpu"): s.series.label("sharing")
               for s in kubelet.collect(NODE, REACH, 0.0)}  # fmt: skip
    assert sharing == {GPU.format(0): "slot", GPU.format(1): ""}


def test_a_device_given_out_anew_is_its_newest_running_pods(serve: Serve) -> None:
    held = [(pod, "nvidia.com/gpu", [GPU.format(0)]) for pod in ("old", "new", "next")]
    assert gave(serve(listing(*held))) == {(GPU.format(0), "c/llm/uid-n/vllm")}


def test_claimed_devices_are_looked_up_and_several_pods_may_share_one(serve: Serve) -> None:
    kubelet = serve(
        claims(("a", "both", "gpu-1"), ("b", "both", "gpu-1"), ("a", "cut", "gpu-2-mig-19-0-1"))
    )
    assert gave(kubelet) == {(GPU.format(1), A), (GPU.format(1), B), (MIG.format(3), A)}
    names = {s.series.label("claim") for s in kubelet.collect(NODE, REACH, 0.0)}
    assert names == {"llm/both", "llm/cut"}


@pytest.mark.parametrize("privileged", [True, False])
def test_an_instance_made_for_its_claim_is_found_by_where_it_lies(
    serve: Serve, privileged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeNvml, "privileged", privileged)
    kubelet = serve(claims(("a", "c", "gpu-2-mig-1g10gb-19-1")))
    assert gave(kubelet) == {(MIG.format(4) if privileged else "n1/n1/gpu-2-mig-1g10gb-19-1", A)}
    assert gave(serve(claims(("a", "c", "gpu-2-mig-2g20gb-14-0")))) == {
        ("n1/n1/gpu-2-mig-2g20gb-14-0", A)
    }


def test_a_claim_nobody_tells_of_is_resolved_where_its_number_is_certain(serve: Serve) -> None:
    reach = SimpleNamespace(nvml=FakeNvml(), pods=REACH.pods, offered=lambda *_: None)
    for device, gpu in (("gpu-2", GPU.format(2)), ("gpu-0", "n1/n1/gpu-0"), ("x", "n1/n1/x")):
        (sample,) = serve(claims(("a", "c", device))).collect(NODE, reach, 0.0)
        assert sample.series.label("gpu") == gpu


def test_passed_through_devices_and_other_drivers_are_no_gpu_of_ours(serve: Serve) -> None:
    assert gave(serve(claims(("a", "c", "gpu-vfio-0")))) == {("n1/n1/gpu-vfio-0", A)}
    assert gave(serve(claims(("a", "c", "gpu-1"), driver="rdma.example.com"))) == set()


def test_without_a_driver_ids_that_are_no_uuid_stay_their_own(serve: Serve) -> None:
    class NoDriver(FakeNvml):
        def nvmlInit(self) -> None:
            raise NvmlError

    reach: Any = SimpleNamespace(nvml=NoDriver(), pods=REACH.pods, offered=REACH.offered)
    kubelet = serve(listing(("a", "nvidia.com/gpu", ["nvidia0", GPU.format(0)])))
    found = {s.series.label("gpu") for s in kubelet.collect(NODE, reach, 0.0)}
    assert found == {"n1/nvidia0", GPU.format(0)}


def test_pods_that_ended_or_are_unknown_hold_nothing(serve: Serve) -> None:
    kubelet = serve(
        listing(("done", "nvidia.com/gpu", [GPU.format(0)]), ("x", "nvidia.com/gpu", ["y"]))
    )
    assert gave(kubelet) == set()


def test_while_no_pods_are_known_it_is_not_said_that_nobody_holds_a_gpu(serve: Serve) -> None:
    reach: Any = SimpleNamespace(nvml=FakeNvml(), pods=(), offered=REACH.offered)
    with pytest.raises(SourceUnsupported, match=r"agent\.readPods"):
        list(serve(listing(("a", "nvidia.com/gpu", [GPU.format(0)]))).collect(NODE, reach, 0.0))


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
        (GPU.format(1) + "::7", Device(gpu=GPU.format(1), slot=True)),
        (MIG.format(1), Device(gpu=MIG.format(1))),
        (MIG.format(1) + "::0", Device(gpu=MIG.format(1), slot=True)),
        (f"MIG-{GPU.format(1)}/7/0", Device(f"MIG-{GPU.format(1)}/7/0", GPU.format(1), None, 7, 0)),
        ("nvidia3", Device(minor=3)), ("nvidia3/gi5", Device(minor=3, gpu_instance=5)),
        ("nvidia3/gi5/vgpu1", Device(minor=3, gpu_instance=5, slot=True)),
        ("nvidia3/vgpu12", Device(minor=3, slot=True)),
        ("GPU-short", Device()), ("", Device()), ("nvidia٣", Device()),
        ("x" + "::1" * 10_000, Device(slot=True)),
    ],
)  # fmt: skip
def test_device_ids_are_read_as_their_plugins_write_them(text: str, device: Device) -> None:
    assert parse_device_id(text) == device


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("gpu-7", Device(minor=7)),
        ("gpu-0-mig-1g24gb-19-3", Device(minor=0, profile="1g.24gb", placement=3)),
        ("gpu-0-mig-1g12gb-me-20-0", Device(minor=0, profile="1g.12gb", placement=0)),
        ("gpu-2-mig-1c3g40gb-9-4", Device(minor=2, profile="1c.3g.40gb", placement=4)),
        ("gpu-0-mig-19-0-1", Device()), ("gpu-vfio-0", Device()), ("", Device()),
    ],
)  # fmt: skip
def test_claimed_names_are_read_as_nvidias_driver_writes_them(text: str, device: Device) -> None:
    assert parse_claimed_name(text) == device


@given(st.uuids(), st.sampled_from(["GPU", "MIG"]))
def test_a_uuid_is_spelt_as_the_driver_spells_it(uuid: Any, kind: str) -> None:
    assert uuid_of(f"{kind}-{uuid}".lower()) == f"{kind}-{uuid}" == uuid_of(f"{kind}-{uuid}")


@given(st.uuids(), st.integers(0, 10**6))
def test_a_slot_never_changes_the_gpu(uuid: Any, slot: int) -> None:
    assert parse_device_id(f"GPU-{uuid}::{slot}").gpu == parse_device_id(f"GPU-{uuid}").gpu


@given(st.text(max_size=80))
def test_no_text_is_a_crash_and_at_most_one_meaning_is_found(text: str) -> None:
    for device in (parse_device_id(text), parse_claimed_name(text)):
        assert not (device.gpu and device.minor is not None)
