"""Tensors of the stored views' full side, from the mean views of a set: made once, beside its arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.common.preprocessing import VIEW_SIDE
from services.fuser.fuse import fuse
from training.datasets.store import Images, SetFolder, Subset


def at_side(subset: Subset, store: SetFolder, side: int) -> Subset:
    """The subset of a set with tensors of the side that a model takes: the set's own, or the stored views'."""
    return replace(subset, images=finer_images(store)) if side == VIEW_SIDE else subset


def finer_images(store: SetFolder) -> Images:
    """Return uint8 [n, 448, 448, 3]; rows of specimens without pictures are black.

    They are what the fuser makes of the mean views; of several images its edges are those of the mean, as at 224.
    """
    path = store.folder / f"images-{VIEW_SIDE}.npy"
    shape = (len(store.views), VIEW_SIDE, VIEW_SIDE, 3)
    if not path.exists():
        new = path.with_suffix(".new.npy")  # always the same: a stopped run's gigabytes are written over, not left
        images: Images = np.lib.format.open_memmap(new, mode="w+", dtype=np.uint8, shape=shape)
        for entry in store.entries():
            if entry.digest:
                dorsoventral, lateral = store.views[entry.index]
                images[entry.index] = fuse([dorsoventral], [lateral], VIEW_SIDE)
        images.flush()  # type: ignore[attr-defined]
        new.replace(path)
    found: Images = np.load(path, mmap_mode="r")
    return found
