"""How large an open source is."""

from __future__ import annotations

import os
from typing import BinaryIO


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file, which is then at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size
