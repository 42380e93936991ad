"""F51: several nodes are gone at once."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, step

from detectors.mass_node_loss import MassNodeLoss
from fleet import identity
from fleet.topology import FleetView
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

GONE = NOW - 300.0
NODES = ("n1", "n2", "n3")


def says(node: str, phrase: str, at: float = GONE + 40.0) -> Change:
    kind = "health" if phrase in (statements.NOT_READY, statements.READY) else "node"
    return Change(at, kind, identity.node(node), f"{node} {phrase}")


def cluster(lost: tuple[str, ...] = (), **gateway: Any) -> World:
    """A replica and a GPU on each of three nodes; those of *lost* nodes answer no more."""
    world = World().gateway(**gateway)
    for node in NODES:
        up = step(GONE, 1.0, np.nan) if node in lost else 1.0
        world.replica(f"r-{node}", node=node, target_up=up)
        world.target(up, target=f"nvml/GPU-{node}", node=node)
    return world


def findings(world: World) -> list[Finding]:
    return list(MassNodeLoss().detect(world.scene(FleetView(), since=900.0)))


@pytest.mark.parametrize("phrase", [statements.NOT_READY, statements.LEFT])
def test_finds_two_nodes_that_kubernetes_misses_and_says_what_was_on_them(phrase: str) -> None:
    world = cluster(("n1", "n2"))
    world.changes += [says("n1", phrase), says("n2", phrase, GONE + 80.0)]
    (finding,) = findings(world)
    assert finding.severity is Severity.CRITICAL
    assert finding.since == GONE + 40.0
    assert {one.id for one in finding.related} == {"n1", "n2", "chat", "r-n1", "r-n2"}
    assert "2 nodes" in finding.text
    assert "1 of chat still work" in finding.text


def test_finds_nodes_that_fell_silent_where_nobody_tells_of_nodes_but_calls_fail() -> None:
    failing = step(GONE, 0.0, 2.0)
    (finding,) = findings(cluster(("n1", "n2"), attempt_errors=failing))
    assert {"n1", "n2"} <= {one.id for one in finding.related}
    assert abs(finding.since - GONE) <= 15.0


def test_a_reader_that_died_leaves_silence_and_no_errors() -> None:
    assert findings(cluster(("n1", "n2"), attempt_errors=0.0)) == []


def test_one_node_is_not_many() -> None:
    world = cluster(("n1",))
    world.changes.append(says("n1", statements.NOT_READY))
    assert findings(world) == []


def test_two_nodes_hours_apart_are_not_at_once() -> None:
    world = cluster(("n1", "n2"))
    world.changes += [says("n1", statements.LEFT, GONE - 7200.0), says("n2", statements.LEFT)]
    assert findings(world) == []


def test_a_node_that_is_not_ready_and_whose_pages_answer_is_not_gone() -> None:
    world = cluster(("n1",))
    world.changes += [says("n1", statements.NOT_READY), says("n2", statements.NOT_READY)]
    assert findings(world) == []


def test_a_planned_drain_cordons_first() -> None:
    """B11."""
    world = cluster(("n1", "n2"))
    for node in ("n1", "n2"):
        world.changes.append(says(node, statements.CORDONED, GONE - 1200.0))
        world.changes.append(says(node, statements.LEFT))
    assert findings(world) == []


def test_an_autoscaler_announces_whom_it_takes_away() -> None:
    world = cluster(("n1", "n2"))
    for node in ("n1", "n2"):
        what = f"taints of {node}: +ToBeDeletedByClusterAutoscaler:NoSchedule"
        world.changes.append(Change(GONE - 120.0, "node", identity.node(node), what))
        world.changes.append(says(node, statements.LEFT))
    assert findings(world) == []


def test_nodes_without_replicas_are_nobodys_loss() -> None:
    world = cluster()
    world.changes += [says("spare-1", statements.LEFT), says("spare-2", statements.LEFT)]
    assert findings(world) == []


def test_is_over_when_the_nodes_are_back_or_as_many_replicas_work_elsewhere() -> None:
    world = cluster(("n1", "n2"))
    world.changes += [says("n1", statements.LEFT), says("n2", statements.LEFT)]
    assert len(findings(world)) == 1
    for name in ("new-1", "new-2"):
        born = step(GONE + 100.0, np.nan, 1.0)
        world.replica(name, node="n3", target_up=born, requests_running=born)
    assert findings(world) == []
    back = cluster(("n1", "n2"))
    back.changes += [says("n1", statements.LEFT), says("n2", statements.LEFT)]
    back.changes.append(says("n2", statements.JOINED, NOW - 60.0))
    assert findings(back) == []
