"""What NVML tells beyond the first page: fields, links, fabric, activity, processes' time."""

from pathlib import Path
from typing import Any

import pytest
from fake_nvml.library import build, run, state_text
from fake_nvml.reading import READ, values

from vocabulary import metrics as m

ONE = "\n    print(json.dumps(read()))"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "gpus"


def rounds(
    driver: Path, state: Path, *lines: dict[str, float], every: float = 5.0
) -> list[list[Any]]:
    """One reading for each state, *every* seconds."""
    texts = [state_text(count=1, **one) for one in lines]
    state.write_text(texts[0])
    code = f"""
    out = []
    for number, text in enumerate({texts!r}):
        state.write_text(text)
        out.append(read(100.0 + number * {every}))
    print(json.dumps(out))
    """
    return list(run(READ + code, driver, state))


# -- fields ---------------------------------------------------------------------------------------


def test_time_throttled_is_seconds_by_reason(driver: Path, state: Path) -> None:
    fields = {74: 2.5e9, 75: 1e9, 77: 0, 79: 4e9, 269: 5e9, 270: 6e9, 271: 7e9}
    state.write_text(state_text(count=1, **{f"gpu0_field_{n}": v for n, v in fields.items()}))
    samples = run(READ + ONE, driver, state)
    for reason, seconds in {
        "sw_power_cap": 2.5, "thermal": 1.0, "board_limit": 0.0, "reliability": 4.0,
        "sw_thermal": 5.0, "hw_thermal": 6.0, "hw_power_brake": 7.0,
    }.items():  # fmt: skip
        assert values(samples, m.GPU_THROTTLED_TIME, reason=reason) == [pytest.approx(seconds)]


def test_a_field_the_device_lacks_is_missing_alone(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, gpu0_field_74=1e9, gpu0_field_269=2e9))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_THROTTLED_TIME) == [1.0, 2.0]


def test_a_field_that_is_not_available_is_absent_though_it_succeeds(
    driver: Path, state: Path
) -> None:
    lost = {"gpu0_field_82": 0xFFFFFFFF, "gpu0_field_197": 1e20, "gpu0_field_198": 5}
    state.write_text(state_text(count=1, **lost))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_MEMORY_TEMPERATURE) == []
    assert values(samples, m.GPU_IO, direction="transmit") == []
    assert values(samples, m.GPU_IO, direction="receive") == [5.0]


def test_memory_temperature_is_read_at_its_own_width(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, gpu0_field_82=91))
    assert values(run(READ + ONE, driver, state), m.GPU_MEMORY_TEMPERATURE) == [91.0]


def test_links_tell_errors_by_kind_and_bytes_by_direction(driver: Path, state: Path) -> None:
    lines = {
        "gpu0_replays": 5, "gpu0_field_176": 2, "gpu0_field_180": 1, "gpu0_field_38": 6,
        "gpu0_field_52": 8, "gpu0_field_208_all": 7, "gpu0_field_214_all": 3,
        "gpu0_field_221_all": 90, "gpu0_field_213": 55, "gpu0_field_138_all": 4,
        "gpu0_field_197": 1000,
    }  # fmt: skip
    state.write_text(state_text(count=1, **lines))
    samples = run(READ + ONE, driver, state)
    for kind, count in {"replay": 5.0, "bad_tlp": 2.0, "fatal": 1.0}.items():
        assert values(samples, m.GPU_PCIE_ERRORS, error_type=kind) == [count]
    nvlink = {"crc_flit": 6, "replay": 8, "receive": 7, "link_recovery_failed": 3, "symbol": 90}
    for kind, count in nvlink.items():
        assert values(samples, m.GPU_NVLINK_ERRORS, error_type=kind) == [count]
    assert len(values(samples, m.GPU_NVLINK_ERRORS)) == len(nvlink), "213 is told of one link only"
    assert values(samples, m.GPU_NVLINK_IO, direction="transmit") == [4096.0]
    assert values(samples, m.GPU_IO, direction="transmit") == [1000.0]


def test_bytes_of_nvlink_5_are_counted_elsewhere_and_never_twice(driver: Path, state: Path) -> None:
    newer = {"gpu0_field_202_all": 7000, "gpu0_field_204_all": 9000}
    state.write_text(state_text(count=1, **newer))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_NVLINK_IO, direction="transmit") == [7000.0]
    assert values(samples, m.GPU_NVLINK_IO, direction="receive") == [9000.0]
    state.write_text(state_text(count=1, gpu0_field_138_all=4, **newer))
    assert values(run(READ + ONE, driver, state), m.GPU_NVLINK_IO) == [4096.0]


def test_power_is_told_apart_by_its_window(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, gpu0_field_185=500_000, gpu0_field_186=650_000))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_POWER_READING, window="average") == [500.0]
    assert values(samples, m.GPU_POWER_READING, window="instant") == [650.0]


# -- fabric ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state_number", "status", "word"),
    [(1, 0, "not_started"), (2, 0, "in_progress"), (3, 0, "completed"), (3, 999, "failed"),
     (9, 0, "unknown_9")],
)  # fmt: skip
def test_the_fabric_says_how_far_the_gpu_has_joined(
    driver: Path, state: Path, state_number: int, status: int, word: str
) -> None:
    state.write_text(state_text(count=1, gpu0_fabric=state_number, gpu0_fabric_status=status))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_FABRIC_STATE, state=word) == [1.0]
    assert values(samples, m.GPU_FABRIC_FAULT) == [], "an empty mask knows of nothing"


def test_a_gpu_without_fabric_has_none(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1))
    assert values(run(READ + ONE, driver, state), m.GPU_FABRIC_STATE) == []


def test_faults_of_the_fabric_are_named_and_unknown_ones_are_absent(
    driver: Path, state: Path
) -> None:
    health = 1 | 2 << 2 | 5 << 8  # bandwidth degraded, no route recovery, too few links
    state.write_text(state_text(count=1, gpu0_fabric=3, gpu0_fabric_health=health))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_FABRIC_FAULT, fault="degraded_bandwidth") == [1.0]
    assert values(samples, m.GPU_FABRIC_FAULT, fault="route_recovery") == [0.0]
    assert values(samples, m.GPU_FABRIC_FAULT, fault="incorrect_configuration") == [1.0]
    assert values(samples, m.GPU_FABRIC_FAULT, fault="route_unhealthy") == []


# -- GPM ------------------------------------------------------------------------------------------


def gpm(tensor: float, **more: float) -> dict[str, float]:
    return {"gpu0_gpm": 1, "gpu0_gpm_2": 60, "gpu0_gpm_5": tensor, **more}


def test_activity_is_the_mean_between_two_rounds(driver: Path, state: Path) -> None:
    first, second, third = rounds(driver, state, gpm(20), gpm(40), gpm(80))
    assert values(first, m.GPU_TENSOR_ACTIVE) == [], "one sample tells nothing"
    assert values(second, m.GPU_TENSOR_ACTIVE) == [pytest.approx(0.3)]
    assert values(third, m.GPU_TENSOR_ACTIVE) == [pytest.approx(0.6)]
    assert values(third, m.GPU_SM_ACTIVE) == [pytest.approx(0.6)]


def test_samples_too_near_or_too_far_from_each_other_tell_nothing(
    driver: Path, state: Path
) -> None:
    near = rounds(driver, state, gpm(20), gpm(40), gpm(60), gpm(80), every=0.06)
    assert [values(one, m.GPU_TENSOR_ACTIVE) for one in near] == [
        [], [], [pytest.approx(0.4)], [],
    ]  # fmt: skip
    far = rounds(driver, state, gpm(20), gpm(40), every=600.0)
    assert values(far[1], m.GPU_TENSOR_ACTIVE) == []
    back = rounds(driver, state, gpm(20), gpm(40), gpm(60), every=-5.0)
    assert all(values(one, m.GPU_TENSOR_ACTIVE) == [] for one in back), "the clock was set back"


@pytest.mark.parametrize("rubbish", [77.0, 250.0, -4.0])
def test_what_is_no_share_is_absent(driver: Path, state: Path, rubbish: float) -> None:
    last = rounds(driver, state, gpm(rubbish), gpm(rubbish))[1]
    assert values(last, m.GPU_TENSOR_ACTIVE) == []
    assert values(last, m.GPU_SM_ACTIVE) == [pytest.approx(0.6)]


def test_samples_do_not_pile_up(driver: Path, state: Path) -> None:
    trouble = gpm(20, gpu0_no_gpm_metrics=1)
    state.write_text(state_text(count=1, **gpm(20)))
    code = f"""
    import ctypes
    for number in range(20):
        text = [{state_text(count=1, **gpm(20))!r}, {state_text(count=1, **trouble)!r},
                {state_text(count=1, **gpm(20, gpu0_no_gpm_sample=1))!r}][number % 3]
        state.write_text(text)
        read(float(number))
    print(ctypes.CDLL("libnvidia-ml.so.1").fakeGpmSamplesHeld())
    """
    assert run(READ + code, driver, state) == 1


# -- processes ------------------------------------------------------------------------------------


def test_time_of_a_process_is_the_mean_of_what_is_new(driver: Path, state: Path) -> None:
    told = rounds(
        driver, state,
        {"gpu0_sm_time": 10, "gpu0_sm_a": 90, "gpu0_sm_b": 90},
        {"gpu0_sm_time": 20, "gpu0_sm_a": 40, "gpu0_sm_b": 60},
        {"gpu0_sm_time": 20, "gpu0_sm_a": 40, "gpu0_sm_b": 60},
    )  # fmt: skip
    assert [values(one, m.GPU_PROCESS_UTILIZATION, pid="4000") for one in told] == [
        [], [pytest.approx(0.5)], [],
    ]  # fmt: skip
    assert values(told[2], m.TARGET_UP, verdict="ok") == [1.0], "nothing new is no fault"


def test_encoder_and_decoder_are_no_part_of_the_gpus_utilisation(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, gpu0_util=7, gpu0_encoder=12, gpu0_decoder=34))
    samples = run(READ + ONE, driver, state)
    assert values(samples, m.GPU_CODEC_UTILIZATION, task="encoder") == [0.12]
    assert values(samples, m.GPU_CODEC_UTILIZATION, task="decoder") == [0.34]
    assert values(samples, m.GPU_UTILIZATION) == [0.07]


@pytest.mark.parametrize(
    ("number", "word"), [(0, "none"), (4, "drain_and_reset"), (7, "system_reboot")]
)
def test_the_drivers_advice_is_passed_on_in_words(
    driver: Path, state: Path, number: int, word: str
) -> None:
    state.write_text(state_text(count=1, gpu0_field_230=number))
    assert values(run(READ + ONE, driver, state), m.GPU_RECOVERY_ACTION, action=word) == [1.0]
