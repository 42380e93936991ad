"""Bytes from strangers to a message: inflated within a cap, weighed, and only then decoded."""

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from service.otlp.limits import Limits
from vocabulary.errors import RequestRefused

Buffer = bytes | bytearray
_GZIP = 31
_TEXT = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_VARINT, _LENGTH, _GROUP_BEGINS, _GROUP_ENDS = 0, 2, 3, 4
_FIXED = {1: 8, 5: 4}
"""Bytes of a fixed-width field, by wire type."""
_DEEPEST_GROUP = 64
_TEXT_AGAIN = "text again"


@dataclass(slots=True)
class Body:
    """Collects a body piece by piece and inflates it, never past the cap."""

    limits: Limits
    gzip: bool
    _taken: int = 0
    _data: bytearray = field(default_factory=bytearray)
    _inflate: Any = None

    def feed(self, piece: bytes) -> None:
        """Take the next piece from the wire.

        Raises:
            RequestRefused: `too_large` or `malformed`.
        """
        self._taken += len(piece)
        self._check(self._taken)
        if not self.gzip:
            self._data += piece
            return
        while piece:
            if self._inflate is None:
                self._inflate = zlib.decompressobj(_GZIP)
            room = self.limits.max_body_bytes - len(self._data) + 1
            try:
                self._data += self._inflate.decompress(piece, room)
            except zlib.error as error:
                raise RequestRefused("malformed", f"the body is no gzip: {error}") from error
            self._check(len(self._data))
            piece = self._inflate.unconsumed_tail
            if self._inflate.eof:
                piece, self._inflate = self._inflate.unused_data, None

    def whole(self) -> bytearray:
        """Everything, once the sender is done.

        Raises:
            RequestRefused: `malformed`, when the compressed stream was cut.
        """
        if self._inflate is not None:
            raise RequestRefused("malformed", "the gzip stream ends too early")
        return self._data

    def _check(self, size: int) -> None:
        if size > self.limits.max_body_bytes:
            raise RequestRefused(
                "too_large",
                f"larger than {self.limits.max_body_bytes} bytes; send smaller batches",
            )


def decode(body: Buffer, kind: type[Message], limits: Limits) -> Message:
    """The protobuf message in *body*.

    Raises:
        RequestRefused: `too_many_messages`, `too_deep` or `malformed`.
    """
    if len(body) > limits.harmless_bytes:
        weigh(body, kind, limits)
    message = kind()
    try:
        message.ParseFromString(body)  # type: ignore[arg-type]
    except DecodeError as error:
        raise RequestRefused("malformed", f"no {kind.__name__} in protobuf: {error}") from error
    return message


_SURPRISES = (OverflowError, SystemError)
"""What json_format lets through: 1e999 for an integer, and half a surrogate pair in a key."""


def decode_json(body: Buffer, kind: type[Message], limits: Limits) -> Message:
    """The message in OTLP's JSON: ids in hexadecimal, unknown keys passed over.

    Raises:
        RequestRefused: As decode, and `too_large`.
    """
    if len(body) > limits.max_json_bytes:
        raise RequestRefused(
            "too_large", f"JSON may have {limits.max_json_bytes} bytes; use protobuf for more"
        )
    if body.count(b"{") + body.count(b"[") > limits.max_messages // 2:
        raise RequestRefused("too_many_messages", "too many objects; send smaller batches")
    try:
        tree = _tree(body)
        _hexadecimal_ids(tree)
        message = kind()
        json_format.ParseDict(tree, message, ignore_unknown_fields=True)
    except RecursionError as error:
        raise RequestRefused("too_deep", "nested too deep") from error
    except (ValueError, TypeError, AttributeError, *_SURPRISES, json_format.Error) as error:
        detail = str(error)[:200]
        raise RequestRefused("malformed", f"no {kind.__name__} in JSON: {detail}") from error
    return message


def _tree(body: Buffer) -> dict[str, Any]:
    tree = json.loads(body)
    if not isinstance(tree, dict):
        raise RequestRefused("malformed", "JSON, but no object")
    return tree


def weigh(body: Buffer, kind: type[Message], limits: Limits) -> None:
    """Count what a decoder spends memory on by walking the wire format, without building any.

    That is messages, repeated strings, and fields that nobody knows, which it keeps as they came.

    Raises:
        RequestRefused: `too_many_messages`, `too_deep` or `malformed`.
    """
    count = 0
    position = 0
    stack = [(len(body), _shape(kind.DESCRIPTOR))]
    while stack:
        end, shape = stack[-1]
        if position >= end:
            if position > end:
                raise RequestRefused("malformed", "a nested message is cut")
            stack.pop()
            continue
        key, position = _varint(body, position)
        child = shape.get(key >> 3)
        if child is not _PLAIN:
            count += 1
            if count > limits.max_messages:
                raise _too_many(limits)
        if key & 7 != _LENGTH:
            position = _skip(body, position, key)
            continue
        length, position = _varint(body, position)
        if child is None or isinstance(child, str):
            position += length
            continue
        if len(stack) > limits.max_depth:
            raise RequestRefused("too_deep", f"nested more than {limits.max_depth} deep")
        stack.append((position + length, _shape(child)))


@dataclass(slots=True)
class Pieces:
    """Walks one body, level by level, and counts what it finds there against the limit."""

    limits: Limits
    _found: int = 0

    def of(self, body: Buffer, position: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of each length-delimited field of the message in [position, end).

        Raises:
            RequestRefused: `malformed` or `too_many_messages`.
        """
        most, wide = self.limits.max_messages, len(body)
        while position < end:
            key = body[position]
            position += 1
            if key >= 0x80:
                key, position = _varint(body, position - 1)
            if key & 7 != _LENGTH:
                position = _skip(body, position, key)
                continue
            size = body[position] if position < wide else 0x80
            position += 1
            if size >= 0x80:
                more = body[position] if position < wide else 0x80
                if more < 0x80:  # two bytes, as nearly every span's size
                    size, position = size + (more << 7) - 0x80, position + 1
                else:
                    size, position = _varint(body, position - 1)
            start, position = position, position + size
            if position > end or key < 8:
                break
            self._found += 1
            if self._found > most:
                raise _too_many(self.limits)
            yield key >> 3, start, position
        if position != end:
            raise RequestRefused("malformed", "a nested message is cut")


_PLAIN = "plain"
"""A field that costs a decoder nothing beyond its own bytes."""


@cache
def _shape(descriptor: Descriptor) -> dict[int, Descriptor | str]:
    """Field number → type of the message in it, _TEXT_AGAIN for repeated text, or _PLAIN."""
    return {
        one.number: one.message_type
        or (_TEXT_AGAIN if one.is_repeated and one.type in _TEXT else _PLAIN)
        for one in descriptor.fields
    }


def _too_many(limits: Limits) -> RequestRefused:
    return RequestRefused(
        "too_many_messages",
        f"more than {limits.max_messages} nested messages; send smaller batches",
    )


def _varint(body: Buffer, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(body) and shift < 70:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise RequestRefused("malformed", "a number on the wire is cut or too long")


def _skip(body: Buffer, position: int, key: int) -> int:
    """Where the field ends whose *key* was read before *position*; a group ends with its mark.

    OTLP has no groups; a decoder passes over those it does not know, and so do we.
    """
    if key < 8:
        raise RequestRefused("malformed", "a field without a number")
    groups: list[int] = []
    while True:
        number, wire_type = key >> 3, key & 7
        if wire_type == _GROUP_BEGINS:
            groups.append(number)
        elif wire_type == _GROUP_ENDS and groups and groups[-1] == number:
            groups.pop()
        elif wire_type == _VARINT:
            position = _varint(body, position)[1]
        elif wire_type in _FIXED:
            position += _FIXED[wire_type]
        elif wire_type == _LENGTH:
            size, position = _varint(body, position)
            position += size
        else:
            raise RequestRefused("malformed", f"wire type {wire_type} where none can be")
        if len(groups) > _DEEPEST_GROUP:
            raise RequestRefused("malformed", "groups without end")
        if not groups:
            return position
        key, position = _varint(body, position)


_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})


def _hexadecimal_ids(tree: Any) -> None:
    """OTLP's JSON writes ids in hexadecimal where protobuf's JSON expects base64."""
    for node in _objects(tree):
        for key in _ID_KEYS & node.keys():
            node[key] = base64.b64encode(bytes.fromhex(node[key])).decode()


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(value for value in node.values() if isinstance(value, dict | list))
        elif isinstance(node, list):
            waiting.extend(value for value in node if isinstance(value, dict | list))
