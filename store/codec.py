"""Samples as bytes: batches as they arrive, and column chunks of one series, packed tightly.

Counters move by small whole steps and gauges repeat their high bytes, so numbers are stored as
differences with equal bytes side by side, and zlib does the rest. Values come back bit for bit.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.columns import Millis
from vocabulary.samples import Array

_CHUNK = struct.Struct("<BBIqqq")
"""Width of time differences, width of value differences (0: bits of floats), samples, first
moment, step, first value or its bits."""
_BATCH = struct.Struct("<BIq")
"""Whether all samples are of one moment, samples, first moment."""

_WHOLE = 2.0**53
"""Below this, a float that looks whole is exactly that whole number."""

_INTEGERS = (np.int8, np.int16, np.int32, np.int64)


class Batch(NamedTuple):
    """Samples of many series, in the order they arrived."""

    ids: Millis
    times: Millis
    values: Array


def checksum(body: bytes, identity: int) -> int:
    """CRC-32 of *body* and of what it claims to be."""
    return zlib.crc32(body, identity & 0xFFFFFFFF)


def packed_batch(batch: Batch) -> bytes:
    """*batch* as it lies in the log: quick to write, read once after a restart."""
    first = int(batch.times[0]) if len(batch.times) else 0
    one_moment = bool(np.all(batch.times == first))
    return b"".join(
        (
            _BATCH.pack(one_moment, len(batch.ids), first),
            batch.ids.astype("<u4").tobytes(),
            b"" if one_moment else batch.times.astype("<i8").tobytes(),
            batch.values.astype("<f8").tobytes(),
        )
    )


def unpacked_batch(body: bytes) -> Batch:
    """What `packed_batch` packed."""
    one_moment, count, first = _BATCH.unpack_from(body)
    at = _BATCH.size
    ids = np.frombuffer(body, "<u4", count, at).astype(np.int64)
    at += 4 * count
    if one_moment:
        times = np.full(count, first, dtype=np.int64)
    else:
        times = np.frombuffer(body, "<i8", count, at).astype(np.int64)
        at += 8 * count
    return Batch(ids, times, np.frombuffer(body, "<f8", count, at).astype(np.float64))


def packed(times: Millis, values: Array) -> bytes:
    """One series' samples, at least one, as a column chunk."""
    gaps = np.diff(times)
    regular = bool(np.all(gaps == gaps[0])) if len(gaps) else True
    step = int(gaps[0]) if regular and len(gaps) else 0
    gap_bytes, gap_width = (b"", 0) if regular else _narrow(gaps)
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    if _all_whole(values, bits):
        whole = values.astype(np.int64)
        first, (value_bytes, value_width) = int(whole[0]), _narrow(np.diff(whole))
    else:
        first, value_width = int(bits[0]), 0
        value_bytes = _shuffled(bits[1:] ^ bits[:-1])
    header = _CHUNK.pack(gap_width, value_width, len(times), int(times[0]), step, first)
    return header + zlib.compress(gap_bytes + value_bytes, 1)


def unpacked(body: bytes) -> tuple[Millis, Array]:
    """What `packed` packed."""
    gap_width, value_width, count, start, step, first = _CHUNK.unpack_from(body)
    payload = zlib.decompress(memoryview(body)[_CHUNK.size :])
    split = gap_width * (count - 1)
    if gap_width:
        times = _running_sum(start, _widened(payload[:split], gap_width))
    else:
        times = start + step * np.arange(count, dtype=np.int64)
    if value_width:
        whole = _running_sum(first, _widened(payload[split:], value_width))
        return times, whole.astype(np.float64)
    changes = np.concatenate((np.array([first]), _widened(payload[split:], 8)))
    return times, np.bitwise_xor.accumulate(changes).view(np.float64)


def _all_whole(values: Array, bits: npt.NDArray[np.int64]) -> bool:
    with np.errstate(invalid="ignore"):
        exact = (np.abs(values) < _WHOLE) & (values == np.rint(values))
    negative_zero = np.iinfo(np.int64).min
    return bool(np.all(exact)) and not bool(np.any(bits == negative_zero))


def _narrow(numbers: Millis) -> tuple[bytes, int]:
    """*numbers* in the narrowest integers that hold them, bytes shuffled, and their width."""
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    for kind in _INTEGERS:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return _shuffled(numbers.astype(kind)), np.dtype(kind).itemsize
    raise AssertionError("an int64 fits into an int64")


def _shuffled(numbers: npt.NDArray[np.signedinteger]) -> bytes:
    """First bytes of all numbers, then all second bytes, and so on."""
    return numbers.view(np.uint8).reshape(-1, numbers.dtype.itemsize).T.tobytes()


def _widened(data: bytes, width: int) -> Millis:
    plain = np.frombuffer(data, np.uint8).reshape(width, -1).T
    return np.ascontiguousarray(plain).view(f"<i{width}").reshape(-1).astype(np.int64)


def _running_sum(first: int, steps: Millis) -> Millis:
    return np.cumsum(np.concatenate((np.array([first], dtype=np.int64), steps)))
