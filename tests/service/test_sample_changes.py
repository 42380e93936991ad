"""Xids and drivers out of samples."""

from service.sample_changes import SampleChanges
from vocabulary import metrics as m
from vocabulary.samples import Sample, Series, labels_of

NAN = float("nan")


def xid(count: float, code: str = "79", at: float = 10.0, source: str = "nvml") -> Sample:
    about = {"gpu": "GPU-1", "node": "n1", "xid": code, "source": source}
    return Sample(Series(m.GPU_XID_EVENTS.name, labels_of(about)), count, at)


def info(driver: str, at: float = 10.0) -> Sample:
    about = {"gpu": "GPU-1", "node": "n1", "driver": driver}
    return Sample(Series(m.GPU_INFO.name, labels_of(about)), 1.0, at)


def test_an_xid_that_comes_is_told_once_with_its_gpu_and_node() -> None:
    seen = SampleChanges()
    assert seen.take([info("550")]) == []
    (change,) = seen.take([xid(1.0, at=25.0)])
    assert (change.at, change.kind, str(change.entity)) == (25.0, "xid", "gpu/GPU-1")
    assert change.what == "Xid 79 on n1"
    assert seen.take([xid(1.0), xid(NAN)]) == []
    assert seen.take([]) == []
    assert [one.what for one in seen.take([xid(4.0)])] == ["Xid 79 on n1, 3 times"]


def test_two_observers_of_one_xid_make_one_change() -> None:
    seen = SampleChanges()
    seen.take([info("550")])
    assert len(seen.take([xid(1.0), xid(1.0, source="kernel_log")])) == 1
    assert seen.take([xid(1.0), xid(1.0, source="dcgm")]) == []


def test_what_counters_show_at_the_first_look_came_before_us() -> None:
    seen = SampleChanges()
    assert seen.take([xid(5.0)]) == []
    assert [one.what for one in seen.take([xid(1.0)])] == ["Xid 79 on n1"], "the counter was reset"


def test_a_replaced_driver_is_told_also_when_no_agent_ran_meanwhile() -> None:
    first = SampleChanges()
    assert first.take([info("550"), info("550")]) == []
    second = SampleChanges()
    second.restore(first.memory())
    (change,) = second.take([info("570"), info("570")])
    assert (change.kind, str(change.entity)) == ("driver", "node/n1")
    assert change.what == "GPU driver 550 → 570"
