"""Devices that resource drivers offer to claims, out of this node's ResourceSlices (DRA).

They are asked for only when the kubelet names a device that is not known yet, so that a node
without claims never asks.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from service.kubernetes.api_server import ApiServer, NotServed, Resource
from service.kubernetes.json_fields import mapping, mappings, text, whole
from vocabulary.errors import SourceError
from vocabulary.pods import OfferedDevice

log = structlog.get_logger(__name__)
VERSIONS = ("v1", "v1beta2", "v1beta1")
"""Of resource.k8s.io, newest first; Kubernetes 1.34, 1.33 and 1.32 began to serve them."""
_Key = tuple[str, str, str]


def slices_of(node: str) -> Resource:
    """ResourceSlices of *node*."""
    return Resource(
        tuple(f"/apis/resource.k8s.io/{version}/resourceslices" for version in VERSIONS),
        f"spec.nodeName={node}",
        "the agent's",
        "agent.readResourceSlices",
    )


@dataclass(slots=True)
class ResourceSlices:
    """What is offered on one node, by driver, pool and device name."""

    api: ApiServer
    node: str
    least_seconds: float = 30.0
    """Between two questions to the API, however much is missing."""
    most_seconds: float = 300.0
    """After which what is known is asked again: a new MIG layout may keep names."""
    monotonic: Callable[[], float] = time.monotonic
    trouble: str = ""
    """Why they could not be read last; empty while they can."""
    _devices: Mapping[_Key, OfferedDevice] = field(default_factory=dict)
    _asked: float | None = None

    def find(self, driver: str, pool: str, device: str) -> OfferedDevice | None:
        """The device of that name; None while nothing is known of it."""
        key = (driver, pool, device)
        age = float("inf") if self._asked is None else self.monotonic() - self._asked
        patience = self.most_seconds if key in self._devices else self.least_seconds
        if age >= patience:
            self._asked = self.monotonic()
            try:
                self.read()
            except SourceError as error:
                if self.trouble != str(error):
                    log.warning("resource claims cannot be told apart", why=str(error))
                self.trouble = str(error)
        return self._devices.get(key)

    def read(self) -> int:
        """Ask the API now; gives how many devices are offered.

        Raises:
            SourceError: The named state the API is in.
        """
        resource = slices_of(self.node)
        bodies: list[dict[str, Any]] = []
        try:
            for path in resource.paths:
                with contextlib.suppress(NotServed):
                    bodies, _ = self.api.list(resource, path=path)
                    break
        finally:
            self.api.close()  # minutes may pass before the next time
        self._devices, self.trouble = dict(_newest(bodies)), ""
        return len(self._devices)


def _newest(bodies: list[dict[str, Any]]) -> Iterator[tuple[_Key, OfferedDevice]]:
    """Devices of each pool's newest generation: older slices of it are about to go."""
    specs = [mapping(body.get("spec")) for body in bodies]
    pools = [mapping(spec.get("pool")) for spec in specs]
    places = [
        (text(s.get("driver")), text(p.get("name"))) for s, p in zip(specs, pools, strict=True)
    ]
    generations = [whole(pool.get("generation")) or 0 for pool in pools]
    newest: dict[tuple[str, str], int] = {}
    for place, generation in zip(places, generations, strict=True):
        newest[place] = max(generation, newest.get(place, 0))
    for spec, place, generation in zip(specs, places, generations, strict=True):
        if generation == newest[place]:
            for device in mappings(spec.get("devices")):
                yield (*place, text(device.get("name"))), _offered(device)


def _offered(device: Mapping[str, Any]) -> OfferedDevice:
    """In v1beta1 what is said of a device is a level deeper; names may bear the driver's domain."""
    said = mapping(device.get("attributes") or mapping(device.get("basic")).get("attributes"))
    told = {
        name.rpartition("/")[2]: text(mapping(value).get("string")) for name, value in said.items()
    }
    names = ("type", "uuid", "parentUUID", "profile")
    return OfferedDevice(*(told.get(name, "") for name in names))
