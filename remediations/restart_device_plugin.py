"""R14: start the device plugin or the exporter of one node anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene

_PLUGIN = "app=nvidia-device-plugin-daemonset"
_EXPORTER = "app=nvidia-dcgm-exporter"


@dataclass(frozen=True, slots=True)
class RestartDevicePlugin(Remediation):
    """Delete the one pod of the DaemonSet that runs there; running pods keep their GPUs."""

    card: ClassVar[str] = "R14"
    answers: ClassVar[tuple[FailureMode, ...]] = (
        f.DEVICE_PLUGIN_BROKEN,
        f.STICKY_GPU_TELEMETRY,
        f.CONTAINER_LOST_GPU,
    )
    order: ClassVar[int] = 10
    order_for: ClassVar[Mapping[FailureMode, int]] = {f.CONTAINER_LOST_GPU: 40}

    namespace: str = "gpu-operator"
    """Where NVIDIA's GPU Operator installs its DaemonSets; its labels are used too."""
    minutes: int = 5
    """How long it takes until the node offers its GPUs again; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the node is known."""
        node = _fleet.node_of(incident, scene)
        if not node:
            return None
        known = _fleet.register(scene)
        exporter = incident.failure_mode is f.STICKY_GPU_TELEMETRY
        what = "exporter" if exporter else "device plugin"
        there = known.by_node.get(node, [])
        gpus = sum(gpu.node == node for gpu in known.gpus.values())
        command = " ".join(
            (
                "kubectl delete pod",
                _shell.flag("namespace", self.namespace),
                _shell.flag("selector", _EXPORTER if exporter else _PLUGIN),
                _shell.flag("field-selector", f"spec.nodeName={node}"),
            )
        )
        blind = "its GPU metrics are missing" if exporter else "no pod with a GPU is placed there"
        return _fleet.action(
            incident,
            self.card,
            f"Restart the {what} on {node}",
            Autonomy.ONE_CLICK,
            precondition=f"the {len(_fleet.working(there))} working replicas on it go on; "
            f"{gpus} GPUs are seen there; NVIDIA's GPU Operator runs in {self.namespace}",
            met=None,
            command=command,
            dry_run=f"{command} --dry-run=server",
            verify=f"within {self.minutes} min: "
            + (
                f"the metrics of {gpus} GPUs move again"
                if exporter
                else f"kubectl describe {_shell.named('node', node)} shows as many nvidia.com/gpu "
                "allocatable as it has"
            ),
            undo="None is needed: the DaemonSet starts another pod.",
            risk=f"For about a minute {blind}.",
        )
