"""Labels as OTLP attributes and resources, and the few ways protobuf writes things."""

from vocabulary.otel import RESOURCE_LABELS, attribute_of
from vocabulary.samples import Labels


def message(number: int, content: bytes) -> bytes:
    """A field of number below 16 that holds a message, text or packed numbers."""
    size = len(content)
    if size < 0x80:
        return bytes((number << 3 | 2, size)) + content
    length = bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes((number << 3 | 2,)) + bytes(length) + content


def string(number: int, text: str) -> bytes:
    """A field that holds text; empty text is not written. What is no Unicode becomes `?`."""
    return message(number, text.encode("utf-8", "replace")) if text else b""


def attribute(number: int, name: str, value: str) -> bytes:
    """One KeyValue with a string in it."""
    return message(
        number, string(1, name) + message(2, message(1, value.encode("utf-8", "replace")))
    )


def split(labels: Labels) -> tuple[Labels, Labels]:
    """Labels of the resource, and the point's attributes by their names."""
    about = tuple(pair for pair in labels if pair[0] in RESOURCE_LABELS)
    own = ((attribute_of(name), value) for name, value in labels if name not in RESOURCE_LABELS)
    return about, tuple(own)


def resource(about: Labels) -> bytes:
    """Field 1 of a ResourceMetrics: the thing that was measured."""
    pairs = resource_attributes(about).items()
    return message(1, b"".join(attribute(1, name, value) for name, value in pairs))


def resource_attributes(about: Labels) -> dict[str, str]:
    """Its labels, and the names that OpenTelemetry's own tools look for."""
    named = dict(about)
    found = {attribute_of(name): value for name, value in about}
    found["service.name"] = named.get("engine") or "tidegauge"
    instance = named.get("replica") or named.get("gpu") or named.get("node")
    if instance:
        found["service.instance.id"] = instance
    if "gpu" in named:
        found["hw.type"] = "gpu"
    return found
