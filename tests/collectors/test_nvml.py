"""GPUs through the real nvidia-ml-py: over a fake driver, over none, and where one hangs."""

import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from fake_nvml.library import build, run, state_text
from fake_nvml.reading import READ, UUID, values

from collectors._deadline import Calls
from collectors._nvml_signals import THROTTLE_REASONS
from collectors.nvml import Nvml
from vocabulary import metrics as m
from vocabulary.contracts import Target
from vocabulary.errors import SourceHung, SourceUnsupported


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "gpus"


BUSY = {
    "count": 2, "gpu0_util": 93, "gpu0_mem_used": 60e9, "gpu0_mem_reserved": 0.5e9,
    "gpu0_power": 512_300, "gpu0_energy": 7_000_500, "gpu0_clock": 1410, "gpu0_temp": 87,
    "gpu0_reasons": 0x68, "gpu0_ecc_corrected": 3, "gpu0_ecc_uncorrected": 1,
    "gpu0_rows_uncorrected": 2, "gpu0_rows_pending": 1, "gpu0_field_230": 1, "gpu0_processes": 2,
    "gpu0_encoder": 12, "gpu0_decoder": 34, "gpu0_replays": 5, "gpu0_sm_time": 1,
    "gpu0_field_74": 2.5e9, "gpu0_field_270": 3e9, "gpu0_field_82": 91, "gpu0_field_180": 1,
    "gpu0_field_197": 4e6, "gpu0_field_38": 6, "gpu0_field_208_all": 7, "gpu0_field_138_all": 8,
    "gpu0_mem_busy": 40, "gpu0_mem_clock": 2500, "gpu0_sram_parity": 1, "gpu0_links_up": 17,
    "gpu0_links_down": 1, "gpu0_retired_double": 2, "gpu0_field_185": 500_000, "gpu0_margin": 5,
    "gpu0_fabric": 3, "gpu0_fabric_health": 0x1A9, "gpu0_gpm": 1,
    "gpu0_gpm_2": 60, "gpu0_gpm_3": 30, "gpu0_gpm_5": 20, "gpu0_gpm_10": 50,
}  # fmt: skip


def test_every_signal_comes_in_our_words_and_units(driver: Path, state: Path) -> None:
    state.write_text(state_text(**BUSY))
    samples = run(READ + "\n    print(json.dumps(read()))", driver, state)
    expected: list[tuple[m.Metric, dict[str, str], float]] = [
        (m.GPU_UTILIZATION, {}, 0.93),
        (m.GPU_MEMORY_USAGE, {}, 60e9),
        (m.GPU_MEMORY_LIMIT, {}, 80e9),
        (m.GPU_MEMORY_RESERVED, {}, 0.5e9),
        (m.GPU_MEMORY_BUSY, {}, 0.4),
        (m.GPU_BAR1, {"part": "used"}, 5e6),
        (m.GPU_BAR1, {"part": "limit"}, 131072 * 2**20),
        (m.GPU_POWER_READING, {"window": "average"}, 500.0),
        (m.GPU_MEMORY_CLOCK, {}, 2.5e9),
        (m.GPU_MEMORY_CLOCK_MAX, {}, 2.619e9),
        (m.GPU_TEMPERATURE_LIMIT, {"threshold": "slowdown"}, 91.0),
        (m.GPU_TEMPERATURE_MARGIN, {}, 5.0),
        (m.GPU_ERRORS_LIFETIME, {"error_type": "uncorrected"}, 101.0),
        (m.GPU_SRAM_ERRORS, {"error_type": "uncorrected_parity"}, 1.0),
        (m.GPU_SRAM_THRESHOLD, {}, 0.0),
        (m.GPU_REMAPPER_BANKS, {"spare": "max"}, 640.0),
        (m.GPU_RETIRED_PAGES, {"cause": "double_bit"}, 2.0),
        (m.GPU_RETIRED_PAGES, {"cause": "pending"}, 0.0),
        (m.GPU_NVLINKS, {"state": "up"}, 17.0),
        (m.GPU_NVLINKS, {"state": "down"}, 1.0),
        (m.GPU_POWER, {}, 512.3),
        (m.GPU_POWER_LIMIT, {}, 700.0),
        (m.GPU_ENERGY, {}, 7000.5),
        (m.GPU_SM_CLOCK, {}, 1.41e9),
        (m.GPU_SM_CLOCK_MAX, {}, 1.98e9),
        (m.GPU_TEMPERATURE, {}, 87.0),
        (m.GPU_ERRORS, {"error_type": "corrected"}, 3.0),
        (m.GPU_ERRORS, {"error_type": "uncorrected"}, 1.0),
        (m.GPU_REMAPPED_ROWS, {"error_type": "uncorrected"}, 2.0),
        (m.GPU_REMAPPED_ROWS, {"error_type": "pending"}, 1.0),
        (m.GPU_RECOVERY_ACTION, {"action": "gpu_reset"}, 1.0),
        (m.GPU_PROCESS_MEMORY, {"pid": "4000"}, 30e9),
        (m.GPU_INFO, {"index": "0", "product": "NVIDIA H100 80GB HBM3"}, 1.0),
        (m.TARGET_UP, {"verdict": "ok", "target": f"nvml/{UUID.format(0)}"}, 1.0),
    ]
    for metric, own, value in expected:
        assert values(samples, metric, **own) == [pytest.approx(value)], metric
    assert values(samples, m.GPU_PROCESS_MEMORY, pid="4001") == [], "the driver would not tell"
    assert values(samples, m.GPU_RECOVERY_ACTION, gpu=1) == [], "absent is not zero"
    assert values(samples, m.GPU_NVLINKS, gpu=1) == [], "no link is neither up nor down"
    assert values(samples, m.GPU_TEMPERATURE_LIMIT, threshold="memory_max") == [], "refused alone"
    for _, labels, _ in samples:
        assert (labels["cluster"], labels["node"]) == ("c", "n1")


def test_each_throttle_reason_is_named_so_that_harmless_ones_can_be_left_out(
    driver: Path, state: Path
) -> None:
    state.write_text(state_text(count=1, gpu0_reasons=0x1 | 0x8 | 0x20))
    samples = run(READ + "\n    print(json.dumps(read()))", driver, state)
    held = {
        reason: values(samples, m.GPU_THROTTLED, reason=reason)[0] for reason in THROTTLE_REASONS
    }
    assert {reason for reason, value in held.items() if value} == {
        "idle", "hw_slowdown", "sw_thermal",
    }  # fmt: skip
    assert set(held) == {
        "idle", "app_clocks", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal",
        "hw_thermal", "hw_power_brake",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "metric"),
    [
        ("util", m.GPU_UTILIZATION),
        ("memory", m.GPU_MEMORY_USAGE),
        ("power", m.GPU_POWER),
        ("energy", m.GPU_ENERGY),
        ("clock", m.GPU_SM_CLOCK),
        ("temp", m.GPU_TEMPERATURE),
        ("reasons", m.GPU_THROTTLED),
        ("ecc", m.GPU_ERRORS),
        ("rows", m.GPU_REMAPPED_ROWS),
        ("fields", m.GPU_RECOVERY_ACTION),
        ("processes", m.GPU_PROCESS_MEMORY),
        ("events", m.GPU_XID_EVENTS),
        ("codec", m.GPU_CODEC_UTILIZATION),
        ("fabric", m.GPU_FABRIC_STATE),
        ("mig", m.GPU_MIG_MODE),
        ("process_use", m.GPU_PROCESS_UTILIZATION),
        ("gpm", m.GPU_SM_ACTIVE),
        ("gpm_sample", m.GPU_TENSOR_ACTIVE),
        ("gpm_metrics", m.GPU_DRAM_ACTIVE),
        ("field_82", m.GPU_MEMORY_TEMPERATURE),
        ("field_197", m.GPU_IO),
        ("field_138", m.GPU_NVLINK_IO),
        ("field_185", m.GPU_POWER_READING),
        ("bar1", m.GPU_BAR1),
        ("mem_clock", m.GPU_MEMORY_CLOCK),
        ("mem_clock_max", m.GPU_MEMORY_CLOCK_MAX),
        ("thresholds", m.GPU_TEMPERATURE_LIMIT),
        ("margin", m.GPU_TEMPERATURE_MARGIN),
        ("ecc_lifetime", m.GPU_ERRORS_LIFETIME),
        ("sram", m.GPU_SRAM_ERRORS),
        ("histogram", m.GPU_REMAPPER_BANKS),
        ("retired", m.GPU_RETIRED_PAGES),
        ("links", m.GPU_NVLINKS),
    ],
)
def test_a_signal_the_device_lacks_is_missing_alone(
    driver: Path, state: Path, missing: str, metric: m.Metric
) -> None:
    lines = {**BUSY, **{key.replace("gpu0", "gpu1"): value for key, value in BUSY.items()}}
    lines.update(gpu0_xid=31, gpu0_xid_number=1, gpu1_xid=31, gpu1_xid_number=1)
    lines[f"gpu0_no_{missing}"] = 1
    state.write_text(state_text(**lines))
    again = state_text(**{**lines, "gpu0_sm_time": 2, "gpu1_sm_time": 2})
    code = f"\n    read(0.0); state.write_text({again!r}); print(json.dumps(read(5.0)))"
    samples = run(READ + code, driver, state)
    assert values(samples, metric) == []
    assert values(samples, metric, gpu=1)
    alone = GO_TOGETHER.get(missing, {metric})
    for other in set(Nvml.produces) - alone - {m.GPU_MIG_INSTANCE}:
        assert values(samples, other), other


GPM = {m.GPU_SM_ACTIVE, m.GPU_SM_OCCUPANCY, m.GPU_TENSOR_ACTIVE, m.GPU_DRAM_ACTIVE}
GO_TOGETHER = {
    "processes": {m.GPU_PROCESSES, m.GPU_PROCESS_MEMORY},
    "memory": {m.GPU_MEMORY_USAGE, m.GPU_MEMORY_LIMIT, m.GPU_MEMORY_RESERVED},
    "util": {m.GPU_UTILIZATION, m.GPU_MEMORY_BUSY},
    "sram": {m.GPU_SRAM_ERRORS, m.GPU_SRAM_THRESHOLD},
    "fabric": {m.GPU_FABRIC_STATE, m.GPU_FABRIC_FAULT},
    "fields": {
        m.GPU_RECOVERY_ACTION, m.GPU_THROTTLED_TIME, m.GPU_MEMORY_TEMPERATURE, m.GPU_IO,
        m.GPU_NVLINK_IO, m.GPU_NVLINK_ERRORS, m.GPU_POWER_READING,
    },
    "gpm": GPM, "gpm_sample": GPM, "gpm_metrics": GPM,
}  # fmt: skip
"""Metrics that come of one call."""


def test_an_old_driver_is_asked_by_the_older_names(state: Path, tmp_path: Path) -> None:
    old = build(tmp_path / "old", "-DOLD_DRIVER")
    state.write_text(state_text(**BUSY))
    samples = run(READ + "\n    print(json.dumps(read()))", old, state)
    assert values(samples, m.GPU_TEMPERATURE) == [87.0]
    assert values(samples, m.GPU_THROTTLED, reason="hw_thermal") == [1.0]
    assert values(samples, m.GPU_MEMORY_USAGE) == [60.5e9], "version 1 counts what is reserved"


def test_a_lost_gpu_is_said_to_be_lost_under_its_own_name(driver: Path, state: Path) -> None:
    before = state_text(**BUSY)
    after = state_text(**BUSY, gpu0_lost=1, gpu0_xid=79, gpu0_xid_number=1)
    state.write_text(before)
    code = f"\n    read(); print(json.dumps([then({after!r}), read()]))"
    first, samples = run(READ + code, driver, state)
    assert values(first, m.GPU_XID_EVENTS, xid="79") == [0.0], "born at zero"
    assert values(samples, m.TARGET_UP, verdict="lost") == [0.0]
    assert values(samples, m.GPU_XID_EVENTS, xid="79") == [1.0], "its last word"
    assert values(samples, m.GPU_UTILIZATION) == []
    assert values(samples, m.TARGET_UP, gpu=1, verdict="ok") == [1.0]
    assert values(samples, m.GPU_POWER, gpu=1)


def test_a_hung_gpu_stops_neither_the_agent_nor_the_other_gpu(driver: Path, state: Path) -> None:
    fine, hung = state_text(**BUSY), state_text(**BUSY, gpu1_hang=1)
    state.write_text(fine)
    code = f"""
    import threading
    first = read()
    began = time.monotonic()
    second, third = then({hung!r}), read()
    took = time.monotonic() - began
    for _ in range(10):
        read()
    threads = threading.active_count()
    state.write_text({fine!r})
    time.sleep(0.2)
    print(json.dumps([second, third, read(), took, threads]))
    """
    second, third, fourth, took, threads = run(READ + code, driver, state)
    for samples in (second, third):
        assert values(samples, m.TARGET_UP, gpu=1, verdict="hung") == [0.0]
        assert values(samples, m.GPU_POWER, gpu=1) == []
        assert values(samples, m.GPU_POWER, gpu=0) == [pytest.approx(512.3)]
    assert took < 2.0
    assert threads <= 4, "one thread is left behind, however often it is asked"
    assert values(fourth, m.TARGET_UP, gpu=1, verdict="ok") == [1.0]


def test_a_driver_that_hangs_as_a_whole_is_hung(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, hang=1))
    assert run(READ + "\n    print(json.dumps(read()))", driver, state)["verdict"] == "hung"


def test_no_driver_is_unsupported_and_says_how_to_mend_it(driver: Path, state: Path) -> None:
    state.write_text(state_text(no_driver=1))
    answer = run(READ + "\n    print(json.dumps(read()))", driver, state)
    assert answer["verdict"] == "unsupported"
    assert "NVIDIA_DRIVER_CAPABILITIES" in answer["text"]


def test_no_library_is_unsupported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    module = SimpleNamespace(**{n: getattr(pynvml, n) for n in dir(pynvml) if "NVML" in n})
    module.nvmlDeviceGetCount = missing
    with pytest.raises(SourceUnsupported, match="no NVIDIA driver"):
        list(Nvml().collect(Target("", ()), SimpleNamespace(nvml=module), 0.0))  # type: ignore[arg-type]


def test_an_action_of_a_newer_driver_is_passed_on_by_number(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1, gpu0_field_230=99))
    samples = run(READ + "\n    print(json.dumps(read()))", driver, state)
    assert values(samples, m.GPU_RECOVERY_ACTION, action="unknown_99") == [1.0]


def test_xids_are_counted_by_code_over_the_rounds(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1))
    second = state_text(count=1, gpu0_xid=31, gpu0_xid_number=2)
    third = state_text(count=1, gpu0_xid=94, gpu0_xid_number=3)
    code = f"\n    print(json.dumps([read(), then({second!r}), then({third!r}), read()]))"
    rounds = run(READ + code, driver, state)
    assert [values(one, m.GPU_XID_EVENTS, xid="31") for one in rounds] == [[], [0.0], [2.0], [2.0]]
    assert [values(one, m.GPU_XID_EVENTS, xid="94") for one in rounds] == [[], [], [0.0], [1.0]]


def test_a_gpu_that_appears_is_read_and_one_that_is_gone_is_not(driver: Path, state: Path) -> None:
    state.write_text(state_text(count=1))
    code = f"\n    print(json.dumps([read(), then({state_text(count=2)!r}), then('count 0')]))"
    one, two, none = run(READ + code, driver, state)
    assert [len({s[1]["gpu"] for s in samples}) for samples in (one, two, none)] == [1, 2, 0]


# -- calls with a deadline ------------------------------------------------------------------------


def test_calls_run_beside_each_other_within_one_deadline() -> None:
    calls: Calls[int] = Calls()
    began = time.monotonic()
    answers = calls.run({str(n): lambda n=n: time.sleep(0.15) or n for n in range(8)}, 2.0)
    assert list(answers.values()) == list(range(8))
    assert time.monotonic() - began < 0.9


def test_calls_that_answer_share_one_thread_round_after_round() -> None:
    calls: Calls[int] = Calls()
    names = [str(number) for number in range(8)]
    workers = {
        worker
        for _ in range(5)
        for worker in calls.run(dict.fromkeys(names, threading.get_ident), 5.0).values()
    }
    assert len(workers) <= 2, "another one only where the machine kept the first from its work"
    assert threading.get_ident() not in workers


def test_calls_that_nobody_came_to_in_time_are_not_made_later() -> None:
    calls: Calls[None] = Calls()
    made: list[str] = []
    stuck = {str(number): partial(time.sleep, 0.2) for number in range(20)}
    answers = calls.run({**stuck, "last": lambda: made.append("last")}, 0.1)
    assert all(isinstance(one, SourceHung) for one in answers.values())
    time.sleep(0.3)
    assert made == []


def test_a_call_that_fails_gives_its_own_exception() -> None:
    def fail() -> int:
        raise ValueError("bad")

    answer = Calls[int]().run({"x": fail}, 1.0)["x"]
    assert isinstance(answer, ValueError)


def test_a_name_that_hangs_is_not_called_again_until_it_is_back() -> None:
    calls: Calls[str] = Calls()
    release, entered = threading.Event(), []

    def hang() -> str:
        entered.append(1)
        release.wait(10)
        return "back"

    for _ in range(3):
        assert isinstance(calls.run({"x": hang}, 0.05)["x"], SourceHung)
    assert len(entered) == 1
    release.set()
    time.sleep(0.1)
    assert calls.run({"x": lambda: "fresh"}, 1.0)["x"] == "fresh"
