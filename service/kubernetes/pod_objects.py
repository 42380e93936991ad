"""A pod as the Kubernetes API writes it → our Pod. Fields we do not ask for are let go."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from vocabulary.pods import Container, Pod

CONFIG_HASH = "kubernetes.io/config.hash"
"""Annotation of a static pod: the uid that its node knows it by."""
OWNER_LABEL = "app.kubernetes.io/name"
_LONGEST = 253
_MESSAGE = 300
_REPLICA_SET = re.compile(r"(.+)-[0-9a-z]{1,10}")
_GPU = re.compile(r"(nvidia\.com/(gpu|mig-).*|amd\.com/gpu.*|gpu\.intel\.com/.*)")


def pod_of(body: Mapping[str, Any]) -> Pod:
    """The pod in *body*.

    Raises:
        ValueError: It names no pod.
    """
    meta, spec, status = (_dict(body.get(key)) for key in ("metadata", "spec", "status"))
    annotations, labels = _texts(meta.get("annotations")), _texts(meta.get("labels"))
    namespace, name, uid = (_text(meta.get(key)) for key in ("namespace", "name", "uid"))
    if not (namespace and name and uid):
        raise ValueError("an object without namespace, name or uid is no pod")
    return Pod(
        namespace,
        name,
        uid,
        host_uid=annotations.get(CONFIG_HASH) or uid,
        owner=_owner(meta, labels),
        phase=_text(status.get("phase")),
        reason=_text(status.get("reason")),
        message=str(status.get("message") or "")[:_MESSAGE],
        ip=_text(status.get("podIP")),
        host_ips=_host_ips(status),
        host_network=bool(spec.get("hostNetwork")),
        asks_for_gpu=_asks_for_gpu(spec),
        labels=labels,
        annotations=annotations,
        containers=tuple(_containers(spec, status)),
    )


def _owner(meta: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The Deployment behind a ReplicaSet, whose name ends in a hash; else the owner itself."""
    owners = [one for one in _dicts(meta.get("ownerReferences")) if one.get("controller", True)]
    if not owners or owners[0].get("kind") == "Node":  # a static pod's owner is its node
        return labels.get(OWNER_LABEL, "")
    name = _text(owners[0].get("name"))
    template = labels.get("pod-template-hash", "")
    if owners[0].get("kind") != "ReplicaSet":
        return name
    if template and name.endswith(f"-{template}"):
        return name.removesuffix(f"-{template}")
    found = _REPLICA_SET.fullmatch(name)
    return found[1] if found else name


def _host_ips(status: Mapping[str, Any]) -> tuple[str, ...]:
    several = [_text(one.get("ip")) for one in _dicts(status.get("hostIPs"))]
    return tuple(ip for ip in dict.fromkeys([_text(status.get("hostIP")), *several]) if ip)


def _asks_for_gpu(spec: Mapping[str, Any]) -> bool:
    if spec.get("resourceClaims"):
        return True
    for one in _dicts(spec.get("containers")):
        resources = _dict(one.get("resources"))
        limits = {**_dict(resources.get("requests")), **_dict(resources.get("limits"))}
        if any(_GPU.fullmatch(str(name)) for name in limits):
            return True
    return False


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Container]:
    """The spec's containers; restartable init containers (sidecars) too."""
    fates = {
        _text(one.get("name")): one
        for key in ("initContainerStatuses", "containerStatuses")
        for one in _dicts(status.get(key))
    }
    sidecars = [
        one for one in _dicts(spec.get("initContainers")) if one.get("restartPolicy") == "Always"
    ]
    for one in [*_dicts(spec.get("containers")), *sidecars]:
        name = _text(one.get("name"))
        fate = _dict(fates.get(name))
        ended = _ended(fate)
        yield Container(
            name,
            image=str(one.get("image") or "")[:512],
            ports=tuple(_ports(one)),
            runtime_id=str(fate.get("containerID") or "")[:_LONGEST].rpartition("//")[2],
            restarts=_whole(fate.get("restartCount")) or 0,
            ended_because=_text(ended.get("reason")),
            exit_code=_whole(ended.get("exitCode")),
            ended_at=_moment(ended.get("finishedAt")),
        )


def _ended(fate: Mapping[str, Any]) -> Mapping[str, Any]:
    """The end of the run under way, if it has ended, else of the one before it."""
    now = _dict(_dict(fate.get("state")).get("terminated"))
    return now or _dict(_dict(fate.get("lastState")).get("terminated"))


def _ports(container: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    for one in _dicts(container.get("ports")):
        number = _whole(one.get("containerPort"))
        if number is not None and one.get("protocol", "TCP") == "TCP":
            yield _text(one.get("name")), number


def _moment(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value else None
    except ValueError:
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(text)[:1024] for name, text in _dict(value).items()}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
