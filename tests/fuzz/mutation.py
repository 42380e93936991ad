"""Hostile input out of good input: seeded, so that a number names it for ever."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
MOST = 20_000
"""Bytes of a mutant; longer ones cost time and find nothing."""
NOTABLE = [
    b"", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\n", b"\r\n", b"\t", b" ", b"\\", b'"',
    b"{", b"}", b"[" * 60, b"]", b",", b"=", b"#", b":", b"::", b"/", b"-", b"NaN", b"+Inf", b"-0",
    b"1e999", b"1_0", b"0x1p3", b"9" * 40, b"18446744073709551616", b"2147483648", b"null", b"true",
    b"# EOF\n", b"# TYPE a counter\n", b"&a [*a]", b"!!python/name:os.system", b"<<: *x", b'\\"',
    "\u0660\u2028\u00a0\u0085".encode(), b"\x80\x80\x80\x80\x80\x01", b"1970-01-01T00:00:00Z",
    b"\x1b[2J",
]  # fmt: skip


def seeds(name: str) -> list[bytes]:
    """The committed examples of one parser."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutants(corpus: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """*count* inputs: the corpus as it is, then changed in one place or a few."""
    chance = random.Random(seed)
    for number in range(count):
        if number < len(corpus):
            yield corpus[number]
            continue
        body = bytearray(chance.choice(corpus))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            _change(body, corpus, chance)
        yield bytes(body[:MOST])


def _change(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    here = chance.randint(0, len(body))
    there = min(len(body), here + chance.choice((0, 1, 1, 2, 4, 16, 200)))
    match chance.randrange(7):
        case 0:
            body[here:there] = chance.choice(NOTABLE)
        case 1:
            body[here:here] = chance.choice(NOTABLE)
        case 2 if body:
            body[min(here, len(body) - 1)] ^= 1 << chance.randrange(8)
        case 3:
            del body[here:there]
        case 4:
            body[here:here] = body[here:there] * chance.choice((1, 2, 30))
        case 5:
            other = chance.choice(corpus)
            cut = chance.randint(0, len(other))
            body[here:there] = other[cut : cut + chance.choice((1, 8, 100))]
        case _:
            body[here:there] = bytes(chance.randrange(256) for _ in range(there - here))
