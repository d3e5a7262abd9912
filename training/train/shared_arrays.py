"""Subsets between processes: NumPy pickles a memory-mapped array as a copy of its file; here the file's name goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.datasets.store import Images, Subset


@dataclass(frozen=True)
class MappedFile:
    """A memory-mapped array, to be opened again for reading."""

    name: str
    offset: int
    shape: tuple[int, ...]

    def open(self) -> Images:
        """Map the file."""
        return np.memmap(self.name, dtype=np.uint8, mode="r", offset=self.offset, shape=self.shape)


def without_arrays(subset: Subset) -> tuple[Subset, dict[str, MappedFile]]:
    """Replace the memory-mapped arrays of a subset by empty ones and tell their files; other arrays stay."""
    files = {
        name: MappedFile(str(array.filename), array.offset, array.shape)
        for name in ("images", "bones")
        if isinstance(array := getattr(subset, name), np.memmap)
    }
    empty: dict[str, Any] = dict.fromkeys(files, np.empty(0, dtype=np.uint8))
    return replace(subset, **empty), files


def reopened(subset: Subset, files: dict[str, MappedFile]) -> Subset:
    """Undo `without_arrays`, in another process."""
    arrays: dict[str, Any] = {name: file.open() for name, file in files.items()}
    return replace(subset, **arrays)
