"""F03: a busy pod is killed by its own probe."""

from scene_builder import NOW, Course, World, during, step

from detectors.probe_kill import ProbeKill
from fleet import identity
from vocabulary.entities import Change
from vocabulary.failure_modes import Severity
from vocabulary.findings import Finding

KILLED = NOW - 120.0
RUSH = step(KILLED - 200.0, 10.0, 40.0)
EVENT = "liveness probe of vllm failed: its node kills the container"


def findings(world: World) -> list[Finding]:
    return list(ProbeKill().detect(world.scene()))


def rushed(name: str, held: float | Course = RUSH, **more: Course) -> World:
    return World().replica(name, requests_running=held, **more)


def kill(
    world: World, name: str, at: float = KILLED, kind: str = "probe", what: str = EVENT
) -> World:
    world.changes.append(Change(at, kind, identity.replica(name), what, ""))
    return world


def test_a_busy_and_working_pod_is_named_with_what_was_inside() -> None:
    (finding,) = findings(kill(rushed("a"), "a"))
    assert finding.entity == identity.replica("a")
    assert finding.severity is Severity.WARNING
    assert abs(finding.since - KILLED) <= 30.0
    assert finding.evidence[0].observed == 40.0


def test_two_pods_within_ten_minutes_wake_somebody() -> None:
    world = kill(kill(rushed("a"), "a"), "b", KILLED + 60.0)
    world.replica("b", requests_running=step(KILLED - 200.0, 10.0, 40.0))
    (finding,) = findings(world)
    assert finding.entity == identity.pool("chat")
    assert finding.severity is Severity.CRITICAL


def test_the_exit_code_of_a_restart_tells_it_too() -> None:
    why = "a restarted: vllm was killed (SIGTERM), as after a failed liveness probe"
    assert len(findings(kill(rushed("a"), "a", kind="restart", what=why))) == 1
    ended = "a restarted: vllm ended with exit code 1"
    assert findings(kill(rushed("a"), "a", kind="restart", what=ended)) == []


def test_a_stalled_engine_deserves_the_kill() -> None:
    still = during(KILLED - 120.0, NOW, 0.0, 40.0)
    assert findings(kill(rushed("a", engine_steps_per_second=still), "a")) == []


def test_a_pod_that_was_not_busy_an_old_kill_and_a_startup_probe_are_not_meant() -> None:
    assert findings(kill(rushed("a", held=10.0), "a")) == []
    assert findings(kill(rushed("a"), "a", at=NOW - 1200.0)) == []
    assert findings(kill(rushed("a"), "a", what=EVENT.replace("liveness", "startup"))) == []
