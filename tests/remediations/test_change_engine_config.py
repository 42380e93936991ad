"""R17: fewer sequences at once."""

from dataclasses import replace

from incident_scenes import World, incident_about

from remediations.change_engine_config import ChangeEngineConfig
from vocabulary import failure_modes as f


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
