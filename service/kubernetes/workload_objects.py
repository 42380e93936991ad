"""A Deployment, StatefulSet or LeaderWorkerSet → what a rollout of it may change. No value leaves.

Environment values and the arguments that may be secrets become fingerprints, salted with the
object's uid: two looks can be compared and nothing can be read back; whoever holds our database
could at most test a guess.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.kubernetes.engine_commands import engine_of
from service.kubernetes.json_fields import (
    mapping,
    mappings,
    metadata,
    text,
    texts,
    whole,
    words,
)
from service.kubernetes.pod_objects import asks_for_gpu
from vocabulary.pods import Container

HIDDEN = "(not shown) "
"""What stands for an argument that may be a secret; its fingerprint follows."""
_SENSITIVE = re.compile(
    r"key|token|secret|passw|passphrase|credential|auth|bearer|cookie|signature|private",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[\w./:,@+%\-\[\]{}\"=]{0,120}", re.ASCII)
_LOOKS_SECRET = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:sk-|hf_|gh[pousr]_|glpat-|xox[a-z]-|eyJ|AKIA|AIza|nvapi-)|://[^/]*@|"
    r"[A-Za-z0-9+_\-]{32,}"
)
"""Beginnings of well-known tokens, a URL with a user, a long word without a dot or slash."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload, reduced; every field is plain data, so that it survives a restart as JSON. Of
    one that serves no model nothing but its name is kept.
    """  # noqa: D205 - one sentence does not hold it

    kind: str
    namespace: str
    name: str
    uid: str
    serves: bool = False
    """Its pods serve models: they ask for a GPU, run a known server, or bear a wanted label."""
    replicas: int | None = None
    images: dict[str, str] = field(default_factory=dict)
    """Container → image."""
    arguments: dict[str, dict[str, str]] = field(default_factory=dict)
    """Container → flag → value, or a fingerprint of it."""
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """Container → variable → fingerprint of its value or of where that comes from."""
    resources: dict[str, dict[str, str]] = field(default_factory=dict)
    """Container → `limits.nvidia.com/gpu` → quantity."""
    config_maps: dict[str, str] = field(default_factory=dict)
    """Config maps that its pods name; the values are empty."""
    paused: bool = False
    restarted: str = ""
    """When somebody asked for a restart of all pods (`kubectl rollout restart`)."""
    template: str = ""
    """Fingerprint of all that its pods are made from."""

    @property
    def pool(self) -> str:
        """Id of the pool its pods serve in."""
        return f"{self.namespace}/{self.name}"


def workload_of(body: Mapping[str, Any], kind: str, labels: tuple[str, ...] = ()) -> Workload:
    """The workload in *body*; *labels* are `key=value` labels of pods that serve models.

    Raises:
        ValueError: It names none, or another workload that we follow controls it.
    """
    namespace, name, uid = metadata(body)
    meta, spec = mapping(body.get("metadata")), mapping(body.get("spec"))
    owners = mappings(meta.get("ownerReferences"))
    if any(one.get("kind") == "LeaderWorkerSet" for one in owners):
        raise ValueError("its LeaderWorkerSet is followed instead")
    templates = [mapping(one) for one in _templates(spec)]
    specs = [mapping(one.get("spec")) for one in templates]
    containers = [one for pod in specs for one in _containers(pod)]
    if not (
        any(map(asks_for_gpu, specs))
        or any(engine_of(_container(one)) is not None for one in containers)
        or any(_labelled(one, labels) for one in templates)
    ):
        return Workload(kind, namespace, name, uid)
    return Workload(
        kind,
        namespace,
        name,
        uid,
        serves=True,
        replicas=whole(spec.get("replicas")),
        images={text(one.get("name")): text(one.get("image"), 512) for one in containers},
        arguments={text(one.get("name")): _arguments(one, uid) for one in containers},
        environment={text(one.get("name")): _environment(one, uid) for one in containers},
        resources={text(one.get("name")): _resources(one) for one in containers},
        config_maps=dict.fromkeys(sorted(_config_maps(specs, containers)), ""),
        paused=spec.get("paused") is True,
        restarted=next(filter(None, map(_restarted, templates)), ""),
        template=fingerprint(uid, json.dumps(templates, sort_keys=True)),
    )


def _labelled(template: Mapping[str, Any], labels: tuple[str, ...]) -> bool:
    own = texts(mapping(template.get("metadata")).get("labels"))
    wanted = (one.partition("=") for one in labels)
    return any(own.get(key) == value for key, _, value in wanted)


def _templates(spec: Mapping[str, Any]) -> Iterable[Any]:
    """Pod templates: of a LeaderWorkerSet the leader's (if any) and the workers'."""
    group = mapping(spec.get("leaderWorkerTemplate"))
    both = (group.get("leaderTemplate"), group.get("workerTemplate"), spec.get("template"))
    return [one for one in both if one]


def _restarted(template: Mapping[str, Any]) -> str:
    annotations = texts(mapping(template.get("metadata")).get("annotations"))
    return annotations.get("kubectl.kubernetes.io/restartedAt", "")


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*mappings(pod.get("initContainers")), *mappings(pod.get("containers"))][:50]


def _container(body: Mapping[str, Any]) -> Container:
    line = (*words(body.get("command")), *words(body.get("args")))
    return Container(text(body.get("name")), text(body.get("image"), 512), command=line)


def _arguments(container: Mapping[str, Any], salt: str) -> dict[str, str]:
    """Flags and their values; words that are no flag's are numbered."""
    found: dict[str, str] = {}
    line = [*words(container.get("command")), *words(container.get("args"))]
    place = 0
    while place < len(line):
        word = line[place]
        place += 1
        name, equals, value = word.partition("=")
        if word.startswith("-") and re.fullmatch(r"--?[A-Za-z][\w.\-]*", name):
            if not equals and place < len(line) and not line[place].startswith("-"):
                value = line[place]
                place += 1
        else:
            name, value = f"word {len(found) + 1}", word
        while name in found:
            name += "'"
        found[name[:80]] = _shown(name, value, salt)
    return found


def _shown(name: str, value: str, salt: str) -> str:
    """*value* where it surely is no secret, else its fingerprint."""
    secret = (
        _SENSITIVE.search(name)
        or _SENSITIVE.search(value)
        or _LOOKS_SECRET.search(value)
        or not _PLAIN.fullmatch(value)
        or (name.startswith("word ") and "=" in value)  # NAME=VALUE before a command
    )
    return HIDDEN + fingerprint(salt, name, value) if secret else value


def _environment(container: Mapping[str, Any], salt: str) -> dict[str, str]:
    found = {}
    for one in mappings(container.get("env"))[:500]:
        name = text(one.get("name"), 128)
        source = json.dumps([one.get("value"), one.get("valueFrom")], sort_keys=True)
        found[name] = fingerprint(salt, name, source)
    for one in mappings(container.get("envFrom"))[:50]:
        for kind in ("configMapRef", "secretRef"):
            if referred := text(mapping(one.get(kind)).get("name")):
                found[f"all of {referred}"] = kind
    return found


def _resources(container: Mapping[str, Any]) -> dict[str, str]:
    resources = mapping(container.get("resources"))
    return {
        f"{part}.{name}": str(amount)[:40]
        for part in ("requests", "limits")
        for name, amount in mapping(resources.get(part)).items()
    }


def _config_maps(specs: list[dict[str, Any]], containers: list[dict[str, Any]]) -> Iterable[str]:
    """Names of config maps in volumes and in the environment."""
    found = set()
    for volume in (one for spec in specs for one in mappings(spec.get("volumes"))):
        found.add(text(mapping(volume.get("configMap")).get("name")))
        for source in mappings(mapping(volume.get("projected")).get("sources")):
            found.add(text(mapping(source.get("configMap")).get("name")))
    for container in containers:
        for one in mappings(container.get("envFrom")):
            found.add(text(mapping(one.get("configMapRef")).get("name")))
        for one in mappings(container.get("env")):
            source = mapping(mapping(one.get("valueFrom")).get("configMapKeyRef"))
            found.add(text(source.get("name")))
    return found - {""}


def fingerprint(*parts: str) -> str:
    """Eight digits that change when a part does, and from which no part can be read."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
