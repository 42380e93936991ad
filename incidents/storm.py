"""What a storm of findings is spared: looking again and again for garbage that is none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

STORM = 1000
"""Findings of one tick from which on it is a storm; our judgement."""


@contextmanager
def no_collection(findings: int) -> Iterator[None]:
    """Put the cycle collector off while a storm is taken in.

    Thousands of incidents are half a million objects that all stay, and the collector would walk
    them at every step of their growth: a sixth of the time, measured. It is a switch of the whole
    process, so it is thrown for storms alone and for a second or two.
    """
    if findings < STORM or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
