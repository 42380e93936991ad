"""OTLP's messages with only the fields that we read; what may be dropped stays bytes.

A protobuf decoder spends its time and memory on the messages it builds. These are the official
ones on the wire (same field numbers and types, so the official decoder is the oracle of the tests)
with every attribute left as it came: the C decoder copies it and looks no further. Numbers are
those of opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.message import Message

_ONE, _MANY = Field.LABEL_OPTIONAL, Field.LABEL_REPEATED
_PACKAGE = "tidegauge.otlp"
_MESSAGES: dict[str, tuple[tuple[int, str, int, int], ...]] = {
    "Resource": ((1, "attributes", Field.TYPE_BYTES, _MANY),),
    "Scope": ((1, "name", Field.TYPE_STRING, _ONE),),
    "Status": ((3, "code", Field.TYPE_INT32, _ONE),),
    "Span": (
        (1, "trace_id", Field.TYPE_BYTES, _ONE),
        (2, "span_id", Field.TYPE_BYTES, _ONE),
        (4, "parent_span_id", Field.TYPE_BYTES, _ONE),
        (5, "name", Field.TYPE_STRING, _ONE),
        (6, "kind", Field.TYPE_INT32, _ONE),
        (7, "start_time_unix_nano", Field.TYPE_FIXED64, _ONE),
        (8, "end_time_unix_nano", Field.TYPE_FIXED64, _ONE),
        (9, "attributes", Field.TYPE_BYTES, _MANY),
        (15, "status", Field.TYPE_MESSAGE, _ONE),
    ),
    # A value told twice is one value, merged: its pieces joined, as protobuf defines it.
    "Pair": ((1, "key", Field.TYPE_STRING, _ONE), (2, "value", Field.TYPE_BYTES, _MANY)),
}


def _built() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(
        name="tidegauge/otlp_slim.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind, label in fields:
            made = message.field.add(
                number=number,
                name=field,
                type=Field.Type.ValueType(kind),
                label=Field.Label.ValueType(label),
            )
            if kind == Field.TYPE_MESSAGE:
                made.type_name = f".{_PACKAGE}.{field.capitalize()}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _built()
Resource, Scope, Span, Pair = (_CLASSES[name] for name in ("Resource", "Scope", "Span", "Pair"))
