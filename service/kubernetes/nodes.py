"""GPU nodes: cordons, taints, upgrades, drivers and reboots, told from two looks at a node."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet import identity
from service.kubernetes.json_fields import mapping, mappings, metadata, text, texts, whole
from vocabulary import statements
from vocabulary.entities import Change

_DRIVER_FULL = "nvidia.com/cuda.driver-version.full"
_DRIVER_PARTS = tuple(f"nvidia.com/cuda.driver-version.{p}" for p in ("major", "minor", "revision"))
_OLD_DRIVER_PARTS = tuple(f"nvidia.com/cuda.driver.{part}" for part in ("major", "minor", "rev"))
"""Labels of NVIDIA's GPU feature discovery, by their names since 0.15 and before."""
_BY_ITSELF = "node.kubernetes.io/"
"""Taints that Kubernetes sets when a node is ill or cordoned: told as its condition or cordon."""
_GPUS = ("nvidia.com/gpu", "nvidia.com/mig-", "amd.com/gpu", "gpu.intel.com/")
_VERSIONS = (
    ("kubelet", "kubeletVersion"), ("kernel", "kernelVersion"), ("system", "osImage"),
    ("runtime", "containerRuntimeVersion"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """One node, reduced to plain data."""

    name: str
    gpus: bool = False
    """It has GPUs, or says so by label."""
    cordoned: bool = False
    taints: dict[str, str] = field(default_factory=dict)
    """`key:effect` of those that somebody set; values are left out."""
    versions: dict[str, str] = field(default_factory=dict)
    driver: str = ""
    boot: str = ""
    """Id of this boot: another one is a reboot."""
    ready: str = ""
    """`True`, `False` or `Unknown`."""
    why: str = ""
    """Reason of that."""
    gpus_there: int = 0
    """Devices its plugins have registered, ill ones included."""
    gpus_offered: int = 0
    """Devices that pods can be given."""

    @property
    def short(self) -> bool:
        """Whether it offers less than it has."""
        return self.gpus_offered < self.gpus_there


def node_of(body: Mapping[str, Any]) -> Node:
    """The node in *body*.

    Raises:
        ValueError: It names none.
    """
    _, name, _ = metadata(body)
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    labels = texts(mapping(body.get("metadata")).get("labels"))
    info = mapping(status.get("nodeInfo"))
    ready = next(
        (one for one in mappings(status.get("conditions")) if one.get("type") == "Ready"), {}
    )
    return Node(
        name,
        gpus=labels.get("nvidia.com/gpu.present") == "true"
        or any(str(key).startswith(_GPUS) for key in mapping(status.get("capacity"))),
        cordoned=spec.get("unschedulable") is True,
        taints={
            f"{text(one.get('key'))}:{text(one.get('effect'))}": ""
            for one in mappings(spec.get("taints"))[:50]
            if not text(one.get("key")).startswith(_BY_ITSELF)
        },
        versions={name: text(info.get(key)) for name, key in _VERSIONS},
        driver=_driver(labels),
        boot=text(info.get("bootID")),
        ready=text(ready.get("status")),
        why=text(ready.get("reason")),
        gpus_there=_devices(status.get("capacity")),
        gpus_offered=_devices(status.get("allocatable", status.get("capacity"))),
    )


def changes_between(before: Node | None, after: Node | None, now: float) -> Iterator[Change]:
    """What was done to a node with GPUs, and whether it is well."""
    one = after or before
    if one is None or not (one.gpus or (before is not None and before.gpus)):
        return
    for kind, what in _statements(before, after):
        yield Change(now, kind, identity.node(one.name), what)


def _statements(before: Node | None, after: Node | None) -> Iterator[tuple[str, str]]:
    if before is None and after is not None:
        yield "node", f"{after.name} {statements.JOINED}"
        return
    if before is not None and after is None:
        yield "node", f"{before.name} {statements.LEFT}"
        return
    assert before is not None
    assert after is not None
    if before.cordoned != after.cordoned:
        cordon = statements.CORDONED if after.cordoned else statements.UNCORDONED
        yield "node", f"{after.name} {cordon}"
    taints = [f"+{one}" for one in sorted(after.taints.keys() - before.taints.keys())]
    taints += [f"-{one}" for one in sorted(before.taints.keys() - after.taints.keys())]
    if taints:
        yield "node", f"taints of {after.name}: {', '.join(taints[:6])}"
    for name, version in after.versions.items():
        old = before.versions.get(name, "")
        if old and version and old != version:
            yield "node", f"{name} of {after.name} {old} → {version}"
    if before.driver and after.driver and before.driver != after.driver:
        yield "driver", driver_words(before.driver, after.driver)
    if before.boot and after.boot and before.boot != after.boot:
        yield "restart", f"{after.name} rebooted"
    if before.ready != after.ready and before.ready and after.ready:
        ill = f"{statements.NOT_READY} ({after.why})"
        yield "health", f"{after.name} {statements.READY if after.ready == 'True' else ill}"
    if before.gpus_offered != after.gpus_offered and (before.short or after.short):
        # a plugin that is gone for five minutes takes its devices out of the capacity too
        there = max(before.gpus_there, after.gpus_there)
        offer = f"{statements.OFFERS} {after.gpus_offered} of its {there} GPUs"
        yield "health", f"{after.name} {offer}"


def driver_words(old: str, new: str) -> str:
    """A change of driver in the same words, whoever sees it: a node's label, or NVML."""
    return f"GPU driver {old} → {new}"


def _devices(resources: Any) -> int:
    counted = mapping(resources).items()
    return sum(_count(value) for name, value in counted if str(name).startswith(_GPUS))


def _count(value: Any) -> int:
    """Extended resources are whole numbers, which the API writes as strings."""
    return int(value) if isinstance(value, str) and value.isdecimal() else whole(value) or 0


def _driver(labels: Mapping[str, str]) -> str:
    if _DRIVER_FULL in labels:
        return labels[_DRIVER_FULL]
    for names in (_DRIVER_PARTS, _OLD_DRIVER_PARTS):
        parts = [labels[name] for name in names if labels.get(name)]
        if parts:
            return ".".join(parts)
    return ""
