"""`doctor` on whose a GPU is: every missing right alone, with its cost and its grant."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_api_server import FakeApiServer, pod_body

from service.attribution_checks import GpuNode, attribution
from service.checks import Check, Verdict
from service.config import load
from service.kubernetes.api_server import ApiServer
from service.kubernetes.pod_objects import pod_of


class NvmlError(Exception):
    value = 12


class Nvml:
    """One GPU cut in two, whose activity by instance is told or not."""

    NVMLError = NvmlError
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, count: int = 1, *, cut: bool = False, gpm: bool = False) -> None:
        self.count, self.cut, self.gpm = count, cut, gpm

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.count:
            raise NvmlError("Driver Not Loaded")

    def __getattr__(self, name: str) -> Any:
        answers: dict[str, Any] = {
            "nvmlDeviceGetCount": self.count,
            "nvmlDeviceGetHandleByIndex": "gpu",
            "nvmlDeviceGetMigMode": (int(self.cut), 0),
            "nvmlDeviceGetMaxMigDeviceCount": 2,
            "nvmlDeviceGetMigDeviceHandleByIndex": "mig",
            "nvmlDeviceGetUUID": "MIG-1",
            "nvmlDeviceGetGpuInstanceId": 1,
            "nvmlDeviceGetComputeInstanceId": 0,
            "nvmlDeviceGetName": "MIG 1g.10gb",
            "nvmlGpmQueryDeviceSupport": SimpleNamespace(isSupportedDevice=self.gpm),
        }
        if name not in answers:
            raise AttributeError(name)
        return lambda *_: answers[name]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with FakeApiServer() as fake:
        yield ApiServer(fake.url, timeout_seconds=2.0)


def checks(
    nvml: Nvml, api: ApiServer | None, *pods: dict[str, Any], **flags: Any
) -> dict[str, Check]:
    known = [pod_of(one) for one in pods]
    reach: Any = SimpleNamespace(nvml=nvml, pods=known, offered=lambda *_: None)
    settings = load(None, {}, flags).settings
    return {one.name: one for one in attribution(GpuNode(settings, reach, api, "n1", known))}


def test_gpus_in_a_cluster_without_the_kubelets_socket_are_a_blind_line(api: ApiServer) -> None:
    found = checks(Nvml(), api)
    assert found["gpus"].verdict is Verdict.OK
    assert found["kubelet"].verdict is Verdict.BLIND
    assert "shares" in found["kubelet"].what
    assert "agent.readPods" in found["kubelet"].mend
    blind = checks(Nvml(), api, pod_body("a"))["kubelet"]
    assert blind.verdict is Verdict.BLIND
    assert "agent.podResources" in blind.mend


def test_outside_a_cluster_and_on_a_node_without_gpus_nothing_is_missing(api: ApiServer) -> None:
    for found in (checks(Nvml(), None), checks(Nvml(0), api), checks(Nvml(), api, gpus=False)):
        assert not [one for one in found.values() if one.verdict is Verdict.BLIND]
        assert found["kubelet"].verdict is Verdict.ABSENT


def test_pods_that_hold_gpus_which_nobody_can_read_are_a_blind_line(api: ApiServer) -> None:
    found = checks(Nvml(0), api, pod_body("chat-1"))
    assert found["gpus"].verdict is Verdict.BLIND
    assert "agent.runtimeClassName" in found["gpus"].mend
    assert found["kubelet"].verdict is Verdict.BLIND


def test_the_hosts_processes_are_asked_for_by_value(api: ApiServer, tmp_path: Path) -> None:
    none = checks(Nvml(), api)["processes"]
    assert (none.verdict, "agent.hostProc" in none.mend) == (Verdict.ABSENT, True)
    assert checks(Nvml(), api, host_proc=tmp_path)["processes"].verdict is Verdict.BLIND
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cgroup").write_text("0::/init.scope\n")
    assert checks(Nvml(), api, host_proc=tmp_path)["processes"].verdict is Verdict.OK


def test_a_cut_gpu_says_what_its_driver_does_not_tell(api: ApiServer) -> None:
    hopper, older = (checks(Nvml(cut=True, gpm=gpm), api)["gpu 0"] for gpm in (True, False))
    assert (hopper.verdict, older.verdict) == (Verdict.OK, Verdict.ABSENT)
    assert "2 MIG instances" in hopper.what
    assert "by size" in older.what


def test_forbidden_claims_cost_claims_alone_and_name_their_grant(api: ApiServer) -> None:
    check = checks(Nvml(), api)["resource claims"]  # the fake refuses whoever has no token
    assert check.verdict is Verdict.ABSENT
    assert "agent.readResourceSlices" in check.mend
    assert "claim" in check.what
