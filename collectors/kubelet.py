"""Which pod holds which GPU, from the kubelet's pod-resources socket.

The kubelet knows pods by name alone; their uid, and whether they have ended, comes from the pods
that the Kubernetes API lists for this node.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError

from collectors._deadline import Calls
from collectors._device_ids import Device, parse_claimed_name, parse_device_id, uuid_of
from collectors._gpu_layout import Layout, read_layout
from collectors._pod_resources import LIST, Request, Response
from fleet.identity import pod_labels
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.errors import SourceError, SourceHung, SourceUnreadable, SourceUnsupported
from vocabulary.metrics import Metric
from vocabulary.pods import OfferedDevice, Pod
from vocabulary.samples import Sample, Series, labels_of

SOCKET = "/var/lib/kubelet/pod-resources/kubelet.sock"
_NO_SOCKET = (
    "{path} is not there: mount the folder /var/lib/kubelet/pod-resources into the agent (the "
    "chart does with agent.podResources)"
)
_NO_RIGHT = (
    "{path} may not be used by user {user}: it is root's, so run the agent as root without "
    "capabilities (the chart does with agent.podResources)"
)
_NO_PODS = (
    "the pods of this node are not known: let the agent read them (the chart does with "
    "agent.readPods)"
)
_MAX_ANSWER = 64 * 1024 * 1024
_LONGEST_ID = 253
_NOTHING = Layout({}, {}, ())


class _Held(NamedTuple):
    """One device of one container."""

    gpu: str
    alone: bool
    """The plugin gives such a device to one container only."""
    labels: Mapping[str, str]
    """What is special about the allocation."""


@dataclass(frozen=True, slots=True)
class Kubelet(Collector):
    """Allocations of this node's GPUs."""

    socket: str = SOCKET
    """Path of the kubelet's socket. Its default place."""
    timeout_seconds: float = 2.0
    """Seconds the kubelet has to answer. It answers in milliseconds; our judgement."""
    resources: str = r"nvidia\.com/(gpu(\.shared)?|mig-.+)"
    """Pattern of resource names that are GPUs: those of NVIDIA's device plugin."""
    claims: str = r"gpu\.nvidia\.com"
    """Pattern of resource drivers whose claimed devices are GPUs: NVIDIA's."""
    _calls: Calls[Layout] = field(default_factory=Calls, init=False, repr=False, compare=False)

    scope: ClassVar[Scope] = Scope.NODE
    produces: ClassVar[tuple[Metric, ...]] = (m.GPU_ALLOCATION,)

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        listed = reach.pods
        if not listed:  # there is one at least, our own: that none holds a GPU is not known
            raise SourceUnsupported(_NO_PODS)
        pods = {(one.namespace, one.name): one for one in listed if not one.ended}
        own = dict(target.labels)
        look = _Look(self, reach, own.get("node", ""))
        found: list[tuple[Pod, str, _Held]] = []
        for told in self._list().pod_resources:
            pod = pods.get((told.namespace, told.name))
            if pod is None:
                continue  # ended, or not listed by the API yet: the next round knows
            for container in told.containers:
                found += [(pod, container.name, one) for one in look.held(container)]
        newest = _newest(found)
        samples: dict[Series, Sample] = {}
        for pod, container, one in found:
            if one.alone and newest[one.gpu] != pod.uid:
                continue
            who = pod_labels(pod, container, own.get("cluster", ""))
            labels = labels_of({**own, **who, **one.labels, "gpu": one.gpu})
            series = Series(m.GPU_ALLOCATION.name, labels)
            samples[series] = Sample(series, 1.0, now)
        return list(samples.values())

    def layout(self, reach: Reach) -> Layout:
        """The node's devices; empty where there is no driver, or one that hangs."""
        ask = {"the layout of GPUs": partial(_layout, reach)}
        (found,) = self._calls.run(ask, self.timeout_seconds).values()
        return found if isinstance(found, Layout) else _NOTHING

    def _list(self) -> Any:
        """What the kubelet says; over a connection of its own, so that its restart is survived."""
        if not Path(self.socket).exists():
            raise SourceUnsupported(_NO_SOCKET.format(path=self.socket))
        if not os.access(self.socket, os.R_OK | os.W_OK):
            raise SourceUnsupported(_NO_RIGHT.format(path=self.socket, user=os.geteuid()))
        limit = (("grpc.max_receive_message_length", _MAX_ANSWER), ("grpc.enable_http_proxy", 0))
        with grpc.insecure_channel(f"unix://{self.socket}", options=limit) as channel:
            ask = channel.unary_unary(
                LIST,
                request_serializer=Request.SerializeToString,
                response_deserializer=lambda body: body,
            )
            try:
                return Response.FromString(ask(Request(), timeout=self.timeout_seconds))
            except grpc.RpcError as error:
                raise _named(error, self.socket) from error
            except DecodeError as error:
                raise SourceUnreadable("the kubelet's answer cannot be read") from error


@dataclass(slots=True)
class _Look:
    """One round's view of devices; the driver is asked once, and only if an id needs it."""

    kubelet: Kubelet
    reach: Reach
    node: str
    _layout: Layout | None = None

    def held(self, container: Any) -> Iterator[_Held]:
        """Each GPU by its uuid, or by a name of its own where that cannot be told."""
        for devices in container.devices:
            if re.fullmatch(self.kubelet.resources, devices.resource_name):
                for text in devices.device_ids:
                    yield self._plugged(text)
        for claim in container.dynamic_resources:
            name = f"{claim.claim_namespace}/{claim.claim_name}"
            for device in claim.claim_resources:
                if re.fullmatch(self.kubelet.claims, device.driver_name):
                    yield self._claimed(name, device)

    def _plugged(self, text: str) -> _Held:
        device = parse_device_id(text)
        gpu = device.gpu if not device.parent else ""
        if not gpu and device != Device(slot=device.slot):
            gpu = self._uuid(device) or device.gpu
        sharing = {"sharing": "slot"} if device.slot else {}
        return _Held(gpu or f"{self.node}/{text}"[:_LONGEST_ID], not device.slot, sharing)

    def _claimed(self, claim: str, device: Any) -> _Held:
        """Many pods may share one claim, and a consumable device many claims."""
        names = (device.driver_name, device.pool_name, device.device_name)
        offered = self.reach.offered(*names) or OfferedDevice()
        gpu = uuid_of(offered.uuid)
        if not gpu and offered.kind != "vfio":
            gpu = self._made_for(device.device_name, offered)
        about = {"claim": claim[:_LONGEST_ID], "sharing": "slot" if device.share_id else ""}
        opaque = f"{self.node}/{device.pool_name}/{device.device_name}"[:_LONGEST_ID]
        return _Held(gpu or opaque, False, about)

    def _made_for(self, name: str, offered: OfferedDevice) -> str:
        """The instance made for a claim, or the GPU whose number the name bears."""
        device = parse_claimed_name(name)
        if device.minor is None:
            return ""
        if not device.profile:
            return self._known().numbered(device.minor)
        if offered.parent:
            device = Device(
                parent=uuid_of(offered.parent), profile=offered.profile or device.profile,
                placement=device.placement,
            )  # fmt: skip
        return self._uuid(device)

    def _uuid(self, device: Device) -> str:
        return self._known().uuid(device)

    def _known(self) -> Layout:
        if self._layout is None:
            self._layout = self.kubelet.layout(self.reach)
        return self._layout


def _layout(reach: Reach) -> Layout:
    return read_layout(reach.nvml)


def _newest(found: Iterable[tuple[Pod, str, _Held]]) -> dict[str, str]:
    """GPU → uid of the pod that holds it now: older kubelets go on listing a pod that has left."""
    ranks: dict[str, tuple[bool, float, str]] = {}
    for pod, _, one in found:
        rank = (pod.phase == "Running", pod.created, pod.uid)
        ranks[one.gpu] = max(rank, ranks.get(one.gpu, rank))
    return {gpu: uid for gpu, (_, _, uid) in ranks.items()}


def _named(error: Any, path: str) -> SourceError:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return SourceHung(f"the kubelet did not answer at {path} in time")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return SourceUnsupported("this kubelet has no pod-resources v1: it needs Kubernetes 1.20")
    if code is grpc.StatusCode.UNAVAILABLE:
        return SourceUnsupported(f"nobody answers at {path}: is the kubelet running?")
    return SourceUnreadable(f"the kubelet answers {code.name.lower()}")
