"""MIG instances through the real nvidia-ml-py: GPUs of their own, and handles that die."""

from pathlib import Path
from typing import Any

import pytest
from fake_nvml.library import build, run, state_text
from fake_nvml.reading import READ, UUID, values

from vocabulary import metrics as m


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "gpus"


def mig(instance: int, layout: int = 0, device: int = 0) -> str:
    return f"MIG-00000000-0000-{layout:04d}-{instance:04d}-{device:012d}"


CUT = {
    "count": 2, "gpu0_mig": 2, "gpu0_util": 93, "gpu0_encoder": 5, "gpu0_sm_time": 5,
    "gpu0_mem_used": 5e9, "gpu0_power": 300_000, "gpu0_processes": 3, "gpu1_util": 50,
    "gpu0_gpm": 1, "gpu0_mig_gpm_2": 20, "gpu0_mig_gpm_5": 10,
}  # fmt: skip


def two_rounds(driver: Path, state: Path, first: str, second: str) -> list[list[Any]]:
    state.write_text(first)
    code = f"""
    before = read(0.0)
    state.write_text({second!r})
    print(json.dumps([before, read(5.0)]))
    """
    return list(run(READ + code, driver, state))


def test_each_instance_is_a_gpu_with_memory_and_a_parent(driver: Path, state: Path) -> None:
    samples = two_rounds(driver, state, state_text(**CUT), state_text(**CUT))[1]
    for instance in (1, 2):
        about = {"parent": UUID.format(0), "gpu_instance": str(6 + instance)}
        uuid = mig(instance)
        assert values(samples, m.GPU_MIG_INSTANCE, uuid, **about) == [1.0]
        assert values(samples, m.GPU_MEMORY_USAGE, uuid) == [instance * 1e9]
        assert values(samples, m.GPU_MEMORY_LIMIT, uuid) == [10e9]
        assert values(samples, m.GPU_POWER, uuid) == [], "power is the whole board's"
    product = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    assert values(samples, m.GPU_MIG_INSTANCE, mig(1), product=product) == [1.0]
    assert values(samples, m.GPU_MIG_MODE, when="current") == [1.0]
    assert values(samples, m.GPU_MIG_MODE, 1, when="current") == [0.0]
    assert values(samples, m.GPU_POWER) == [300.0]


def test_utilisation_refused_under_mig_stays_absent(driver: Path, state: Path) -> None:
    samples = two_rounds(driver, state, state_text(**CUT), state_text(**CUT))[1]
    for metric in (m.GPU_UTILIZATION, m.GPU_CODEC_UTILIZATION, m.GPU_PROCESS_UTILIZATION):
        for uuid in (UUID.format(0), mig(1), mig(2)):
            assert values(samples, metric, uuid) == [], metric
    assert values(samples, m.GPU_UTILIZATION, 1) == [0.5]
    assert values(samples, m.TARGET_UP, verdict="ok") == [1.0]


def test_activity_of_an_instance_is_its_own(driver: Path, state: Path) -> None:
    samples = two_rounds(driver, state, state_text(**CUT), state_text(**CUT))[1]
    assert values(samples, m.GPU_SM_ACTIVE, mig(1)) == [pytest.approx(0.27)]
    assert values(samples, m.GPU_SM_ACTIVE, mig(2)) == [pytest.approx(0.28)]
    assert values(samples, m.GPU_TENSOR_ACTIVE, mig(2)) == [pytest.approx(0.18)]
    assert values(samples, m.GPU_SM_ACTIVE) == [], "refused for the whole"


def test_a_process_is_told_once_where_it_runs(driver: Path, state: Path) -> None:
    samples = two_rounds(driver, state, state_text(**CUT), state_text(**CUT))[1]
    assert values(samples, m.GPU_PROCESS_MEMORY, mig(1), pid="4000") == [30e9]
    assert values(samples, m.GPU_PROCESS_MEMORY) == [], "not of the whole as well"


def test_instances_are_found_anew_after_each_new_layout(driver: Path, state: Path) -> None:
    again = state_text(**{**CUT, "gpu0_mig": 3, "gpu0_mig_layout": 1})
    before, after = two_rounds(driver, state, state_text(**CUT), again)
    assert len(values(before, m.GPU_MEMORY_USAGE, mig(1))) == 1
    assert values(after, m.GPU_MEMORY_USAGE, mig(1)) == [], "the old handle is dead"
    for instance in (1, 2, 3):
        assert values(after, m.GPU_MEMORY_USAGE, mig(instance, 1)) == [instance * 1e9]
    assert values(after, m.GPU_SM_ACTIVE, mig(1, 1)) == [], "a new instance has no past"


def test_an_instance_that_dies_while_it_is_read_is_missing_alone(driver: Path, state: Path) -> None:
    state.write_text(state_text(**CUT, gpu0_mig_moves=1))
    samples = run(READ + "\n    print(json.dumps(read()))", driver, state)
    assert values(samples, m.GPU_MEMORY_USAGE, mig(1)) == [1e9]
    assert values(samples, m.GPU_MEMORY_USAGE, mig(2)) == []
    assert values(samples, m.TARGET_UP, verdict="ok") == [1.0]


def test_no_sample_of_an_instance_outlives_it(driver: Path, state: Path) -> None:
    whole = state_text(count=1, gpu0_gpm=1, gpu0_gpm_2=10)
    state.write_text(state_text(**CUT))
    code = f"""
    import ctypes
    held = ctypes.CDLL("libnvidia-ml.so.1").fakeGpmSamplesHeld
    read(0.0)
    counts = [held()]
    state.write_text({whole!r})
    read(5.0)
    print(json.dumps([*counts, held(), read(10.0)]))
    """
    cut, after, samples = run(READ + code, driver, state)
    assert (cut, after) == (2, 1)
    assert values(samples, m.GPU_SM_ACTIVE) == [pytest.approx(0.1)]


def test_mode_that_waits_for_a_reset_is_told(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, gpu0_mig_pending=1))
    samples = run(READ + "\n    print(json.dumps(read()))", driver, state)
    assert values(samples, m.GPU_MIG_MODE, when="current") == [0.0]
    assert values(samples, m.GPU_MIG_MODE, when="pending") == [1.0]


def test_a_cut_gpu_that_hangs_stops_nobody(driver: Path, state: Path) -> None:
    hung = state_text(**CUT, gpu0_hang=1)
    before, after = two_rounds(driver, state, state_text(**CUT), hung)
    assert values(before, m.GPU_MEMORY_USAGE, mig(1))
    assert values(after, m.TARGET_UP, verdict="hung") == [0.0]
    assert values(after, m.GPU_MEMORY_USAGE, mig(1)) == []
    assert values(after, m.GPU_UTILIZATION, 1) == [0.5]
