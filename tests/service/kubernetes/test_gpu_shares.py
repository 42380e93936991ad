"""Shares out of one round's readings: what is missing costs itself, and counters never lie."""

import pytest

from collectors._reading import Reading
from service.kubernetes.gpu_shares import GpuShares
from vocabulary import metrics as m
from vocabulary.metrics import Metric
from vocabulary.samples import Sample, Series, labels_of

NODE = {"cluster": "c", "node": "n1"}
POD = {"namespace": "llm", "pod": "a", "pool": "llm/chat", "replica": "c/llm/u/vllm"}


def sample(metric: Metric, value: float, gpu: str = "G", **labels: str) -> Sample:
    return Sample(Series(metric.name, labels_of({**NODE, "gpu": gpu, **labels})), value, 0.0)


def device(gpu: str = "G", energy: float = 0.0, power: float = 300.0) -> list[Sample]:
    return [
        sample(m.GPU_INFO, 1.0, gpu, product="NVIDIA H100 80GB HBM3", index="0"),
        sample(m.GPU_POWER, power, gpu), sample(m.GPU_ENERGY, energy, gpu),
    ]  # fmt: skip


def held(gpu: str = "G", **labels: str) -> Sample:
    return sample(m.GPU_ALLOCATION, 1.0, gpu, **{**POD, **labels})


def reading(*samples: Sample, verdict: str = "ok") -> Reading:
    return Reading(samples, verdict)


def energy(shares: GpuShares, now: float, value: float, *more: Sample) -> dict[str, float]:
    nvml, kubelet = reading(*device(energy=value)), reading(*more)
    found = shares.of({"nvml": nvml, "kubelet": kubelet}, now)
    return {
        one.series.label("pod") or one.series.label("owner"): one.value
        for one in found if one.series.name == m.GPU_SHARE_ENERGY.name
    }  # fmt: skip


@pytest.mark.parametrize(
    "readings",
    [
        {}, {"nvml": reading(*device())}, {"kubelet": reading(held())},
        {"nvml": reading(*device()), "kubelet": reading(verdict="hung")},
        {"nvml": reading(verdict="unsupported"), "kubelet": reading(held())},
    ],
)  # fmt: skip
def test_without_either_source_nothing_is_said(readings: dict[str, Reading]) -> None:
    assert GpuShares().of(readings, 0.0) == []


def test_a_kubelet_that_names_nobody_leaves_all_unattributed() -> None:
    found = GpuShares().of({"nvml": reading(*device()), "kubelet": reading()}, 0.0)
    assert {one.series.label("owner") for one in found} == {"unattributed", "idle"}


def test_a_device_that_did_not_answer_has_no_shares() -> None:
    lost = sample(m.TARGET_UP, 0.0, "L", verdict="lost")
    found = GpuShares().of(
        {"nvml": reading(lost, *device()), "kubelet": reading(held(), held("L"))}, 0.0
    )
    assert {one.series.label("gpu") for one in found} == {"G"}


def test_energy_grows_as_the_devices_does_and_restarts_with_the_driver() -> None:
    shares = GpuShares()
    assert energy(shares, 0.0, 1e6, held()) == {"a": 0.0, "unattributed": 0.0}
    assert energy(shares, 15.0, 1e6 + 50, held()) == {"a": 50.0, "unattributed": 0.0}
    assert energy(shares, 30.0, 20.0, held())["a"] == 70.0, "the counter began anew"
    assert energy(shares, 400.0, 120.0, held()) == {"a": 70.0, "unattributed": 100.0}
    assert energy(shares, 415.0, 125.0) == {"unattributed": 105.0}
    assert energy(shares, 430.0, 135.0, held())["a"] == 10.0, "a pod that comes back begins at 0"


def test_a_pod_whose_device_the_driver_does_not_show_is_no_intruder() -> None:
    processes = [
        sample(m.GPU_PROCESS_MEMORY, 5.0, pid="1", owner="pod", **POD),
        sample(m.GPU_MEMORY_USAGE, 9.0), sample(m.GPU_PROCESSES, 1.0),
    ]  # fmt: skip
    nvml = reading(*device(), *processes)
    for gpu, owners in (("n1/opaque", {"unattributed"}), (None, {"unattributed", "unallocated"})):
        kubelet = reading(*([held(gpu)] if gpu else []))
        found = GpuShares().of({"nvml": nvml, "kubelet": kubelet}, 0.0)
        told = {s.series.label("owner") for s in found if s.series.name == m.GPU_SHARE_MEMORY.name}
        assert told == owners


def test_compute_instances_of_one_gpu_instance_do_not_count_its_memory_twice() -> None:
    about = {"parent": "G", "gpu_instance": "1", "product": "NVIDIA H100 MIG 1c.3g.40gb"}
    parts = [
        sample(metric, value, mig, **labels)
        for mig in ("M0", "M1")
        for metric, value, labels in (
            (m.GPU_MIG_INSTANCE, 1.0, {**about, "compute_instance": mig[1]}),
            (m.GPU_MEMORY_USAGE, 30.0, {}), (m.GPU_PROCESSES, 1.0, {}),
            (m.GPU_PROCESS_MEMORY, 10.0, {"pid": mig, "owner": "pod", **POD}),
        )
    ]  # fmt: skip
    nvml = reading(*device(), sample(m.GPU_MEMORY_USAGE, 32.0), *parts)
    found = GpuShares().of({"nvml": nvml, "kubelet": reading(held("M0"), held("M1"))}, 0.0)
    by = {
        (s.series.name, s.series.label("mig")): s.value for s in found if s.series.label("pod")
    }  # fmt: skip
    assert by[m.GPU_SHARE_MEMORY.name, "M0"] == by[m.GPU_SHARE_MEMORY.name, "M1"] == 10.0
    assert by[m.GPU_SHARE_TIME.name, "M0"] == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("product", "profile", "part"),
    [
        ("NVIDIA A30", "NVIDIA A30 MIG 2g.12gb", 2 / 4),
        ("NVIDIA H200", "NVIDIA H200 MIG 1g.18gb+me", 1 / 7),
        ("NVIDIA RTX PRO 6000 Blackwell", "NVIDIA RTX PRO 6000 Blackwell MIG 1g.24gb", 1 / 4),
        ("NVIDIA B200", "no profile", 0.25),
    ],
)
def test_an_instance_is_worth_its_compute_slices_or_its_memory(
    product: str, profile: str, part: float
) -> None:
    nvml = reading(
        sample(m.GPU_INFO, 1.0, product=product), sample(m.GPU_MEMORY_LIMIT, 80.0),
        sample(m.GPU_MIG_INSTANCE, 1.0, "M", parent="G", product=profile, gpu_instance="1"),
        sample(m.GPU_MEMORY_LIMIT, 20.0, "M"),
    )  # fmt: skip
    found = GpuShares().of({"nvml": nvml, "kubelet": reading(held("M"))}, 0.0)
    assert [s.value for s in found if s.series.label("mig")] == [pytest.approx(part)]
