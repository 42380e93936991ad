"""F49: an image cannot be pulled."""

from scene_builder import NOW, World

from detectors.pull_failure import PullFailure
from fleet import identity
from fleet.topology import FleetView
from vocabulary import statements
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

BEGAN = NOW - 660.0
WHY = "vllm: ErrImagePull of reg.example/vllm:v2: toomanyrequests: pull rate limit"


def stuck(name: str = "chat-x", at: float = BEGAN, why: str = WHY) -> Change:
    what = f"{name} {statements.CANNOT_START} {why}"
    return Change(at, "pending", identity.pool("chat"), what, "chat")


def findings(*changes: Change, world: World | None = None) -> list[Finding]:
    world = world or World().replica("a").replica("b")
    world.changes += changes
    return list(PullFailure().detect(world.scene(FleetView(), since=600.0)))


def test_finds_pods_whose_image_cannot_be_pulled_and_says_what_the_registry_said() -> None:
    (finding,) = findings(stuck(), stuck("chat-y", NOW - 60.0))
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.WARNING
    assert finding.since == BEGAN
    assert "2 pods" in finding.text
    assert "toomanyrequests" in finding.text


def test_waits_out_a_hiccup_of_the_registry() -> None:
    assert findings(stuck(at=NOW - 540.0)) == []


def test_wakes_somebody_soon_where_nothing_of_the_pool_works() -> None:
    (finding,) = findings(stuck(at=NOW - 180.0), world=World().replica("a", target_up=0.0))
    assert finding.severity is Severity.CRITICAL


def test_is_over_when_the_pod_could_start() -> None:
    end = Change(NOW - 30.0, "pending", identity.pool("chat"),
                 f"chat-x {statements.CAN_START}", "chat")  # fmt: skip
    assert findings(stuck(), end) == []


def test_is_over_when_the_pod_works_although_nobody_said_so() -> None:
    world = World().replica("a", model="m")
    world.target(1.0, target="http://a", replica="a", pool="chat", pod="chat-x", vantage="engine")
    assert findings(stuck(), world=world) == []


def test_other_reasons_not_to_start_are_other_failures() -> None:
    assert findings(stuck(why="vllm: CreateContainerConfigError: secret missing")) == []
