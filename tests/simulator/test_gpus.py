"""GPU physics and the NVML interface in front of it."""

import numpy as np
import pynvml
import pytest

from simulator.gpus import H100, L4, SW_POWER_CAP, SW_THERMAL, GpuBank, GpuPlace
from simulator.nvml import SimulatedNvml


def bank() -> GpuBank:
    hoppers = [GpuPlace(f"GPU-{index}", "n1", index, H100) for index in range(3)]
    small = [GpuPlace(f"GPU-{3 + index}", "n2", index, L4) for index in range(2)]
    made = GpuBank((*hoppers, *small), np.random.default_rng(1))
    made.holders[0] = made.holders[1] = "00ab12cd"
    made.memory_share[:2] = 0.93
    return made


def work(made: GpuBank, seconds: int, busy: tuple[float, ...], prefill: float = 0.2) -> None:
    for _ in range(seconds):
        made.advance(1.0, np.array(busy), np.full(len(busy), prefill))


def module(made: GpuBank, node: str = "n1") -> SimulatedNvml:
    positions = [at for at, place in enumerate(made.places) if node in ("", place.node)]
    return SimulatedNvml(made, positions, lambda uid: int(uid[:4], 16))


def test_power_temperature_and_utilisation_rise_together_with_work() -> None:
    made = bank()
    work(made, 600, (1.0, 0.3, 0, 0, 0))
    assert made.utilization[0] > 0.95 > made.utilization[1] > 0.2 > made.utilization[2]
    assert made.power[0] > made.power[1] > made.power[2]
    assert made.temperature[0] > made.temperature[1] > made.temperature[2]
    assert H100.idle_power < made.power[0] <= H100.power_limit
    assert 35 < made.temperature[0] < 80


def test_energy_is_the_integral_of_power() -> None:
    made = bank()
    work(made, 100, (1.0, 1.0, 0, 0, 0))
    before = made.energy.copy()
    integral = 0.0
    for _ in range(300):
        work(made, 1, (1.0, 1.0, 0, 0, 0))
        integral += float(made.power[0])
    assert made.energy[0] - before[0] == pytest.approx(integral)


def test_heavy_prefill_runs_into_the_power_limit_and_says_so() -> None:
    made = bank()
    made.rng = np.random.default_rng(3)
    work(made, 200, (1.0, 1.0, 0, 0, 0), prefill=1.3)
    assert made.reasons(0) & SW_POWER_CAP
    assert made.power[0] <= H100.power_limit


def test_a_braked_gpu_is_slow_hot_and_names_the_reason_while_its_sibling_is_well() -> None:
    made = bank()
    made.clock_share[0], made.forced_heat[0], made.brake[0] = 0.3, 89.0, SW_THERMAL
    work(made, 600, (1.0, 1.0, 0, 0, 0))
    assert made.clock[0] < 0.35 * made.clock[1]
    assert made.temperature[0] == pytest.approx(89.0, abs=1)
    assert made.power[0] < made.power[1]
    assert made.reasons(0) & SW_THERMAL
    assert not made.reasons(1) & SW_THERMAL
    assert made.pace((0, 1)) == pytest.approx(0.3)
    assert made.pace((1, 2)) == 1.0


def test_nvml_counts_the_gpus_of_its_node_and_names_them() -> None:
    nvml = module(bank())
    nvml.nvmlInit()
    assert nvml.nvmlDeviceGetCount() == 3
    assert module(bank(), "").nvmlDeviceGetCount() == 5
    handle = nvml.nvmlDeviceGetHandleByIndex(1)
    assert nvml.nvmlDeviceGetUUID(handle) == "GPU-1"
    assert nvml.nvmlDeviceGetName(handle) == H100.name
    assert nvml.nvmlDeviceGetHandleByUUID("GPU-1") == handle
    with pytest.raises(nvml.NVMLError):
        nvml.nvmlDeviceGetHandleByIndex(3)
    with pytest.raises(nvml.NVMLError_NotFound):
        nvml.nvmlDeviceGetHandleByUUID("GPU-9")


def test_nvml_speaks_in_its_own_units() -> None:
    made = bank()
    work(made, 60, (1.0, 1.0, 0, 0, 0))
    nvml = module(made)
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    assert nvml.nvmlDeviceGetUtilizationRates(handle).gpu == 100
    assert nvml.nvmlDeviceGetPowerUsage(handle) == round(1000 * float(made.power[0]))
    assert nvml.nvmlDeviceGetEnforcedPowerLimit(handle) == 700_000
    assert nvml.nvmlDeviceGetTotalEnergyConsumption(handle) == int(1000 * float(made.energy[0]))
    assert 1900 <= nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) <= 1980
    assert nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM) == 1980
    assert nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM) == H100.memory_clock
    assert nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU) > 30
    first = nvml.nvmlDeviceGetMemoryInfo(handle)
    second = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    assert first.total == second.total == H100.memory_bytes
    assert first.used == second.used + second.reserved
    assert second.used + second.free + second.reserved == second.total
    process = nvml.nvmlDeviceGetComputeRunningProcesses(handle)[0]
    assert process.pid == 0x00AB
    assert process.usedGpuMemory > 0.9 * H100.memory_bytes
    assert nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(2)) == []


def test_nvml_answers_fields_it_knows_and_says_which_it_does_not() -> None:
    nvml = module(bank())
    known, unknown = nvml.nvmlDeviceGetFieldValues(
        nvml.nvmlDeviceGetHandleByIndex(0),
        [nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, nvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_L0],
    )
    assert known.nvmlReturn == pynvml.NVML_SUCCESS
    assert known.value.ullVal == 0
    assert unknown.nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED


def test_nvml_refuses_what_it_does_not_offer_as_a_driver_would() -> None:
    nvml = module(bank())
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    for call in (nvml.nvmlDeviceGetMigMode, nvml.nvmlGpmQueryDeviceSupport):
        with pytest.raises(pynvml.NVMLError) as caught:
            call(handle)
        assert caught.value.value == pynvml.NVML_ERROR_NOT_SUPPORTED
    with pytest.raises(AttributeError):
        _ = nvml.nvmlDeviceGetNothingOfTheKind


def test_a_lost_gpu_is_said_to_be_lost_and_its_sibling_answers() -> None:
    made = bank()
    made.lost[0] = True
    nvml = module(made)
    with pytest.raises(nvml.NVMLError_GpuIsLost):
        nvml.nvmlDeviceGetUtilizationRates(nvml.nvmlDeviceGetHandleByIndex(0))
    assert nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(1)) == "GPU-1"


def test_an_xid_is_told_once_to_whoever_listens() -> None:
    made = bank()
    nvml = module(made)
    events = nvml.nvmlEventSetCreate()
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
    with pytest.raises(nvml.NVMLError_Timeout):
        nvml.nvmlEventSetWait_v2(events, 0)
    made.xid_events[0].append(79)
    assert nvml.nvmlEventSetWait_v2(events, 0).eventData == 79
    with pytest.raises(nvml.NVMLError_Timeout):
        nvml.nvmlEventSetWait_v2(events, 0)
