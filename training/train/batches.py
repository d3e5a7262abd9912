"""A training set as Lightning reads it: augmented batches from the memory-mapped arrays, without a copy in memory.

Every random number depends on (seed, epoch, step, process) only, so an epoch does not depend on what ran earlier in the
process: a resumed run equals an uninterrupted one.

Augmentation makes small changes to images that keep their labels true: shift, rotation, scale and gain, never a mirror
flip. Between processes, subsets are sent by the names of their files, because NumPy pickles a memory-mapped array as a
copy of its file.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from training.datasets.store import Images, Subset


@dataclass(frozen=True)
class MappedFile:
    """The file of a memory-mapped array, to be opened again for reading."""

    name: str
    offset: int
    shape: tuple[int, ...]

    def open(self) -> Images:
        """Map the file as uint8 of its shape, read-only."""
        return np.memmap(self.name, dtype=np.uint8, mode="r", offset=self.offset, shape=self.shape)


def detach_arrays(subset: Subset) -> tuple[Subset, dict[str, MappedFile]]:
    """Replace a subset's memory-mapped arrays with empty ones and return their files by name; other arrays stay."""
    files = {
        name: MappedFile(str(array.filename), array.offset, array.shape)
        for name in ("images", "bones")
        if isinstance(array := getattr(subset, name), np.memmap)
    }
    empty: dict[str, Any] = dict.fromkeys(files, np.empty(0, dtype=np.uint8))
    return replace(subset, **empty), files


def reattach_arrays(subset: Subset, files: dict[str, MappedFile]) -> Subset:
    """Undo `detach_arrays` in another process."""
    arrays: dict[str, Any] = {name: file.open() for name, file in files.items()}
    return replace(subset, **arrays)


Matrix = NDArray[np.float64]

SHIFT: Final = 6 / 224
"""Largest shift as a share of the side, in both directions."""
ROTATION: Final = 4.0
"""Largest rotation in degrees, in both directions."""
SCALE: Final = 0.05
"""Largest relative change of size, in both directions."""
GAIN: Final = 0.15
"""Largest relative change of grey levels, in both directions."""


def augment(images: Images, bones: Images | None, random: np.random.Generator) -> tuple[Images, Images | None]:
    """Change each image of uint8 [n, side, side, 3] by its own random amounts, and its bone truth in the same way.

    `bones` is uint8 [n, 2, channels, 56, 56], the positions of bones in both views (`training.simulation.bone_truth`).
    """
    moves = [_move(random) for _ in images]
    gains = 1 + GAIN * random.uniform(-1, 1, size=len(images))
    changed = [
        cv2.convertScaleAbs(_moved(image, move, cv2.BORDER_REPLICATE), alpha=gain)
        for image, move, gain in zip(images, moves, gains, strict=True)
    ]
    if bones is None:
        return np.stack(changed), None
    return np.stack(changed), np.stack([_moved_maps(maps, move) for maps, move in zip(bones, moves, strict=True)])


def _move(random: np.random.Generator) -> Matrix:
    """Return an affine map [2, 3] of coordinates relative to the image's centre, in units of its side."""
    right, down, turn, zoom = random.uniform(-1, 1, size=4)
    matrix = cv2.getRotationMatrix2D((0, 0), turn * ROTATION, 1 + zoom * SCALE)
    matrix[:, 2] = SHIFT * right, SHIFT * down
    return np.asarray(matrix, dtype=np.float64)


def _moved(image: Images, move: Matrix, border: int) -> Images:
    side = image.shape[0]
    middle = np.full(2, (side - 1) / 2)
    shift = move[:, 2] * side + middle - move[:, :2] @ middle
    matrix = np.column_stack([move[:, :2], shift])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border))


def _moved_maps(maps: Images, move: Matrix) -> Images:
    flat = maps.reshape(-1, *maps.shape[2:])
    # Most channels are empty: few bones are altered.
    moved = [_moved(one, move, cv2.BORDER_CONSTANT) if one.any() else one for one in flat]
    return np.stack(moved).reshape(maps.shape)


class Batch(NamedTuple):
    """Images uint8 [n, side, side, 3], labels float32 [n, 14], bones uint8 [n, 2, channels, 56, 56] or None."""

    images: Tensor
    labels: Tensor
    bones: Tensor | None


class Draw(NamedTuple):
    """The specimens of a batch, as positions in the subset, and the numbers that seed its augmentation."""

    epoch: int
    step: int
    process: int
    rows: NDArray[np.int64]


class Draws(Sampler[Draw]):
    """The batches of an epoch: at most `size` specimens over all processes, of which this process takes its share.

    The sizes of all batches differ by at most one specimen, so every process has the same number of steps, and no batch
    is nearly empty.
    """

    def __init__(self, specimens: int, size: int, *, seed: int | None, process: int = 0, processes: int = 1) -> None:
        """Shuffle by `seed` and epoch; with None keep the order."""
        self._specimens = specimens
        self._steps = steps_per_epoch(specimens, size)
        self._seed = seed
        self._process, self._processes = process, processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch; Lightning calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Draw]:
        order = np.arange(self._specimens)
        if self._seed is not None:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(order)
        for step, rows in enumerate(np.array_split(order, self._steps)):
            yield Draw(self._epoch, step, self._process, rows[self._process :: self._processes])


class Specimens(Dataset[Batch]):
    """A subset, indexed by draws; augmented if it has a seed."""

    def __init__(self, subset: Subset, seed: int | None) -> None:
        self._subset = subset
        self._seed = seed

    def __getitem__(self, draw: Draw) -> Batch:
        images, bones = self._subset.pictures(draw.rows), self._subset.bone_truth(draw.rows)
        if self._seed is not None:
            random = np.random.default_rng((self._seed, draw.epoch, draw.step, draw.process))
            images, bones = augment(images, bones, random)
        labels = torch.from_numpy(self._subset.labels[draw.rows]).float()
        return Batch(torch.from_numpy(images), labels, None if bones is None else torch.from_numpy(bones))

    def __reduce__(self) -> tuple[Any, ...]:
        """Send another process the files of the arrays instead of the arrays."""
        return _reattached_specimens, (*detach_arrays(self._subset), self._seed)


def _reattached_specimens(subset: Subset, files: dict[str, MappedFile], seed: int | None) -> Specimens:
    return Specimens(reattach_arrays(subset, files), seed)


class SpecimenData(pl.LightningDataModule):
    """Training specimens, shuffled and augmented, and validation specimens, unchanged and in order."""

    def __init__(self, train: Subset, validation: Subset, *, batch: int, seed: int, workers: int = 0) -> None:
        super().__init__()
        self._train, self._validation = train, validation
        self._batch, self._seed, self._workers = batch, seed, workers

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the next epoch."""
        return self._loader(self._train, self._seed)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of all validation specimens, in order."""
        return self._loader(self._validation, None)

    def _loader(self, subset: Subset, seed: int | None) -> DataLoader[Batch]:
        trainer = self.trainer
        process, processes = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        return DataLoader(
            Specimens(subset, seed),
            batch_size=None,
            sampler=Draws(len(subset), self._batch, seed=seed, process=process, processes=processes),
            num_workers=self._workers,
            persistent_workers=self._workers > 0,
            # A separate generator: otherwise the loader would use that of dropout.
            generator=torch.Generator(),
        )


def steps_per_epoch(specimens: int, size: int) -> int:
    """Return the number of batches per epoch."""
    return math.ceil(specimens / size)
