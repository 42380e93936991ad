"""R17: the one setting that eases each trouble."""

import json
import shlex
from dataclasses import replace

import pytest
from incident_scenes import World, incident_about

from remediations.change_engine_config import ChangeEngineConfig
from vocabulary import failure_modes as f
from vocabulary.failure_modes import FailureMode


def test_goes_below_the_batch_that_ran_over(world: World) -> None:
    incident = incident_about(f.KV_EXHAUSTION, world.replicas[0].entity)
    action = ChangeEngineConfig().propose(incident, world.scene())
    assert action is not None
    assert "--max-num-seqs=96" in action.command
    assert action.dry_run.endswith("--dry-run=server --output=yaml | kubectl diff --filename=-")


def test_knows_the_flag_of_vllm_alone(world: World) -> None:
    world.replicas[0] = replace(world.replicas[0], engine="llamacpp")
    incident = incident_about(f.KV_EXHAUSTION, world.replicas[0].entity)
    assert ChangeEngineConfig().propose(incident, world.scene()) is None


@pytest.mark.parametrize(
    ("mode", "path", "value"),
    [
        (f.FRONT_END_BOUND, "containers/0/args/-", "--api-server-count=4"),
        (f.PREFILL_INTERFERENCE, "containers/0/args/-", "--max-num-batched-tokens=2048"),
        (f.LORA_THRASH, "containers/0/args/-", "--max-loras=8"),
        (f.SPECULATION_DECAY, "containers/0/args/-", "--speculative-config=None"),
        (f.STREAMS_CUT, "terminationGracePeriodSeconds", 600),
        (f.PROBE_KILL, "containers/0/livenessProbe/timeoutSeconds", 15),
    ],
    ids=str,
)
def test_each_trouble_has_its_own_setting(
    world: World, mode: FailureMode, path: str, value: object
) -> None:
    incident = incident_about(mode, world.replicas[0].entity)
    action = ChangeEngineConfig().propose(incident, world.scene())
    assert action is not None
    first, *_ = json.loads(shlex.split(action.command)[-1].removeprefix("--patch="))
    assert first == {"op": "add", "path": f"/spec/template/spec/{path}", "value": value}
    assert "All 3 replicas" in action.risk


def test_a_batch_that_is_not_known_is_not_guessed(world: World) -> None:
    del world.series["requests_running"]
    incident = incident_about(f.KV_EXHAUSTION, world.replicas[0].entity)
    assert ChangeEngineConfig().propose(incident, world.scene()) is None
