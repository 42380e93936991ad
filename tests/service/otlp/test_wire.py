"""Bytes from strangers: what is refused before a decoder may spend memory on it."""

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_bodies.recorded import bodies, stream_of

from service.otlp.limits import Limits
from service.otlp.streams import METRICS, TRACES
from service.otlp.wire import Body, decode, decode_json, weigh
from vocabulary.errors import RequestRefused

SMALL = Limits(max_body_bytes=64 << 10)


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(RequestRefused) as caught:
        call(*arguments)
    return caught.value.reason


def outcome(call: Any, *arguments: Any) -> str:
    try:
        call(*arguments)
    except RequestRefused as refusal:
        return refusal.reason
    return "taken"


def field(tag: int, payload: bytes) -> bytes:
    length, size = bytearray(), len(payload)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([tag]) + bytes([*length, size]) + payload


@pytest.mark.parametrize("path", bodies(), ids=lambda path: path.stem)
def test_every_recorded_body_passes_the_scales(path: Any) -> None:
    body, kind = path.read_bytes(), stream_of(path).request
    weigh(body, kind, Limits())
    assert decode(body, kind, Limits()).SerializeToString() == body


@given(st.binary(max_size=300))
def test_whatever_bytes_come_the_scales_refuse_or_agree_that_they_can_be_walked(body: Any) -> None:
    reasons = {"malformed", "too_deep", "too_many_messages"}
    assert outcome(weigh, body, TRACES.request, SMALL) in {*reasons, "taken"}


@given(st.binary(max_size=300))
def test_whatever_bytes_come_decoding_refuses_or_gives_a_message(body: Any) -> None:
    assert outcome(decode, body, METRICS.request, SMALL) in {"malformed", "taken"}


def test_a_body_of_empty_messages_is_refused_before_it_is_decoded() -> None:
    body = b"\x0a\x00" * (SMALL.max_messages + 1)
    assert refused(decode, body, METRICS.request, SMALL) == "too_many_messages"


def test_a_body_of_empty_strings_is_refused_too() -> None:
    references = b"\x1a\x00" * (SMALL.max_messages + 1)  # EntityRef.id_keys
    body = field(0x0A, field(0x0A, field(0x1A, references)))
    assert refused(decode, body, METRICS.request, SMALL) == "too_many_messages"


def test_arrays_nested_as_deep_as_a_well_are_refused() -> None:
    value = AnyValue(string_value="x")
    for _ in range(45):
        outer = AnyValue()
        outer.array_value.values.append(value)
        value = outer
    attribute = field(0x0A, b"k") + field(0x12, value.SerializeToString())
    body = field(0x0A, field(0x0A, field(0x0A, attribute)))
    assert refused(weigh, body, METRICS.request, SMALL) == "too_deep"
    deeper = body
    for _ in range(200):
        deeper = field(0x0A, deeper)
    assert refused(weigh, field(0x2A, deeper) + b"\x0b", METRICS.request, SMALL) == "malformed"


def test_nesting_that_the_decoder_itself_refuses_is_no_crash() -> None:
    value = b"\x0a\x01x"
    for _ in range(150):
        value = field(0x2A, field(0x0A, value))
    body = field(0x0A, field(0x0A, field(0x0A, field(0x12, value))))
    assert len(body) < Limits().harmless_bytes
    assert refused(decode, body, METRICS.request, Limits()) == "malformed"


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_cut_body_is_malformed(cut: Any) -> None:
    path = bodies("openlit-*-traces-2.pb")[0]
    body = path.read_bytes()[:-cut]
    assert refused(decode, body, TRACES.request, Limits()) == "malformed"


def test_a_bomb_stops_inflating_at_the_cap() -> None:
    body = Body(SMALL, gzip=True)
    bomb = gzip.compress(b"\0" * (50 << 20))
    assert refused(body.feed, bomb) == "too_large"
    assert len(body._data) <= SMALL.max_body_bytes + 1


def test_many_small_gzip_members_count_together() -> None:
    body = Body(SMALL, gzip=True)
    member = gzip.compress(b"\0" * (40 << 10))
    body.feed(member)
    assert refused(body.feed, member) == "too_large"


@given(st.binary(max_size=2000), st.integers(1, 50), st.booleans())
def test_a_body_comes_out_as_it_went_in_however_it_is_cut(
    data: Any, size: Any, compressed: Any
) -> None:
    wire = gzip.compress(data) if compressed else data
    body = Body(SMALL, gzip=compressed)
    for start in range(0, len(wire), size):
        body.feed(wire[start : start + size])
    assert body.whole() == data


@pytest.mark.parametrize("wire", [b"no gzip at all", zlib.compress(b"zlib"), b"\x1f\x8b\x08"])
def test_what_is_no_whole_gzip_is_malformed(wire: Any) -> None:
    def all_of_it() -> None:
        body = Body(SMALL, gzip=True)
        body.feed(wire)
        body.whole()

    assert refused(all_of_it) == "malformed"


def test_json_ids_are_hexadecimal_and_unknown_keys_are_passed_over() -> None:
    tree = {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5b8efff798038103d269b633813fc60c",
                                "spanId": "eee19b7ec3c1b174",
                                "kind": 3,
                                "startTimeUnixNano": "1544712660000000000",
                                "aNewKey": {"of": ["tomorrow"]},
                            }
                        ]
                    }
                ]
            }
        ]
    }
    message = decode_json(json.dumps(tree).encode(), TRACES.request, Limits())
    found = message.resource_spans[0].scope_spans[0].spans[0]
    assert found.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert found.kind == 3
    assert found.start_time_unix_nano == 1544712660000000000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" * 5000, "too_deep"),
        (b'{"resourceSpans":' * 5000, "too_deep"),
        (b'{"resourceSpans": [{"scopeSpans": 7}]}', "malformed"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}', "malformed"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}', "malformed"),
        (b"{}}", "malformed"),
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (b" " * (1 << 20) + b"{}", "too_large"),
        (b"{" * 200_000, "too_many_messages"),
    ],
)
def test_bad_json_is_refused_by_name(body: Any, reason: Any) -> None:
    assert refused(decode_json, body, TRACES.request, Limits()) == reason
