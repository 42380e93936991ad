"""Attributes of spans straight from the wire: those on the list, each ready for use.

Most attributes of a stream are the same bytes again and again (operation, provider, model), so
what bytes meant is remembered. Only what is on the list, or what the vocabulary knows to hold no
prose, is remembered: a prompt is not kept, not even for a moment's speed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from service.otlp.attributes import Plain, as_text, clean, plain
from service.otlp.identity import IDENTITY_ATTRIBUTES
from service.otlp.limits import Limits
from service.otlp.slim import Pair
from service.otlp.wire import weigh
from vocabulary import otel

MOST_TOKENS = 100_000_000
"""More tokens than any context window holds by a factor of ten: a broken counter, so unknown."""
TOKENS = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
    }
)
_READ = (
    *TOKENS,
    *("operation", "provider", "request_model", "response_model", "error_type"),
    *("conversation_id", "agent_id", "agent_name"),
)
_HARMLESS = frozenset(
    spelling
    for word, one in otel.SPAN_ATTRIBUTES.items()
    if word not in {*_READ, "response_id"}  # an id of one answer never comes again
    for spelling in one.spellings
)
_Places = tuple[tuple[str, int], ...]
_PLACES: dict[str, _Places] = {}
"""Spelling → the words it may stand for, and how many newer spellings each has."""
for _word in _READ:
    for _rank, _spelling in enumerate(otel.SPAN_ATTRIBUTES[_word].spellings):
        _PLACES[_spelling] = (*_PLACES.get(_spelling, ()), (_word, _rank))
for _name in IDENTITY_ATTRIBUTES:
    _PLACES[_name] = (*_PLACES.get(_name, ()), (_name, 0))

_SHORTEST = 3
_VALUE = [bytes((0x12, size)) for size in range(0x80)]
"""Key and length of a value of each size, on the wire."""
_UNKNOWN: _Places = (("", 0),)
_KEYS: dict[bytes, _Places | None] = {
    bytes((0x0A, len(name))) + name.encode(): places
    for places, names in (
        *((places, [name]) for name, places in _PLACES.items()),
        ((), _HARMLESS),
        (None, otel.RESPONSE_ID.spellings),
    )
    for name in names
}
"""A key as it stands on the wire → what it stands for."""

_TEXT, _INT = 0x0A, 0x18
"""Keys of an AnyValue's string_value and int_value."""
_OLDER = "an older spelling"
"""Stands among the words where one was read, so that they have to be ranked."""
_Told = tuple[tuple[str | tuple[str, int], Any], ...]
"""What an attribute says of each word that it stands for: the word and its value, by the newest
spelling; by an older one (_OLDER, True) and then the word, how many are newer, and the value."""


@dataclass(slots=True)
class SpanAttributes:
    """Reads the attributes of one span or resource; remembers what bytes meant."""

    limits: Limits = field(default_factory=Limits)
    room: int = 20_000
    """Attributes remembered, at most: about 6 MB. When it is full, all are forgotten."""
    longest: int = 160
    """Bytes of an attribute beyond which it is not remembered: it will hardly come again."""
    _known: dict[bytes, _Told] = field(default_factory=dict)

    def read(self, pieces: Sequence[bytes]) -> dict[str, Any]:
        """Word (or name, for identity) → text, or a count of tokens, None where it cannot be.

        The newest spelling of a word counts, and the last of equal spellings.

        Raises:
            DecodeError, RequestRefused: As the decoder does.
        """
        told = list(map(self._known.get, pieces))
        place = -1
        for _ in range(told.count(None)):
            place = told.index(None, place + 1)
            told[place] = self._learn(pieces[place])
        found: dict[Any, Any] = dict(chain.from_iterable(told))  # type: ignore[arg-type]
        return _ranked(chain.from_iterable(told)) if _OLDER in found else found  # type: ignore[arg-type]

    def _learn(self, piece: bytes) -> _Told:
        places, value = _taken_apart(piece)
        told: _Told = ()
        if places:
            plain_value: Plain | None = _in_place(value)
            if plain_value is None:
                plain_value = self._value(value)
            if plain_value is not None:
                told = _told(places, plain_value)
        if len(piece) <= self.longest and places is not None:
            if len(self._known) >= self.room:
                self._known.clear()
            self._known[piece] = told
        return told

    def _value(self, wire: bytes) -> Plain | None:
        if len(wire) > self.longest and len(wire) > self.limits.harmless_bytes:
            weigh(wire, AnyValue, self.limits)
        return plain(AnyValue.FromString(wire))


def _taken_apart(piece: bytes) -> tuple[_Places | None, bytes]:
    """What the key of an attribute stands for, and its value on the wire.

    None for a key that is not to be remembered: one that nobody knows, or an answer's id. Nearly
    all are a short key we know and then a short value, and are read in place; whatever else the
    wire allows, the decoder reads.
    """
    if len(piece) > _SHORTEST:
        middle = piece[1] + 2
        size = len(piece) - middle - 2
        places = _KEYS.get(piece[:middle], _UNKNOWN)
        if (
            places is not _UNKNOWN
            and 0 <= size < 0x80
            and piece[middle : middle + 2] == _VALUE[size]
        ):
            return places, piece[middle + 2 :]
    pair = Pair.FromString(piece)
    key: str = pair.key  # type: ignore[attr-defined]
    places = _PLACES.get(key, () if key in _HARMLESS else None)
    return places, b"".join(pair.value)  # type: ignore[attr-defined]


def _in_place(value: bytes) -> str | int | None:
    """Short text and small counts, which most new values are; None leaves it to the decoder."""
    size = len(value)
    if size < _SHORTEST - 1 or size > 0x80:
        return None
    kind, first = value[0], value[1]
    if kind == _TEXT and first == size - 2 and value.isascii():
        return clean(value[2:].decode("ascii"))
    if kind == _INT and size == 2 and first < 0x80:
        return first
    if kind == _INT and size == 3 and first >= 0x80 > value[2]:
        return first - 0x80 + (value[2] << 7)
    return None


def _told(places: _Places, value: Plain) -> _Told:
    said: list[tuple[str | tuple[str, int], Any]] = []
    for word, rank in places:
        if rank:
            said += [(_OLDER, True), ((word, rank), _ready(word, value))]
        else:
            said.append((word, _ready(word, value)))
    return tuple(said)


def _ranked(said: Iterable[tuple[str | tuple[str, int], Any]]) -> dict[str, Any]:
    """Each word by its newest spelling, and the last of equal ones."""
    found: dict[str, Any] = {}
    best: dict[str, int] = {}
    for told, value in said:
        word, rank = (told, 0) if isinstance(told, str) else told
        if word != _OLDER and rank <= best.get(word, rank):
            found[word], best[word] = value, rank
    return found


def _ready(word: str, value: Plain) -> Plain | None:
    if word not in TOKENS:
        return as_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS and value == int(value) else None
