"""Entity ids: how they are built, and what can be read back from them.

A replica's id never means another process: `cluster/namespace/pod-uid/container` where Kubernetes
names it, `static/HOST:PORT` where a person did. GPUs are known by uuid.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from vocabulary.entities import Entity, EntityKind
from vocabulary.pods import Pod

STATIC = "static"
_LONGEST = 253
"""Longest id kept: the limit of a Kubernetes name, generous for a host and port."""


@dataclass(frozen=True, slots=True)
class PodReplica:
    """A replica id taken apart."""

    cluster: str
    namespace: str
    pod_uid: str
    container: str


def pod_replica_id(cluster: str, namespace: str, pod_uid: str, container: str) -> str:
    """`cluster/namespace/pod-uid/container`; slashes inside a part would forge another's id."""
    return "/".join(_part(one) for one in (cluster, namespace, pod_uid, container))


def pod_labels(pod: Pod, container: str, cluster: str) -> dict[str, str]:
    """Identity of one container, as labels."""
    return {
        "cluster": cluster,
        "namespace": pod.namespace,
        "pod": pod.name,
        "pool": pod.pool,
        "replica": pod_replica_id(cluster, pod.namespace, pod.uid, container),
    }


def static_replica_id(url: str) -> str:
    """`static/HOST:PORT` of a page's URL; the port of the scheme where the URL names none."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    return f"{STATIC}/{shown}:{port}"


def parse_replica_id(replica_id: str) -> PodReplica | None:
    """The parts of a pod's replica id; None for a static one and for anything else."""
    parts = replica_id.split("/")
    if len(parts) != 4 or not all(parts):
        return None
    return PodReplica(*parts)


def replica(replica_id: str, name: str = "") -> Entity:
    """A replica; named by *name*, else by the last telling part of its id."""
    return Entity(EntityKind.REPLICA, replica_id, name or _short(replica_id))


def pool(name: str) -> Entity:
    """The replicas behind one route."""
    return Entity(EntityKind.POOL, name)


def gpu(uuid: str, name: str = "") -> Entity:
    """A GPU or MIG device."""
    return Entity(EntityKind.GPU, uuid, name)


def tenant(name: str) -> Entity:
    """Who is charged."""
    return Entity(EntityKind.TENANT, name)


def node(name: str) -> Entity:
    """A machine."""
    return Entity(EntityKind.NODE, name)


def target(url: str) -> Entity:
    """A page that is read."""
    return Entity(EntityKind.TARGET, url)


def route(model: str) -> Entity:
    """A model as a gateway offers it."""
    return Entity(EntityKind.ROUTE, model)


def _short(replica_id: str) -> str:
    kind, _, rest = replica_id.partition("/")
    return rest if kind == STATIC else ""


def _part(text: str) -> str:
    return text.replace("/", "_")[:_LONGEST] or "_"
