"""R16: nothing is scaled in while metrics are missing."""

import json
import shlex

from incident_scenes import World, incident_about

from remediations.freeze_autoscaler import FreezeAutoscaler
from vocabulary import failure_modes as f


def test_disables_scaling_down_and_says_how_many_there_are(world: World) -> None:
    world.series["pool_replicas_desired"] = [({"pool": "prod/chat"}, [5.0] * 15)]
    incident = incident_about(f.AUTOSCALER_STUCK, world.replicas[0].entity)
    action = FreezeAutoscaler().propose(incident, world.scene())
    assert action is not None
    words = shlex.split(action.command)
    assert words[:4] == ["kubectl", "patch", "hpa/chat", "--namespace=prod"]
    patch = json.loads(words[-1].removeprefix("--patch="))
    assert patch == {"spec": {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}}
    assert "3 replicas are seen, 3 of them work, 5 wanted" in action.precondition
    assert '"Max"' in action.undo
