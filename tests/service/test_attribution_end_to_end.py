"""Driver library, kubelet socket and API server → agent → store → fleet → API and statement."""

from pathlib import Path
from typing import Any

import pytest
from fake_nvml.library import build, run, state_text
from fake_nvml.reading import UUID, values

from vocabulary import metrics as m

SHARES = {
    m.GPU_SHARE_UTILIZATION: m.GPU_UTILIZATION,
    m.GPU_SHARE_MEMORY: m.GPU_MEMORY_USAGE,
    m.GPU_SHARE_POWER: m.GPU_POWER,
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


def look(driver: Path, folder: Path, *arguments: Any, **more: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    code = f"""
    import json, pathlib
    from tests.attribution_site import look
    folder = pathlib.Path({str(folder)!r})
    print(json.dumps(look(folder, folder / "gpus", *{arguments!r}, **{more!r})))
    """
    return dict(run(code, driver, folder / "gpus"))


def shared(found: dict[str, Any], metric: m.Metric, gpu: int = 0) -> dict[str, float]:
    """Owner, by pod or command where there is one → value."""
    sums: dict[str, float] = {}
    for name, labels, value in found["samples"]:
        if name == metric.name and labels["gpu"] == UUID.format(gpu) and value == value:
            who = labels.get("pod") or labels.get("command") or labels["owner"]
            assert who not in sums, "one series for each owner"
            sums[who] = value
    return sums


IDLE = {"count": 2, "gpu0_power": 70_000, "gpu1_power": 60_000, "gpu0_processes": 3,
        "gpu0_process_memory_1": 2e10, "gpu0_process_memory_2": 4e9, "gpu1_processes": 1,
        "gpu0_mem_used": 6e10, "gpu1_mem_used": 3.1e10, "gpu0_sm_time": 1}  # fmt: skip
BUSY = {**IDLE, "gpu0_sm_time": 2, "gpu0_sm_a": 40, "gpu0_sm_b": 20, "gpu0_sm_1": 20,
        "gpu0_sm_2": 10, "gpu0_util": 65, "gpu0_power": 370_000, "gpu0_energy": 4_500_000,
        "gpu1_util": 90, "gpu1_power": 650_000, "gpu1_energy": 9_000_000}  # fmt: skip


def test_a_time_sliced_gpu_is_divided_among_its_pods_and_the_rest_is_told(
    driver: Path, tmp_path: Path
) -> None:
    held = [
        ("chat-1", "nvidia.com/gpu", [f"{UUID.format(0)}::0", UUID.format(1)]),
        ("chat-2", "nvidia.com/gpu", [f"{UUID.format(0)}::1"]),
    ]
    processes = {"4000": ("chat-1", "vllm"), "4001": ("chat-2", "vllm"), "4002": ("", "python3")}
    states = [state_text(**IDLE), state_text(**BUSY)]
    found = look(driver, tmp_path, states, held, processes)

    assert shared(found, m.GPU_SHARE_UTILIZATION) == pytest.approx(
        {"chat-1": 0.3, "chat-2": 0.2, "python3": 0.1, "unattributed": 0.05}
    )
    assert shared(found, m.GPU_SHARE_MEMORY) == pytest.approx(
        {"chat-1": 3e10, "chat-2": 2e10, "python3": 4e9, "unattributed": 6e9}
    )
    assert shared(found, m.GPU_SHARE_POWER) == pytest.approx(
        {"chat-1": 150.0, "chat-2": 100.0, "python3": 50.0, "unattributed": 70.0}
    )
    assert shared(found, m.GPU_SHARE_POWER, 1) == {"chat-1": 650.0, "unattributed": 0.0}
    assert sum(shared(found, m.GPU_SHARE_ENERGY).values()) == pytest.approx(4500.0)
    assert shared(found, m.GPU_SHARE_ENERGY, 1)["chat-1"] == pytest.approx(9000.0)
    for share, whole in SHARES.items():
        for gpu in (0, 1):
            (device,) = values(found["samples"], whole, gpu)
            assert sum(shared(found, share, gpu).values()) == pytest.approx(device)

    first, second = found["gpus"]
    parts = {one["pod"] or one["owner"]: one for one in first["shares"]}
    assert parts["chat-2"]["power"] == pytest.approx(100.0)
    assert sum(one["time"] for one in first["shares"] if one["time"]) == pytest.approx(1.0)
    assert [one["time"] for one in second["shares"] if one["pod"]] == [1.0]

    lines = {one["pool"]: float(one["gpu_seconds"]) for one in found["gpu_time"]}
    assert sum(lines.values()) == pytest.approx(2 * 15.0), "two GPUs, fifteen seconds"
    assert lines["unallocated"] == pytest.approx(0.1 * 15.0)


def test_mig_instances_go_to_their_pods_one_by_uuid_and_one_by_a_claim_that_nobody_explains(
    driver: Path, tmp_path: Path
) -> None:
    cut = {"count": 1, "gpu0_mig": 3, "gpu0_gpm": 1, "gpu0_mig_gpm_2": 13, "gpu0_mem_used": 8e9,
           "gpu0_power": 100_000}  # fmt: skip
    states = [state_text(**cut), state_text(**{**cut, "gpu0_power": 400_000})]
    one, two = (f"MIG-00000000-0000-0000-000{n}-000000000000" for n in (1, 2))
    held = [
        ("chat-1", "nvidia.com/mig-1g.10gb", [one]),
        ("chat-2", "claim", ["gpu-0-mig-1g10gb-19-1"]),
    ]
    found = look(driver, tmp_path, states, held, {})
    assert values(found["samples"], m.GPU_ALLOCATION, two, pod="chat-2") == [1.0]
    assert shared(found, m.GPU_SHARE_MEMORY) == pytest.approx(
        {"chat-1": 1e9, "chat-2": 2e9, "unattributed": 5e9}
    )
    assert shared(found, m.GPU_SHARE_UTILIZATION) == {}
    watts = shared(found, m.GPU_SHARE_POWER)
    assert watts["chat-1"] == pytest.approx(300.0 * 20 / (20 + 21 + 22))
    assert sum(watts.values()) == pytest.approx(400.0)
    time = {
        (labels.get("pod", ""), labels.get("mig", "")): value
        for name, labels, value in found["samples"] if name == m.GPU_SHARE_TIME.name
    }  # fmt: skip
    assert time["chat-1", one] == time["chat-2", two] == pytest.approx(1 / 7)
    assert time["", ""] == pytest.approx(4 / 7)
    lines = {one["pool"]: float(one["gpu_seconds"]) for one in found["gpu_time"]}
    assert lines == pytest.approx({"llm/chat": 15 * 2 / 7, "idle": 15 * 5 / 7})


def test_a_claim_that_two_pods_share_is_looked_up_and_divided(driver: Path, tmp_path: Path) -> None:
    device = {"name": "gpu-9", "attributes": {"type": {"string": "gpu"},
              "uuid": {"string": UUID.format(0).lower()}}}  # fmt: skip
    spec = {"driver": "gpu.nvidia.com", "nodeName": "n1", "pool": {"name": "n1", "generation": 1},
            "devices": [device]}  # fmt: skip
    slices = [{"metadata": {"name": "s", "uid": "s"}, "spec": spec}]
    held = [("chat-1", "claim", ["gpu-9"]), ("chat-2", "claim", ["gpu-9"])]
    processes = {"4000": ("chat-1", "vllm"), "4001": ("chat-2", "vllm"), "4002": ("", "python3")}
    states = [state_text(**IDLE), state_text(**BUSY)]
    found = look(driver, tmp_path, states, held, processes, slices=slices)
    told = values(found["samples"], m.GPU_ALLOCATION, claim="llm/gpu")
    assert told == [1.0, 1.0]
    assert shared(found, m.GPU_SHARE_UTILIZATION) == pytest.approx(
        {"chat-1": 0.3, "chat-2": 0.2, "python3": 0.1, "unattributed": 0.05}
    )


def test_a_pod_without_a_gpu_is_an_intruder_and_whom_nobody_can_tell_is_not(
    driver: Path, tmp_path: Path
) -> None:
    held = [("chat-1", "nvidia.com/gpu", [UUID.format(0)])]
    processes = {"4000": ("chat-1", "vllm"), "4001": ("spy", "train")}  # 4002 has no /proc entry
    states = [state_text(**IDLE), state_text(**BUSY)]
    found = look(driver, tmp_path, states, held, processes, uids=("spy",))
    assert shared(found, m.GPU_SHARE_MEMORY) == pytest.approx(
        {"chat-1": 4e10, "spy": 2e10, "unattributed": 0.0}
    )
    told = values(found["samples"], m.GPU_SHARE_MEMORY, owner="unallocated", command="train")
    assert told == [2e10]
    assert shared(found, m.GPU_SHARE_TIME, 1) == {"idle": 1.0}


def test_a_process_that_stays_on_a_gpu_it_was_not_given_becomes_an_incident(
    driver: Path, tmp_path: Path
) -> None:
    held = [("chat-1", "nvidia.com/gpu", [UUID.format(0)])]
    processes = {"4000": ("chat-1", "vllm"), "4001": ("", "nvidia-cuda-mps-server"[:15]),
                 "4002": ("", "python3")}  # fmt: skip
    alone = state_text(**{**IDLE, "gpu0_processes": 2, "gpu1_processes": 0})
    joined = state_text(**{**IDLE, "gpu1_processes": 0})
    quiet = look(driver, tmp_path / "a", [alone] * 7, held, processes, step=120.0)
    # the pods' pages answer nobody here, which is a story of its own
    assert [one for one in quiet["incidents"] if one[0] != "slow_cold_start"] == []
    told = look(driver, tmp_path / "b", [joined] * 7, held, processes, step=120.0)
    assert ["unallocated_gpu_process", UUID.format(0)] in told["incidents"]
