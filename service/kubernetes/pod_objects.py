"""A pod as the Kubernetes API writes it → our Pod. Fields we do not ask for are let go."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from service.kubernetes.json_fields import (
    LONGEST,
    mapping,
    mappings,
    metadata,
    moment,
    text,
    texts,
    whole,
    words,
)
from vocabulary.pods import Container, Pod

CONFIG_HASH = "kubernetes.io/config.hash"
"""Annotation of a static pod: the uid that its node knows it by."""
GROUP_LABEL = "leaderworkerset.sigs.k8s.io/name"
OWNER_LABEL = "app.kubernetes.io/name"
STUCK = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
        "RegistryUnavailable", "CreateContainerConfigError", "CreateContainerError",
        "RunContainerError",
    }
)  # fmt: skip
"""Reasons of a container that waits for a person (kubelet sources); the others pass by themselves,
or follow an end that is told of."""
_MESSAGE = 300
_REPLICA_SET = re.compile(r"(.+)-[0-9a-z]{1,10}")
_GPU = re.compile(r"(nvidia\.com/(gpu|mig-).*|amd\.com/gpu.*|gpu\.intel\.com/.*)")


def pod_of(body: Mapping[str, Any]) -> Pod:
    """The pod in *body*.

    Raises:
        ValueError: It names no pod.
    """
    meta, spec, status = (mapping(body.get(key)) for key in ("metadata", "spec", "status"))
    annotations, labels = texts(meta.get("annotations")), texts(meta.get("labels"))
    namespace, name, uid = metadata(body)
    if not namespace:
        raise ValueError("an object without namespace is no pod")
    disrupted, _ = _condition(status, "DisruptionTarget", "True")
    waits, why = _condition(status, "PodScheduled", "False")
    return Pod(
        namespace,
        name,
        uid,
        host_uid=annotations.get(CONFIG_HASH) or uid,
        owner=_owner(meta, labels),
        phase=text(status.get("phase")),
        reason=text(status.get("reason")),
        message=str(status.get("message") or "")[:_MESSAGE],
        created=moment(meta.get("creationTimestamp")) or 0.0,
        ip=text(status.get("podIP")),
        host_ips=_host_ips(status),
        host_network=bool(spec.get("hostNetwork")),
        disrupted=disrupted,
        unschedulable=why if waits == "Unschedulable" else "",
        asks_for_gpu=asks_for_gpu(spec),
        labels=labels,
        annotations=annotations,
        containers=tuple(_containers(spec, status)),
    )


def _owner(meta: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The Deployment behind a ReplicaSet, whose name ends in a hash; else the owner itself. Pods
    of a LeaderWorkerSet belong to StatefulSets of its groups: it is named by their label.
    """  # noqa: D205 - one sentence does not hold it
    if labels.get(GROUP_LABEL):
        return labels[GROUP_LABEL][:LONGEST]
    owners = [one for one in mappings(meta.get("ownerReferences")) if one.get("controller", True)]
    if not owners or owners[0].get("kind") == "Node":  # a static pod's owner is its node
        return labels.get(OWNER_LABEL, "")
    name = text(owners[0].get("name"))
    template = labels.get("pod-template-hash", "")
    if owners[0].get("kind") != "ReplicaSet":
        return name
    if template and name.endswith(f"-{template}"):
        return name.removesuffix(f"-{template}")
    found = _REPLICA_SET.fullmatch(name)
    return found[1] if found else name


def _host_ips(status: Mapping[str, Any]) -> tuple[str, ...]:
    several = [text(one.get("ip")) for one in mappings(status.get("hostIPs"))]
    return tuple(ip for ip in dict.fromkeys([text(status.get("hostIP")), *several]) if ip)


def _condition(status: Mapping[str, Any], kind: str, holds: str) -> tuple[str, str]:
    """Reason and message of the condition of that kind, where its status is *holds*."""
    for one in mappings(status.get("conditions")):
        if one.get("type") == kind and one.get("status") == holds:
            return text(one.get("reason")), text(one.get("message"), _MESSAGE)
    return "", ""


def asks_for_gpu(spec: Mapping[str, Any]) -> bool:
    """Whether a pod of this specification asks for a GPU, or for a device by claim."""
    if spec.get("resourceClaims"):
        return True
    for one in mappings(spec.get("containers")):
        resources = mapping(one.get("resources"))
        limits = {**mapping(resources.get("requests")), **mapping(resources.get("limits"))}
        if any(_GPU.fullmatch(str(name)) for name in limits):
            return True
    return False


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Container]:
    """The spec's containers; restartable init containers (sidecars) too."""
    fates = {
        text(one.get("name")): one
        for key in ("initContainerStatuses", "containerStatuses")
        for one in mappings(status.get(key))
    }
    sidecars = [
        one for one in mappings(spec.get("initContainers")) if one.get("restartPolicy") == "Always"
    ]
    for one in [*mappings(spec.get("containers")), *sidecars]:
        name = text(one.get("name"))
        fate = mapping(fates.get(name))
        ended = _ended(fate)
        waiting = mapping(mapping(fate.get("state")).get("waiting"))
        stuck = text(waiting.get("reason")) in STUCK
        yield Container(
            name,
            image=str(one.get("image") or "")[:512],
            ports=tuple(_ports(one)),
            runtime_id=str(fate.get("containerID") or "")[:LONGEST].rpartition("//")[2],
            restarts=whole(fate.get("restartCount")) or 0,
            ended_because=text(ended.get("reason")),
            exit_code=whole(ended.get("exitCode")),
            ended_at=moment(ended.get("finishedAt")),
            command=(*words(one.get("command")), *words(one.get("args"))),
            waiting=text(waiting.get("reason")) if stuck else "",
            waiting_message=text(waiting.get("message"), _MESSAGE) if stuck else "",
        )


def _ended(fate: Mapping[str, Any]) -> Mapping[str, Any]:
    """The end of the run under way, if it has ended, else of the one before it."""
    now = mapping(mapping(fate.get("state")).get("terminated"))
    return now or mapping(mapping(fate.get("lastState")).get("terminated"))


def _ports(container: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    for one in mappings(container.get("ports")):
        number = whole(one.get("containerPort"))
        if number is not None and one.get("protocol", "TCP") == "TCP":
            yield text(one.get("name")), number
