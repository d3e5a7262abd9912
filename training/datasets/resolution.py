"""Tensors at the full resolution of the stored views, computed once from a set's mean views and kept next to them."""

from dataclasses import replace

import numpy as np

from services.common.preprocessing import VIEW_SIDE
from services.fuser.fuse import fuse
from training.datasets.store import Images, SetFolder, Subset


def at_side(subset: Subset, store: SetFolder, side: int) -> Subset:
    """The subset with tensors of the side that a model reads: the set's own, or that of the stored views."""
    return replace(subset, images=full_resolution(store)) if side == VIEW_SIDE else subset


def full_resolution(store: SetFolder) -> Images:
    """Return tensors uint8 [n, 448, 448, 3]; rows of specimens without pictures are black.

    The fuser computes them from the mean views. With several images, edges are those of the mean, as at 224.
    """
    path = store.folder / f"images-{VIEW_SIDE}.npy"
    shape = (len(store.views), VIEW_SIDE, VIEW_SIDE, 3)
    if not path.exists():
        new = path.with_suffix(".new.npy")  # a fixed name: the next run overwrites the gigabytes of a stopped one
        images: Images = np.lib.format.open_memmap(new, mode="w+", dtype=np.uint8, shape=shape)
        for entry in store.entries():
            if entry.digest:
                dorsoventral, lateral = store.views[entry.index]
                images[entry.index] = fuse([dorsoventral], [lateral], VIEW_SIDE)
        images.flush()  # type: ignore[attr-defined]
        new.replace(path)
    found: Images = np.load(path, mmap_mode="r")
    return found
