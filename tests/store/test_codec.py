"""What goes into a chunk or a batch comes out of it bit for bit."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from store.codec import Batch, checksum, packed, packed_batch, unpacked, unpacked_batch

NUMBERS = st.one_of(
    st.floats(width=64), st.integers(-(2**60), 2**60).map(float), st.integers(-3, 300).map(float)
)
VALUES = hnp.arrays(np.float64, st.integers(1, 60), elements=NUMBERS)
GAPS = st.one_of(st.integers(1, 2**40), st.just(15_000), st.integers(14_990, 15_010))


@given(VALUES, st.integers(-(2**45), 2**45), st.data())
@example(np.array([0.0, -0.0]), 0, None)
@example(np.array([1.0, np.nan]), 0, None)
@example(np.array([2.0**53, 2.0**53 + 2]), 0, None)
def test_chunks_keep_every_bit(values: np.ndarray, start: int, data: st.DataObject | None) -> None:
    count = len(values) - 1
    gaps = data.draw(st.lists(GAPS, min_size=count, max_size=count)) if data else [1] * count
    times = start + np.cumsum([0, *gaps]).astype(np.int64)
    found_times, found = unpacked(packed(times, values))
    assert found_times.tolist() == times.tolist()
    assert found.tobytes() == values.tobytes()


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(-(2**60), 2**60), st.floats())),
    st.booleans(),
)
def test_batches_keep_every_bit(rows: list[tuple[int, int, float]], one_moment: bool) -> None:
    ids, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    batch = Batch(
        np.array(ids, dtype=np.int64),
        np.array([7] * len(times) if one_moment else times, dtype=np.int64),
        np.array(values, dtype=np.float64),
    )
    found = unpacked_batch(packed_batch(batch))
    for kept, given_column in zip(found, batch, strict=True):
        assert kept.tobytes() == given_column.tobytes()


def test_a_steady_counter_costs_next_to_nothing() -> None:
    times = np.arange(0, 240 * 15_000, 15_000)
    assert len(packed(times, np.arange(240) * 32.0)) < 100


@given(st.binary(min_size=1, max_size=200), st.integers(0, 2**40), st.data())
def test_a_checksum_knows_one_flipped_bit_and_another_identity(
    body: bytes, identity: int, data: st.DataObject
) -> None:
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    damaged = bytearray(body)
    damaged[bit // 8] ^= 1 << bit % 8
    assert checksum(bytes(damaged), identity) != checksum(body, identity)
    assert checksum(body, identity ^ 1) != checksum(body, identity)
