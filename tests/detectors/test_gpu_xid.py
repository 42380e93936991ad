"""Y21: an Xid of the hardware that names nothing else, or one that comes again and again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.gpu_xid import GpuXid
from fleet.xids import shipped
from vocabulary import signals
from vocabulary.findings import Finding

ONSET = NOW - 300.0
GPU = {"gpu": "GPU-a", "node": "node-1"}


def cluster(xid: str, course: Any = None) -> World:
    world = World().replica("a").gpu("GPU-a", "a")
    return world.put(
        signals.GPU_XID, step(ONSET, 0.0, 1.0) if course is None else course, xid=xid, **GPU
    )


def events(*ago: float) -> Any:
    """One event at each of so many seconds ago, as an increase over ten minutes shows it."""
    return lambda t: sum(((t > NOW - a) & (t <= NOW - a + 600.0)).astype(float) for a in ago)


def findings(world: World, **settings: Any) -> list[Finding]:
    return list(GpuXid(**settings).detect(world.scene()))


@pytest.mark.parametrize("xid", ["143", "54", "142", "39", "123", "9999"])
def test_an_xid_of_the_hardware_is_a_ticket(xid: str) -> None:
    (finding,) = findings(cluster(xid))
    assert finding.entity.id == "GPU-a"
    assert abs(finding.since - ONSET) <= 30.0
    assert f"Xid {xid}" in finding.text


@pytest.mark.parametrize("xid", ["13", "31", "43", "45", "68", "63", "92", "154", "109", "8"])
def test_a_program_that_crashes_says_nothing_of_its_gpu(xid: str) -> None:
    """B14."""
    assert findings(cluster(xid)) == []


@pytest.mark.parametrize("xid", ["79", "48", "74", "119"])
def test_what_names_a_mode_of_its_own_is_told_there(xid: str) -> None:
    assert findings(cluster(xid)) == []


def test_one_that_comes_again_and_again_on_one_gpu_is_a_ticket() -> None:
    (finding,) = findings(cluster("109", events(300.0, 9000.0, 30_000.0)))
    assert "3 times within a day" in finding.text
    assert findings(cluster("109", events(300.0, 9000.0))) == []
    assert findings(cluster("13", events(300.0, 900.0, 9000.0, 20_000.0, 30_000.0))) == []
    assert findings(cluster("109", events(5000.0, 9000.0, 30_000.0))) == [], "it has ended"


def test_a_site_may_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "xids.yaml"
    file.write_text("xids:\n  13: {mode: gpu_xid}\n  143: {mode: '', class: notice}\n")
    mine = shipped().with_site(file)
    assert findings(cluster("13"), _xids=mine)
    assert findings(cluster("143"), _xids=mine) == []


def test_an_event_falls_silent_after_its_time() -> None:
    old = lambda t: np.where((t > NOW - 1600.0) & (t < NOW - 1000.0), 1.0, 0.0)  # noqa: E731
    assert findings(cluster("143", old)) == []
