"""Which pod holds which GPU, from the kubelet's pod-resources socket.

The kubelet knows pods by name alone; their uid, and whether they have ended, comes from the pods
that the Kubernetes API lists for this node.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError

from collectors._device_ids import parse_device_id
from collectors._pod_resources import LIST, Request, Response
from fleet.identity import pod_labels
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.errors import SourceError, SourceHung, SourceUnreadable, SourceUnsupported
from vocabulary.metrics import Metric
from vocabulary.samples import Labels, Sample, Series, labels_of

SOCKET = "/var/lib/kubelet/pod-resources/kubelet.sock"
_NO_SOCKET = (
    "{path} is not there: mount the folder /var/lib/kubelet/pod-resources into the agent (the "
    "chart does with agent.podResources)"
)
_NO_RIGHT = (
    "{path} may not be used by user {user}: it is root's, so run the agent as root without "
    "capabilities (the chart does with agent.podResources)"
)
_MAX_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kubelet(Collector):
    """Allocations of this node's GPUs."""

    socket: str = SOCKET
    """Path of the kubelet's socket. Its default place."""
    timeout_seconds: float = 2.0
    """Seconds the kubelet has to answer. It answers in milliseconds; our judgement."""
    resources: str = r"nvidia\.com/(gpu(\.shared)?|mig-.+)"
    """Pattern of resource names that are GPUs: those of NVIDIA's device plugin."""
    _minors: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    scope: ClassVar[Scope] = Scope.NODE
    produces: ClassVar[tuple[Metric, ...]] = (m.GPU_ALLOCATION,)

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        pods = {(one.namespace, one.name): one for one in reach.pods if not one.ended}
        own = dict(target.labels)
        wanted = re.compile(self.resources)
        held: dict[Labels, Sample] = {}
        for told in self._list().pod_resources:
            pod = pods.get((told.namespace, told.name))
            if pod is None:
                continue  # ended, or not listed by the API yet: the next round knows
            for container in told.containers:
                who = pod_labels(pod, container.name, own.get("cluster", ""))
                for gpu in self._gpus(container.devices, wanted, own.get("node", ""), reach):
                    labels = labels_of({**own, **who, "gpu": gpu})
                    held[labels] = Sample(Series(m.GPU_ALLOCATION.name, labels), 1.0, now)
        return list(held.values())

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

    def _gpus(
        self, devices: Iterable[Any], wanted: re.Pattern[str], node: str, reach: Reach
    ) -> Iterable[str]:
        """Each GPU by its uuid, or by its node and the plugin's own name where that tells none."""
        for one in devices:
            if not wanted.fullmatch(one.resource_name):
                continue
            for text in one.device_ids:
                device = parse_device_id(text)
                found = device.gpu
                if device.minor is not None:
                    found = self._by_minor(device.minor, reach)
                yield found or f"{node}/{text}"[:253]

    def _by_minor(self, minor: int, reach: Reach) -> str:
        """UUID of the GPU behind /dev/nvidia*minor*; empty where the driver does not tell."""
        if minor not in self._minors:
            try:
                nvml = reach.nvml
                nvml.nvmlInit()
                for index in range(nvml.nvmlDeviceGetCount()):
                    handle = nvml.nvmlDeviceGetHandleByIndex(index)
                    number = int(nvml.nvmlDeviceGetMinorNumber(handle))
                    self._minors[number] = str(nvml.nvmlDeviceGetUUID(handle))
            except Exception:  # noqa: BLE001 - no driver, or one that does not tell: it stays open
                return ""
        return self._minors.get(minor, "")


def _named(error: Any, path: str) -> SourceError:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return SourceHung(f"the kubelet did not answer at {path} in time")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return SourceUnsupported("this kubelet has no pod-resources v1: it needs Kubernetes 1.20")
    if code is grpc.StatusCode.UNAVAILABLE:
        return SourceUnsupported(f"nobody answers at {path}: is the kubelet running?")
    return SourceUnreadable(f"the kubelet answers {code.name.lower()}")
