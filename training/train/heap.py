"""The C allocator's manners while training on the CPU."""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""
_NEVER_TRIM: Final = -1


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process; False where the C library is not glibc.

    Torch asks for every activation anew. By default glibc takes each of these from the kernel and gives it back at
    once, and the kernel clears every page again: a third of the training time on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER_TRIM))
