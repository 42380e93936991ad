"""R14: one pod of a DaemonSet, on one node."""

from incident_scenes import World, incident_about

from remediations.restart_device_plugin import RestartDevicePlugin
from vocabulary import failure_modes as f
from vocabulary.entities import Entity, EntityKind

NODE = Entity(EntityKind.NODE, "node-chat-0")


def test_deletes_the_plugin_of_that_node_alone(world: World) -> None:
    action = RestartDevicePlugin().propose(
        incident_about(f.DEVICE_PLUGIN_BROKEN, NODE), world.scene()
    )
    assert action is not None
    assert action.command == (
        "kubectl delete pod --namespace=gpu-operator"
        " --selector=app=nvidia-device-plugin-daemonset"
        " --field-selector=spec.nodeName=node-chat-0"
    )
    assert action.dry_run == f"{action.command} --dry-run=server"
    assert action.precondition.startswith("the 1 working replicas on it go on; 1 GPUs are seen")


def test_restarts_the_exporter_where_telemetry_sticks(world: World) -> None:
    action = RestartDevicePlugin().propose(
        incident_about(f.STICKY_GPU_TELEMETRY, NODE), world.scene()
    )
    assert action is not None
    assert "app=nvidia-dcgm-exporter" in action.command
