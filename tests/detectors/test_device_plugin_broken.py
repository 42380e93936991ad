"""F47: a node offers fewer GPUs than it has."""

from scene_builder import NOW, World

from detectors.device_plugin_broken import DevicePluginBroken
from fleet import identity
from fleet.topology import FleetView
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

BEGAN = NOW - 660.0


def offers(offered: int, node: str = "node-1", at: float = BEGAN) -> Change:
    what = f"{node} {statements.OFFERS} {offered} of its 8 GPUs"
    return Change(at, "health", identity.node(node), what)


def findings(*changes: Change) -> list[Finding]:
    world = World().replica("a")
    world.changes += changes
    return list(DevicePluginBroken().detect(world.scene(FleetView(), since=60.0)))


def test_finds_a_node_that_offers_too_little_and_names_who_runs_there() -> None:
    (finding,) = findings(offers(7))
    assert finding.entity == identity.node("node-1")
    assert finding.severity is Severity.WARNING
    assert finding.since == BEGAN
    assert "7 of its 8 GPUs" in finding.text
    assert [one.id for one in finding.related] == ["a"]


def test_two_nodes_at_once_are_a_page() -> None:
    found = findings(offers(0), offers(0, "node-2"))
    assert [one.severity for one in found] == [Severity.CRITICAL] * 2


def test_a_plugin_that_restarts_is_no_news() -> None:
    assert findings(offers(0, at=NOW - 300.0)) == []


def test_is_over_when_all_are_offered_again() -> None:
    assert findings(offers(0), offers(8, at=NOW - 60.0)) == []


def test_a_node_that_is_gone_is_another_failure() -> None:
    lost = Change(NOW - 600.0, "health", identity.node("node-1"),
                  f"node-1 {statements.NOT_READY} (NodeStatusUnknown)")  # fmt: skip
    assert findings(offers(0), lost) == []
