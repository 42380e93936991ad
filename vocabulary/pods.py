"""Pods as Kubernetes tells them, reduced to what somebody here asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod: what was asked for, and how it fares."""

    name: str
    image: str = ""
    ports: tuple[tuple[str, int], ...] = ()
    """Declared TCP ports: name (may be empty) and number."""
    runtime_id: str = ""
    """Id at the container runtime, without its scheme; empty before it was created."""
    restarts: int = 0
    ended_because: str = ""
    """Why its last run ended: `OOMKilled`, `Error`, `Completed`; empty when none ended."""
    exit_code: int | None = None
    ended_at: float | None = None
    """When that was, Unix seconds."""
    command: tuple[str, ...] = ()
    """Command and arguments, as far as the pod says; what its image adds is not seen. They may hold
    secrets: they are matched against, and never shown or kept."""
    waiting: str = ""
    """Why it cannot be started: `ImagePullBackOff`, …; empty while nothing is wrong."""
    waiting_message: str = ""


@dataclass(frozen=True, slots=True)
class OfferedDevice:
    """A device that a resource driver offers to claims (DRA); what it does not say is empty."""

    kind: str = ""
    """`gpu`, `mig`, `vfio`."""
    uuid: str = ""
    """Empty for a MIG instance that is made only when it is claimed."""
    parent: str = ""
    """UUID of the GPU that a MIG instance is a part of."""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of this node."""

    namespace: str
    name: str
    uid: str
    host_uid: str = ""
    """The uid that paths of the host bear: a static pod's differs from the API's."""
    owner: str = ""
    """Deployment, StatefulSet or other workload it belongs to; empty when it stands alone."""
    phase: str = ""
    reason: str = ""
    """Why the whole pod failed: `Evicted`, `Preempting`, …"""
    message: str = ""
    ip: str = ""
    host_ips: tuple[str, ...] = ()
    host_network: bool = False
    disrupted: str = ""
    """Why somebody takes it away before its end: `PreemptionByScheduler`, `EvictionByEvictionAPI`
    (a drain), …; the pod's condition DisruptionTarget."""
    unschedulable: str = ""
    """Why no node takes it, in the scheduler's words; empty when one does."""
    asks_for_gpu: bool = False
    """A container asks for a GPU, or for a device by claim."""
    created: float = 0.0
    """Unix seconds; 0 where it is not known."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()

    @property
    def pool(self) -> str:
        """Id of the pool it serves in: `namespace/workload`, the pod's own name without one."""
        return f"{self.namespace}/{self.owner or self.name}"

    @property
    def ended(self) -> bool:
        """True once it will never run again."""
        return self.phase in {"Succeeded", "Failed"}
