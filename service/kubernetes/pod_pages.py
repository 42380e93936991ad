"""Pods that say where their metrics are → targets, each with the identity Kubernetes gave it.

A pod's owner may write what he likes into it, so nothing in it may aim the agent elsewhere: only
the pod's own address is asked, on a port above 1023 that the pod declares.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from fleet.identity import pod_labels
from vocabulary.contracts import Target
from vocabulary.pods import Container, Pod
from vocabulary.samples import Labels, labels_of

ANNOTATIONS = "prometheus.io/"
"""The custom of Prometheus' example configuration: scrape, port, path, scheme."""
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
        scheme, path = _told(pod, "scheme", "http"), _told(pod, "path", "/metrics")
        if not why and (scheme not in {"http", "https"} or not _PATH.fullmatch(path)):
            why = "its annotations give no plain path, or another scheme than http and https"
        if why:
            refused.append((f"{pod.namespace}/{pod.name}", why))
            continue
        shown = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        expected = pod.asks_for_gpu or _selected(pod, rules)
        for container, port in doors:
            url = f"{scheme}://{shown}:{port}{path}"
            targets.append(Target(url, _identity(pod, container, rules), expected=expected))
    return Found(tuple(targets), tuple(refused))


def _offers(pod: Pod, rules: PodRules) -> bool:
    scrape = _told(pod, "scrape", "").lower()
    if scrape == "false":
        return False
    named = any(name in PORT_NAMES for one in pod.containers for name, _ in one.ports)
    return scrape == "true" or named or _selected(pod, rules)


def _selected(pod: Pod, rules: PodRules) -> bool:
    wanted = (one.partition("=") for one in rules.labels)
    return any(pod.labels.get(key) == value for key, _, value in wanted)


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


def _doors(pod: Pod, rules: PodRules) -> tuple[tuple[Container, int], ...]:
    """Containers and ports to read: the annotated port, else those named so, else the only one."""
    declared = [
        (one, name, port)
        for one in pod.containers
        for name, port in one.ports
        if port >= _LOWEST_PORT
    ]
    wanted = _told(pod, "port", "")
    if wanted:
        return tuple((one, port) for one, _, port in declared if str(port) == wanted)[:1]
    named = tuple((one, port) for one, name, port in declared if name in PORT_NAMES)
    if named:
        return named
    first = _selected(pod, rules) or len({port for _, _, port in declared}) == 1
    return tuple((one, port) for one, _, port in declared)[:1] if first else ()


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
    return pod.annotations.get(ANNOTATIONS + key, default)
