"""Xids from the kernel's log: every form of line, read once, bounded, joined to the GPU's uuid."""

# Names are pynvml's.
# ruff: noqa: N802

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors._kernel_messages import KernelMessages
from collectors.kernel_log import KernelLog
from store.embedded import EmbeddedStore
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.contracts import Target
from vocabulary.errors import SourceUnauthorised, SourceUnsupported
from vocabulary.samples import Sample, Series, labels_of

UUID = "GPU-b850f46d-d5ea-c752-ddf3-c16e7a3e1f1e"
NODE = Target("node", (("cluster", "c"), ("node", "n1")))
LOST = "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus."


class OneGpu:
    """Only what the join asks of NVML; errors and constants are the package's own."""

    NVMLError = pynvml.NVMLError

    def __init__(self, bus: str = "00000000:3B:00.0") -> None:
        self.bus = bus
        self.asked = 0

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        self.asked += 1
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetPciInfo(self, handle: int) -> Any:
        return SimpleNamespace(busId=self.bus)

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return UUID


def record(text: str, sequence: int, seconds: float = 1000.0, level: int = 3) -> str:
    return f"{level},{sequence},{int(seconds * 1e6)},-;{text}\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "kmsg"
    file.write_text(record("Linux version 6.8", 0, 0.0))
    return file


def collector(path: Path, uptime: float = 1000.0) -> KernelLog:
    return KernelLog(path=str(path), _uptime=lambda: uptime)


def read(one: KernelLog, nvml: Any = None) -> dict[tuple[str, str], float]:
    """(gpu or node, code) → count, in the round after: a new code is born at zero."""
    reach: Any = SimpleNamespace(nvml=nvml or OneGpu())
    found = {}
    list(one.collect(NODE, reach, 4.0))
    for sample in one.collect(NODE, reach, 5.0):
        about = dict(sample.series.labels)
        code = about.get("xid") or about["sxid"]
        found[about.get("gpu") or about["switch"], code] = sample.value
    return found


def add(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.write("".join(lines))


@pytest.mark.parametrize(
    ("line", "xid"),
    [
        (LOST, "79"),
        ("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.", "79"),
        ("NVRM: Xid (0000:3b:00): 8, Channel 00000001", "8"),
        ("NVRM: Xid (PCI:0000:3b:00.0): 31, pid='<unknown>', name=<unknown>, Ch 00000008", "31"),
        ("NVRM: Xid (PCI:00000000:3B:00): 154, GPU recovery action changed from 0x0 (None)", "154"),
        ("kernel: [ 77.1] NVRM: Xid (PCI:0000:3b:00): 48, pid=7, DBE", "48"),
    ],
)
def test_every_form_of_the_line_is_read_and_joined_to_its_gpu(
    log: Path, line: str, xid: str
) -> None:
    add(log, record(line, 1))
    assert read(collector(log)) == {(UUID, xid): 1.0}


@pytest.mark.parametrize(
    "line",
    [
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module",
        "usb 1-1: product: NVRM: Xid (PCI:zz:3b:00): 79",
        "NVRM: Xid (PCI:0000:3b:00): none",
        "amdgpu 0000:03:00.0: GPU reset begin!",
    ],
)
def test_other_lines_are_no_xids(log: Path, line: str) -> None:
    add(log, record(line, 1))
    assert read(collector(log)) == {}


def test_events_are_counted_and_a_record_is_read_once(log: Path) -> None:
    one = collector(log)
    assert read(one) == {}
    add(log, record(LOST, 1), record(LOST, 2))
    assert read(one) == {(UUID, "79"): 2.0}
    assert read(one) == {(UUID, "79"): 2.0}, "a counter that stands still: the event has cleared"
    add(log, record(LOST, 3))
    assert read(one) == {(UUID, "79"): 3.0}


def test_a_new_code_is_born_at_zero_so_that_its_first_event_is_growth(log: Path) -> None:
    add(log, record(LOST, 1))
    one, reach = collector(log), SimpleNamespace(nvml=OneGpu())
    rounds = [[s.value for s in one.collect(NODE, reach, at)] for at in (0.0, 15.0)]  # type: ignore[arg-type]
    assert rounds == [[0.0], [1.0]]


def test_a_log_that_is_opened_again_goes_on_by_its_sequence_number(log: Path) -> None:
    one = collector(log)
    add(log, record(LOST, 1))
    read(one)
    again = log.with_name("again")
    again.write_text(log.read_text() + record(LOST, 2))
    again.replace(log)
    assert read(one) == {(UUID, "79"): 2.0}


def test_what_happened_long_before_the_agent_began_is_no_event_of_now(log: Path) -> None:
    add(log, record(LOST, 1, seconds=500.0), record(LOST, 2, seconds=900.0))
    assert read(collector(log)) == {(UUID, "79"): 1.0}


def test_a_log_file_is_read_from_its_end_on_and_through_a_rotation(tmp_path: Path) -> None:
    file = tmp_path / "kern.log"
    prefix = "Nov 25 13:00:01 n1 kernel: [123.456] "
    file.write_text(f"{prefix}{LOST}\n")
    one = collector(file)
    assert read(one) == {}, "how old it is, nobody knows"
    add(file, f"{prefix}{LOST}\n")
    assert read(one) == {(UUID, "79"): 1.0}
    add(file, f"{prefix}{LOST}\n")
    file.rename(tmp_path / "kern.log.1")
    file.write_text(f"{prefix}{LOST}\n")
    assert read(one) == {(UUID, "79"): 3.0}, "the end of the old one, and the new one"
    add(file, f"{prefix}{LOST}\n")
    assert read(one) == {(UUID, "79"): 4.0}
    file.write_text(f"{prefix}{LOST}\n")
    assert read(one) == {(UUID, "79"): 5.0}, "cut in place"


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path, writer
    os.close(writer)


def test_an_empty_log_is_not_waited_for(pipe: tuple[Path, int]) -> None:
    path, writer = pipe
    one = collector(path)
    assert read(one) == {}
    os.write(writer, record(LOST, 1)[:30].encode())
    assert read(one) == {}, "half a record"
    os.write(writer, record(LOST, 1)[30:].encode())
    assert read(one) == {(UUID, "79"): 1.0}


def test_a_flood_is_read_in_several_rounds(log: Path) -> None:
    add(log, *(record("noise " + "x" * 100, n) for n in range(1, 2000)), record(LOST, 2000))
    messages = KernelMessages(most=2)
    assert len(messages.new(str(log))) < 2000
    for _ in range(40):
        found = messages.new(str(log))
        if any("Xid" in one.text for one in found):
            break
    else:
        pytest.fail("never came to the end")


def test_overwritten_records_are_counted_and_passed_over(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, record(LOST, 1))
    real, calls = os.read, []

    def overwritten(file: int, size: int) -> bytes:
        calls.append(file)
        if len(calls) == 1:
            raise BrokenPipeError(32, "Broken pipe")
        return real(file, size)

    monkeypatch.setattr(os, "read", overwritten)
    messages = KernelMessages()
    assert any("Xid" in one.text for one in messages.new(str(log)))
    assert messages.lost == 1


def test_a_log_that_is_not_there_costs_only_itself_and_says_the_mend(tmp_path: Path) -> None:
    with pytest.raises(SourceUnsupported, match=r"agent\.kernelLog"):
        read(collector(tmp_path / "none"))


def test_a_log_that_may_not_be_read_says_which_right_is_missing(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = collector(log)

    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceUnauthorised, match="CAP_SYSLOG"):
        read(one)
    monkeypatch.undo()
    add(log, record(LOST, 1))
    assert read(one) == {(UUID, "79"): 1.0}, "granted later, it is read"


def test_the_drivers_own_word_names_a_gpu_where_nvml_hangs(log: Path) -> None:
    class Hung(OneGpu):
        def nvmlDeviceGetCount(self) -> int:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    add(log, record(f"NVRM: GPU at PCI:0000:3b:00: {UUID}", 1, 3.0), record(LOST, 2))
    assert read(collector(log), Hung()) == {(UUID, "79"): 1.0}


def test_an_address_nobody_knows_is_named_by_node_and_place(log: Path) -> None:
    add(log, record(LOST, 1))
    nvml = OneGpu(bus="00000000:5E:00.0")
    assert read(collector(log), nvml) == {("n1/pci-0000:3b:00", "79"): 1.0}


def test_faults_of_a_switch_are_counted_by_code_and_severity(log: Path) -> None:
    add(
        log,
        record("nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 LTSSM Fault", 1),
        record("nvidia-nvswitch1: SXid (PCI:0000:c2:00.0): 11012, Non-fatal, Link 2 egress", 2),
    )
    one = collector(log)
    assert read(one) == {("nvidia-nvswitch0", "20034"): 1.0, ("nvidia-nvswitch1", "11012"): 1.0}
    reach: Any = SimpleNamespace(nvml=OneGpu())
    told = {dict(s.series.labels)["severity"] for s in one.collect(NODE, reach, 5.0)}
    assert told == {"fatal", "non_fatal"}


@given(text=st.text(max_size=300), sequence=st.integers(-5, 2**65))
def test_no_text_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, sequence: int
) -> None:
    file = tmp_path_factory.mktemp("k") / "kmsg"
    file.write_text(record(text, max(0, sequence)), encoding="utf-8", errors="replace")
    for (gpu, code), count in read(collector(file)).items():
        assert gpu
        assert code.isdecimal()
        assert count > 0


def test_one_event_that_two_sources_saw_counts_once(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", retention_seconds=86_400.0)
    begin = 1_750_000_000.0

    def sample(source: str, value: float, at: float) -> Sample:
        about = {"gpu": UUID, "node": "n1", "xid": "79", "source": source}
        return Sample(Series(m.GPU_XID_EVENTS.name, labels_of(about)), value, at)

    for step in range(8):
        at = begin + 15.0 * step
        store.append([sample("nvml", float(step >= 4), at)])
        store.append([sample("kernel_log", float(step >= 5), at + 3.0)])
    frame = store.evaluate(signals.GPU_XID, begin + 60.0, begin + 120.0, 15.0)
    assert dict(frame.labels[0]) == {"gpu": UUID, "node": "n1", "xid": "79"}
    assert 0.9 < frame.values[0, -1] < 1.5
    store.close()


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="/dev/kmsg may not be read here")
def test_the_kernels_own_device_is_read_without_waiting_and_once() -> None:
    messages = KernelMessages()
    try:
        found = messages.new("/dev/kmsg")
    except OSError as error:
        pytest.skip(f"the kernel refuses: {error.strerror}")
    sequences = [one.sequence for one in found if one.sequence is not None]
    assert sequences == sorted(set(sequences))
    assert len(messages.new("/dev/kmsg")) <= 50, "what was read is not read again"
    messages.close()
