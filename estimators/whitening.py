"""Length of a vector once the correlations seen so far are taken out, for many series at once.

The Mahalanobis length by the inverse of a Cholesky factor (Golub and Van Loan, Matrix
Computations, §4.2): `|L⁻¹ z|²` with `L Lᵀ` the covariance. Only the lower triangle of `L⁻¹` is
kept, as 16-bit fixed point. Every step is elementwise over series, so that one series' figures
do not depend on which others are worked on beside it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from estimators.averages import NARROW, Numbers, decayed

Packed = npt.NDArray[np.int16]
Column = npt.NDArray[np.float64]
UNIT = np.float32(1e-3)
"""One step of the fixed point. With RIDGE no entry of L⁻¹ exceeds 1/√RIDGE = 31.6."""
RIDGE = 1e-3
"""Added to every variance: bands that move as one are not divided by nothing."""


def pairs(count: int) -> int:
    """Entries of one triangle of a matrix of *count* rows."""
    return count * (count + 1) // 2


def learnt(covariance: Numbers, vectors: Numbers, gain: np.float32) -> Numbers:
    """The averaged lower triangle of `z zᵀ` after each row of [time, entry, series] vectors."""
    weighted = vectors * np.sqrt(gain)
    if len(vectors) > 2 and covariance.size <= NARROW:
        return decayed(_products(weighted), covariance, gain)
    keep = np.float32(1.0) - gain
    result, product = covariance.copy(), np.empty_like(covariance)
    for row in weighted:
        result *= keep
        result += _products(row[None], product[None])[0]
    return result


def _products(vectors: Numbers, result: Numbers | None = None) -> Numbers:
    rows, count, series = vectors.shape
    if result is None:
        result = np.empty((rows, pairs(count), series), np.float32)
    at = 0
    for i in range(count):
        np.multiply(vectors[:, i : i + 1], vectors[:, : i + 1], out=result[:, at : at + i + 1])
        at += i + 1
    return result


def whitener(covariance: npt.NDArray[Any], doubt: Column) -> Packed:
    """Packed `L⁻¹` of each series' packed covariance [pair, series].

    *doubt* is the share by which a series' own covariance is shrunk to independence.
    """
    count = int((2 * len(covariance)) ** 0.5)
    own = covariance.astype(np.float64) * (1.0 - doubt)
    factor = _cholesky(own, count, doubt + RIDGE)
    inverse = _inverse(factor, count)
    packed = np.array([inverse[i][j] for i in range(count) for j in range(i + 1)])
    return np.clip(np.rint(packed / UNIT), -32767, 32767).astype(np.int16)


def unmixed(count: int) -> Packed:
    """The packed whitener of independent entries of variance one."""
    whole = np.diag(np.full(count, (1.0 + RIDGE) ** -0.5))
    return np.rint(whole[np.tril_indices(count)] / UNIT).astype(np.int16)


def power(packed: Packed, vectors: Numbers) -> Numbers:
    """Mean square of the whitened vectors, [time, series]."""
    rows, count, series = vectors.shape
    weights = packed.astype(np.float32)
    result = np.zeros((rows, series), np.float32)
    mixed, part = np.empty_like(result), np.empty_like(result)
    at = 0
    for i in range(count):
        np.multiply(vectors[:, 0], weights[at], out=mixed)
        for j in range(1, i + 1):
            np.multiply(vectors[:, j], weights[at + j], out=part)
            mixed += part
        mixed *= mixed
        result += mixed
        at += i + 1
    result *= UNIT * UNIT / np.float32(count)
    return result


def _cholesky(packed: Column, count: int, ridge: Column) -> list[list[Column]]:
    """Lower factor, entry by entry, each an array over series."""
    lower: list[list[Column]] = []
    for i in range(count):
        row: list[Column] = []
        for j in range(i + 1):
            left = packed[i * (i + 1) // 2 + j]
            for k in range(j):
                left = left - row[k] * (row[k] if i == j else lower[j][k])
            diagonal = np.sqrt(np.maximum(left + ridge, RIDGE))
            row.append(diagonal if i == j else left / lower[j][j])
        lower.append(row)
    return lower


def _inverse(lower: list[list[Column]], count: int) -> list[list[Column]]:
    """Inverse of a lower triangle by forward substitution."""
    inverse: list[list[Column]] = []
    for i in range(count):
        row: list[Column] = []
        for j in range(i):
            total = lower[i][j] * inverse[j][j]
            for k in range(j + 1, i):
                total = total + lower[i][k] * inverse[k][j]
            row.append(-total / lower[i][i])
        row.append(1.0 / lower[i][i])
        inverse.append(row)
    return inverse
