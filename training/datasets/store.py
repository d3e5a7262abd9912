"""A training set on disk: memory-mapped arrays, and `specimens.jsonl` with one line for each finished specimen.

`images.npy` holds the tensors as served, `views.npy` the mean views from which they were fused, `bones.npy` the bone
truth. Tensors at the full resolution of the stored views are computed once from the mean views and kept next to them. A
specimen's line is written after its arrays, so a set that was stopped at any point can be continued.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from services.common.preprocessing import VIEW_SIDE
from services.fuser.fuse import fuse
from training.datasets.arrays import Input, select_bone_views, select_views
from training.datasets.recipe import Part, Recipe
from training.simulation.bone_truth import CHANNELS, SIDE

Images = NDArray[np.uint8]
_IMAGES = "images.npy"
_VIEWS = "views.npy"
_BONES = "bones.npy"
LINES = "specimens.jsonl"
RECIPE = "recipe.json"


@dataclass(frozen=True)
class StoredSpecimen:
    """One finished specimen: row `index` of the images, which is empty if intake rejected a picture.

    `labels` has 14 entries 0/1 in the order of `LABEL_ORDER`; `sources` are the accepted images: view, SHA-256 of the
    file, SHA-256 of the standardised view's PNG; `digest` is the tensor's SHA-256; `refused` is intake's reason code,
    or empty.
    """

    index: int
    specimen: str
    centre: str
    labels: tuple[int, ...]
    digest: str
    refused: str = ""
    sources: tuple[tuple[str, str, str], ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it can be used: accepted, and not abnormal only outside the thirteen labels."""
        return not self.refused and (self.labels[0] == 0 or any(self.labels[1:]))


@dataclass(frozen=True)
class SpecimenArrays:
    """Arrays of one specimen: tensor uint8 [side, side, 3], mean views uint8 [2, 448, 448] (DV, LAT), and bone truth.

    `bones` is uint8 [2, channels, 56, 56]; see `training.simulation.bone_truth`.
    """

    tensor: Images
    views: Images
    bones: Images


@dataclass(frozen=True)
class Subset:
    """Specimens of one part.

    `rows` [n] index `images` (uint8 [all, side, side, 3]) and `bones` (uint8 [all, 2, channels, 56, 56]; None for real
    mice, for which they are unknown). `labels` are uint8 [n, 14] of 0, 1 and `training.datasets.arrays.MISSING`,
    `centres` [n]. `input` names the views that `pictures` returns.
    """

    images: Images
    bones: Images | None
    rows: NDArray[np.int64]
    labels: NDArray[np.uint8]
    centres: tuple[str, ...]
    input: Input = "MV"

    def __len__(self) -> int:
        return len(self.rows)

    def share(self, share: float) -> Subset:
        """A share (0 to 1) of the specimens, evenly spread over the rows: one half is every second specimen."""
        chosen = np.flatnonzero(np.diff(np.floor(np.arange(len(self) + 1) * share)))
        centres = tuple(self.centres[position] for position in chosen.tolist())
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen], centres=centres)

    def pictures(self, positions: NDArray[np.int64] | slice) -> Images:
        """Tensors uint8 [chosen, side, side, 3] of specimens of this part."""
        return select_views(self.images[self.rows[positions]], self.input)

    def bone_truth(self, positions: NDArray[np.int64]) -> Images | None:
        """Bone truth uint8 [chosen, 2, channels, 56, 56] of specimens of this part; None if unknown."""
        return None if self.bones is None else select_bone_views(self.bones[self.rows[positions]], self.input)

    def batches(self, size: int) -> Iterator[Images]:
        """Yield the images in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.pictures(slice(start, start + size))


class SetFolder:
    """The training set in a folder, for reading and adding; raises Rejected `other_recipe`."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.recipe = recipe
        self.folder = folder
        self._lines = folder / LINES
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder / RECIPE, recipe)
        _drop_cut_line(self._lines)
        shapes = array_shapes(recipe)
        self.images: Images = _array(folder / _IMAGES, shapes[_IMAGES])
        self.views: Images = _array(folder / _VIEWS, shapes[_VIEWS])
        self.bones: Images = _array(folder / _BONES, shapes[_BONES])

    def entries(self) -> list[StoredSpecimen]:
        """Return the finished specimens, sorted by index."""
        parsed = [json.loads(line) for line in self._lines.read_text(encoding="utf-8").splitlines()]
        return sorted(map(_entry, parsed), key=_index)

    def missing(self) -> list[int]:
        """Return the indices of specimens that are not finished."""
        done = {entry.index for entry in self.entries()}
        return [index for index in range(self.recipe.specimens) if index not in done]

    def add(self, entry: StoredSpecimen, pictures: SpecimenArrays | None) -> None:
        """Store one finished specimen."""
        if pictures is not None:
            self.images[entry.index] = pictures.tensor
            self.views[entry.index] = pictures.views
            self.bones[entry.index] = pictures.bones
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")

    def subset(self, part: Part, which: Input = "MV") -> Subset:
        """Return the usable specimens of a part, with the views `which`."""
        chosen = [entry for entry in self.entries() if entry.usable and self.part(entry) == part]
        return Subset(
            self.images,
            self.bones,
            np.array([entry.index for entry in chosen], dtype=np.int64),
            np.array([entry.labels for entry in chosen], dtype=np.uint8).reshape(-1, len(LABEL_ORDER)),
            tuple(entry.centre for entry in chosen),
            which,
        )

    def part(self, entry: StoredSpecimen) -> Part:
        """Return the part that a specimen belongs to."""
        return self.recipe.part(entry.index, entry.specimen)

    def digest(self) -> str:
        """SHA-256 of every tensor's digest and labels: equal for equal training sets."""
        lines = [json.dumps(asdict(entry), sort_keys=True) for entry in self.entries()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def array_shapes(recipe: Recipe) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array of a recipe's set, all uint8."""
    count, side = recipe.specimens, recipe.side
    return {
        _IMAGES: (count, side, side, 3),
        _VIEWS: (count, 2, VIEW_SIDE, VIEW_SIDE),
        _BONES: (count, 2, len(CHANNELS), SIDE, SIDE),
    }


def _array(path: Path, shape: tuple[int, ...]) -> Images:
    mode: Literal["r+", "w+"] = "r+" if path.exists() else "w+"
    array: Images = np.lib.format.open_memmap(path, mode=mode, dtype=np.uint8, shape=shape)
    return array


def _entry(item: dict[str, Any]) -> StoredSpecimen:
    sources = tuple(tuple(source) for source in item["sources"])
    return StoredSpecimen(**{**item, "labels": tuple(item["labels"]), "sources": sources})


def _index(entry: StoredSpecimen) -> int:
    return entry.index


def _drop_cut_line(path: Path) -> None:
    """Create the file, or remove an incomplete last line left by a crash."""
    path.touch()
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _claim(path: Path, recipe: Recipe) -> None:
    if not path.exists():
        path.write_text(json.dumps(recipe.as_dict(), indent=2) + "\n", encoding="utf-8")
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    if found != recipe.as_dict():
        msg = f"{path.parent} holds a training set of recipe {found}, not {recipe.as_dict()}: choose another folder"
        raise Rejected("other_recipe", msg)


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
