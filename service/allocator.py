"""How the C library keeps memory for us: in few places, and large blocks not at all once freed.

glibc gives threads arenas of their own and, after the first large block was freed, keeps blocks of
up to 32 MiB in each of them. With many threads that each read one large page now and then, a node
agent would hold hundreds of megabytes that it does not use. Under the interpreter's lock one arena
is as fast as many. See mallopt(3).
"""

import ctypes

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE_BYTES = 512 * 1024


def settle() -> bool:
    """Say so to the C library; False where it is not glibc. Best before any thread begins."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)) and bool(mallopt(_ARENA_MAX, 1))
