"""The kubelet's pod-resources API: its messages, described here, so that no generated code is kept.

Names and numbers are those of k8s.io/kubelet/pkg/apis/podresources/v1/api.proto; fields that nobody
here reads are left out, and protobuf passes over them.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

LIST = "/v1.PodResourcesLister/List"
_STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "ListPodResourcesRequest": (),
    "ListPodResourcesResponse": (("pod_resources", 1, "PodResources"),),
    "PodResources": (
        ("name", 1, ""),
        ("namespace", 2, ""),
        ("containers", 3, "ContainerResources"),
    ),
    "ContainerResources": (
        ("name", 1, ""),
        ("devices", 2, "ContainerDevices"),
        ("dynamic_resources", 5, "DynamicResource"),
    ),
    "ContainerDevices": (("resource_name", 1, ""), ("device_ids", 2, "*")),
    "DynamicResource": (
        ("claim_name", 2, ""),
        ("claim_namespace", 3, ""),
        ("claim_resources", 4, "ClaimResource"),
    ),
    "ClaimResource": (
        ("driver_name", 2, ""),
        ("pool_name", 3, ""),
        ("device_name", 4, ""),
        ("share_id", 5, ""),
    ),
}
"""Message → fields: name, number, and the message it repeats (`*`: repeats a string)."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="tidegauge/podresources.proto", package="v1", syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        made = file.message_type.add(name=message)
        for name, number, repeats in fields:
            one = made.field.add(name=name, number=number)
            several = bool(repeats)
            one.label = one.LABEL_REPEATED if several else one.LABEL_OPTIONAL
            one.type = one.TYPE_MESSAGE if several and repeats != "*" else _STRING
            if one.type == one.TYPE_MESSAGE:
                one.type_name = f".v1.{repeats}"
    pool = descriptor_pool.DescriptorPool()  # of its own: others may describe the same package
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"v1.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(one) for name, one in found.items()}


_MADE = _classes()
Request: Any = _MADE["ListPodResourcesRequest"]
Response: Any = _MADE["ListPodResourcesResponse"]
