"""Pods that say where their metrics are → targets, each with the identity Kubernetes gave it.

They say it by annotation (Prometheus' custom, KServe's), by the name of a port, by a label or an
annotation that the configuration lists, or by the command line of a model server we know.

A pod's owner may write what he likes into it, so nothing in it may aim the agent elsewhere: only
the pod's own address is asked, on a port above 1023 that the pod declares or its server's command
line names.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from fleet.identity import pod_labels
from service.kubernetes.engine_commands import engine_of, metrics_port
from vocabulary.contracts import Target
from vocabulary.pods import Container, Pod
from vocabulary.samples import Labels, labels_of

ANNOTATIONS = "prometheus.io/"
"""The custom of Prometheus' example configuration: scrape, port, path, scheme."""
KSERVE = "prometheus.kserve.io/"
"""What KServe's serving runtimes say of a model server's page: port and path."""
KSERVE_SCRAPE = "serving.kserve.io/enable-prometheus-scraping"
"""What somebody who deploys an InferenceService sets so that it is read."""
PORT_NAMES = ("metrics", "http-metrics")
_PATH = re.compile(r"/[\w\-./]*", re.ASCII)
_LOWEST_PORT = 1024
_TAG = re.compile(r":([\w][\w.\-]{0,127})$")


@dataclass(frozen=True, slots=True)
class PodRules:
    """Which pods are read, and who they are."""

    cluster: str
    node: str
    labels: tuple[str, ...] = ()
    """`key=value` labels of pods to read that say nothing of it themselves."""
    host_network: bool = False
    """Read pods in the node's own network too."""
    annotations: tuple[str, ...] = ()
    """`key=value` annotations, or keys alone, of pods to read."""
    port_names: tuple[str, ...] = PORT_NAMES
    """Names of ports whose pods are read."""
    commands: bool = True
    """Read pods whose command line starts a server we know."""
    look_inside: bool = False
    """Read every declared port of a pod with a GPU that nothing else shows: once, to see."""


@dataclass(frozen=True, slots=True)
class Door:
    """A container's port to be read, and where on it the page is."""

    container: Container
    port: int
    path: str = "/metrics"


@dataclass(frozen=True, slots=True)
class Found:
    """What the pods of a node offer."""

    targets: tuple[Target, ...]
    refused: tuple[tuple[str, str], ...] = ()
    """namespace/name of pods that ask to be read, and why they are not."""


def find_pages(pods: Iterable[Pod], rules: PodRules) -> Found:
    """Targets of the running ones among *pods*, by namespace and name."""
    targets: list[Target] = []
    refused: list[tuple[str, str]] = []
    for pod in sorted(pods, key=lambda one: (one.namespace, one.name)):
        if pod.phase not in {"Running", ""} or not _offers(pod, rules):
            continue
        why = _address_trouble(pod, rules)
        doors = () if why else _doors(pod, rules)
        if not why and not doors:
            why = f"it declares no port above {_LOWEST_PORT - 1} that it says to read"
        scheme = _told(pod, "scheme", "http")
        plain = all(_PATH.fullmatch(one.path) for one in doors)
        if not why and (scheme not in {"http", "https"} or not plain):
            why = "its annotations give no plain path, or another scheme than http and https"
        if why:
            refused.append((f"{pod.namespace}/{pod.name}", why))
            continue
        targets.extend(_targets(pod, doors, scheme, rules))
    return Found(tuple(targets), tuple(refused))


def _targets(pod: Pod, doors: Iterable[Door], scheme: str, rules: PodRules) -> Iterable[Target]:
    """A page is expected of a pod that says so and may well have one; else it is a guess."""
    shown = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
    says = _says(pod, rules)
    for door in doors:
        engine = says or (rules.commands and engine_of(door.container) is not None)
        expected = _selected(pod, rules) or (pod.asks_for_gpu and engine)
        url = f"{scheme}://{shown}:{door.port}{door.path}"
        yield Target(url, _identity(pod, door.container, rules), expected=expected)


def _offers(pod: Pod, rules: PodRules) -> bool:
    if _told(pod, "scrape", "").lower() == "false":
        return False
    if _says(pod, rules) or _selected(pod, rules):
        return True
    return _by_command(pod, rules) != () or (rules.look_inside and pod.asks_for_gpu)


def _says(pod: Pod, rules: PodRules) -> bool:
    """Whether the pod itself says that it has a page."""
    asked = (_told(pod, "scrape", ""), pod.annotations.get(KSERVE_SCRAPE, ""))
    named = any(name in rules.port_names for one in pod.containers for name, _ in one.ports)
    return named or any(one.lower() == "true" for one in asked)


def _selected(pod: Pod, rules: PodRules) -> bool:
    labels = (one.partition("=") for one in rules.labels)
    annotations = (one.partition("=") for one in rules.annotations)
    return any(pod.labels.get(key) == value for key, _, value in labels) or any(
        key in pod.annotations and (not equals or pod.annotations[key] == value)
        for key, equals, value in annotations
    )


def _by_command(pod: Pod, rules: PodRules) -> tuple[Door, ...]:
    """The pages of servers that its command lines start."""
    if not rules.commands:
        return ()
    found = []
    for one in pod.containers:
        engine = engine_of(one)
        port = metrics_port(engine, one) if engine is not None else None
        if engine is not None and port is not None:
            found.append(Door(one, port, engine.path))
    return tuple(found)


def _address_trouble(pod: Pod, rules: PodRules) -> str:
    try:
        address = ip_address(pod.ip)
    except ValueError:
        return "it has no address yet"
    on_node = pod.host_network or pod.ip in pod.host_ips
    if on_node and not rules.host_network:
        return "it lives in its node's network; set pods_on_host_network to read it"
    if address.is_loopback or address.is_link_local or address.is_multicast:
        return f"its address {pod.ip} is no pod's"
    if address.is_unspecified or address.is_reserved:
        return f"its address {pod.ip} is no pod's"
    return ""


def _doors(pod: Pod, rules: PodRules) -> tuple[Door, ...]:
    """The annotated port, else those named so, else where a server we know has its page, else the
    only one there is; every one where we are to look inside.
    """  # noqa: D205 - one sentence does not hold it
    path = _told(pod, "path", "")
    declared = [
        (Door(one, port, path or _usual_path(one, rules)), name)
        for one in pod.containers
        for name, port in one.ports
        if port >= _LOWEST_PORT
    ]
    wanted = _told(pod, "port", "")
    if wanted:
        return tuple(door for door, _ in declared if str(door.port) == wanted)[:1]
    named = tuple(door for door, name in declared if name in rules.port_names)
    if named:
        return named
    if known := _by_command(pod, rules):
        return tuple(replace(one, path=path) for one in known) if path else known
    first = _selected(pod, rules) or len({door.port for door, _ in declared}) == 1
    several = rules.look_inside and not _says(pod, rules) and not _selected(pod, rules)
    if several:
        return tuple(door for door, _ in declared)
    return tuple(door for door, _ in declared)[:1] if first else ()


def _usual_path(container: Container, rules: PodRules) -> str:
    engine = engine_of(container) if rules.commands else None
    return engine.path if engine is not None else "/metrics"


def _identity(pod: Pod, container: Container, rules: PodRules) -> Labels:
    """Without a GPU it may be a gateway before several pools; which one it is, the page tells."""
    own = {"node": rules.node, "version": _version(container.image)}
    labels = {**own, **pod_labels(pod, container.name, rules.cluster)}
    if not pod.asks_for_gpu:
        del labels["pool"]
    return labels_of(labels)


def _version(image: str) -> str:
    """The image's tag; of one named by digest alone, the digest's first twelve digits."""
    name, _, digest = image.partition("@")
    tag = _TAG.search(name)
    return tag[1] if tag else digest.removeprefix("sha256:")[:12]


def _told(pod: Pod, key: str, default: str) -> str:
    """What the pod's annotations say, Prometheus' before KServe's."""
    for prefix in (ANNOTATIONS, KSERVE):
        if prefix + key in pod.annotations:
            return pod.annotations[prefix + key]
    return default
