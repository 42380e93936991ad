"""The fast reader of spans says what the official decoder's messages say, for any bytes."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_bodies.plain_spans import PlainSpans
from otlp_bodies.recorded import RECORDED_AT, bodies

from service.otlp.identity import Tenants
from service.otlp.limits import Limits
from service.otlp.spans import Spans
from service.otlp.streams import TRACES
from service.otlp.wire import weigh
from vocabulary import otel
from vocabulary.errors import RequestRefused

NOW_NS = int(RECORDED_AT * 1e9)


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def ours(reader: Spans, body: bytes, believed: bool) -> Any:
    try:
        usage, outcome = reader.take(body, believed, RECORDED_AT)
    except RequestRefused as refusal:
        return refusal.reason
    return list(usage), dict(outcome.refused), dict(outcome.ignored), outcome.message


def official(reader: PlainSpans, body: bytes, believed: bool) -> Any:
    try:
        request = TRACES.request.FromString(body)
    except DecodeError:
        return "malformed"
    usage, outcome = reader.take(request, believed, RECORDED_AT)  # type: ignore[arg-type]
    return list(usage), dict(outcome.refused), dict(outcome.ignored), outcome.message


def compare(body: bytes, believed: bool = True) -> None:
    tenants = Tenants()
    fast, plain = (
        ours(Spans(tenants), body, believed),
        official(PlainSpans(tenants), body, believed),
    )
    if plain != "malformed":
        assert fast == plain
    # What only the official decoder refuses lies in parts that we do not look at.


@pytest.mark.parametrize("path", bodies("*-traces*.pb"), ids=lambda path: path.stem)
@pytest.mark.parametrize("believed", [True, False])
def test_every_recorded_body_says_the_same(path: Any, believed: bool) -> None:
    compare(path.read_bytes(), believed)


@pytest.mark.parametrize("path", bodies("*-traces*.pb"), ids=lambda path: path.stem)
def test_a_recorded_body_cut_anywhere_is_refused_by_both(path: Any) -> None:
    body = path.read_bytes()
    whole = len(TRACES.request.FromString(body).resource_spans)
    for cut in range(1, min(len(body), 400)):
        short = body[:-cut]
        plain = official(PlainSpans(Tenants()), short, True)
        fast = ours(Spans(Tenants()), short, True)
        if whole == 1:
            assert (fast, plain) == ("malformed", "malformed")
        else:
            assert plain == "malformed" or fast == plain


NAMES = st.sampled_from(
    sorted(
        {
            *(one for word in otel.SPAN_ATTRIBUTES.values() for one in word.spellings),
            *otel.TENANT_IN_SPAN, *otel.TENANT_IN_RESOURCE, *otel.CONTENT, "a.name", "",
        }
    )
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["chat", "embeddings", "execute_tool", "team-a", "openai.Bad", "\x1b[31m"]).map(
        lambda text: AnyValue(string_value=text)
    ),
    st.text(max_size=300).map(lambda text: AnyValue(string_value=text)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: AnyValue(int_value=number)),
    st.integers(0, 2000).map(lambda number: AnyValue(int_value=number)),
    st.floats().map(lambda number: AnyValue(double_value=number)),
    st.booleans().map(lambda truth: AnyValue(bool_value=truth)),
    st.binary(max_size=9).map(lambda some: AnyValue(bytes_value=some)),
    st.just(AnyValue()),
    st.just(AnyValue(kvlist_value={})),
).map(AnyValue.SerializeToString)


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """An AnyValue: at times told twice (the last counts), or a list of some."""
    wire = b"".join(draw(st.lists(VALUES, min_size=1, max_size=2)))
    return field(5, field(1, wire)) if draw(st.integers(0, 9)) == 0 else wire


@st.composite
def noise(draw: st.DrawFn) -> bytes:
    """A field that no message of OTLP has, of any wire type, groups included."""
    number = draw(st.integers(100, 2000))
    kind = draw(st.sampled_from(["varint", "fixed64", "length", "fixed32", "group"]))
    if kind == "varint":
        return varint(number << 3) + varint(draw(st.integers(0, 2**64 - 1)))
    if kind == "fixed64":
        return varint(number << 3 | 1) + draw(st.binary(min_size=8, max_size=8))
    if kind == "length":
        return field(number, draw(st.binary(max_size=200)))
    if kind == "fixed32":
        return varint(number << 3 | 5) + draw(st.binary(min_size=4, max_size=4))
    inner = field(3, b"inner") + varint(number << 3 | 3) + varint(number << 3 | 4)
    return varint(number << 3 | 3) + inner + varint(number << 3 | 4)


def message(*parts: Any) -> Any:
    """Fields in any order, with noise between them."""
    some = st.one_of(*parts, *parts, noise())
    return st.lists(some, max_size=7).map(b"".join)


@st.composite
def pairs(draw: st.DrawFn) -> bytes:
    name, value = draw(NAMES).encode(), draw(values())
    parts = [field(1, name), field(2, value)]
    if draw(st.integers(0, 9)) == 0:  # told twice: the last key, the values merged
        parts += [field(1, draw(NAMES).encode()), field(2, draw(values()))]
    if draw(st.integers(0, 9)) == 0:
        parts.append(draw(noise()))
    return b"".join(draw(st.permutations(parts)))


TIMES = st.one_of(st.integers(0, 10**10).map(lambda one: NOW_NS - one), st.just(0),
                  st.just(NOW_NS + 10**13))  # fmt: skip
USED = b"".join(
    field(9, field(1, name.encode()) + field(2, value.SerializeToString()))
    for name, value in (
        ("gen_ai.operation.name", AnyValue(string_value="chat")),
        ("gen_ai.usage.input_tokens", AnyValue(int_value=10)),
    )
)


@st.composite
def spans(draw: st.DrawFn) -> bytes:
    """A span that is mostly right, so that much of it reaches the books."""
    head = [
        field(1, draw(st.sampled_from([b"T" * 16, b"U" * 16, bytes(16), b"short"]))),
        field(2, draw(st.sampled_from([b"1" * 8, b"2" * 8, b"3" * 8, b""]))),
        field(4, draw(st.sampled_from([b"", b"", b"1" * 8, b"2" * 8]))),
        b"\x30" + varint(draw(st.integers(0, 9))),
        b"\x39" + draw(TIMES).to_bytes(8, "little"),
        b"\x41" + draw(TIMES).to_bytes(8, "little"),
        field(5, draw(st.text(max_size=20)).encode()),
    ]
    rest = draw(
        message(
            pairs().map(lambda one: field(9, one)),
            st.sampled_from(
                [USED, field(11, b""), field(15, b"\x18\x02"), field(15, b"\x12\x01x")]
            ),
        )
    )
    return b"".join(head) + rest + (USED if draw(st.booleans()) else b"")


RESOURCES = message(pairs().map(lambda one: field(1, one)))
SCOPES = message(
    st.sampled_from(["vllm.tracing", "some.client", "sglang"]).map(
        lambda name: field(1, name.encode())
    )
)
SCOPE_SPANS = message(SCOPES.map(lambda one: field(1, one)), spans().map(lambda one: field(2, one)))
RESOURCE_SPANS = message(
    RESOURCES.map(lambda one: field(1, one)), SCOPE_SPANS.map(lambda one: field(2, one))
)
REQUESTS = message(RESOURCE_SPANS.map(lambda one: field(1, one)))


@settings(max_examples=150, deadline=None)
@given(REQUESTS, st.booleans())
def test_made_bodies_say_the_same(body: bytes, believed: bool) -> None:
    compare(body, believed)


@settings(max_examples=100, deadline=None)
@given(st.lists(spans(), min_size=1, max_size=4), st.booleans())
def test_spans_say_the_same_however_their_fields_are_told(some: Any, believed: bool) -> None:
    body = field(1, field(2, b"".join(field(2, one) for one in some)))
    compare(body, believed)


@settings(max_examples=150, deadline=None)
@given(REQUESTS, st.data())
def test_a_body_that_was_damaged_is_refused_or_says_the_same(body: bytes, data: Any) -> None:
    broken = bytearray(body or b"\x0a\x00")
    place = data.draw(st.integers(0, len(broken) - 1))
    if data.draw(st.booleans()):
        broken[place] = data.draw(st.integers(0, 255))
    else:
        del broken[place : place + data.draw(st.integers(1, 9))]
    compare(bytes(broken))


@settings(max_examples=100, deadline=None)
@given(REQUESTS)
def test_what_can_be_decoded_can_be_weighed(body: bytes) -> None:
    weigh(body, TRACES.request, Limits())


@settings(max_examples=40, deadline=None)
@given(st.lists(REQUESTS, min_size=2, max_size=4))
def test_what_is_remembered_of_one_body_changes_nothing_in_the_next(some: list[bytes]) -> None:
    tenants = Tenants()
    warm, plain = Spans(tenants), PlainSpans(tenants)
    for body in some:
        assert ours(warm, body, True) == official(plain, body, True)


def test_no_prompt_is_remembered_for_the_sake_of_speed() -> None:
    reader = Spans(Tenants())
    for path in bodies("*-traces*.pb"):
        ours(reader, path.read_bytes(), True)
    remembered = b"".join(reader.attributes._known)
    assert b"gen_ai.operation.name" in remembered
    assert b"gen_ai.response.id" not in remembered, "an answer's id never comes again"
    for words in (b"gpu node slow", b"stream please", b"gen_ai.input.messages"):
        assert words not in remembered
