"""A training set as Lightning reads it: batches from the memory-mapped arrays, with no copy of the set in memory.

Every draw of chance comes from (seed, epoch, step, process) and nothing before it, so that an epoch is the same
whatever ran earlier in the process: a resumed run equals one that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from training.datasets.store import Subset
from training.train.augment import augment
from training.train.shared_arrays import MappedFile, reopened, without_arrays


class Batch(NamedTuple):
    """Images uint8 [n, side, side, 3], labels float32 [n, 14], bones uint8 [n, 2, channels, 28, 28] or None."""

    images: Tensor
    labels: Tensor
    bones: Tensor | None


class Draw(NamedTuple):
    """Which specimens make a batch (positions in the subset), and what chance in it is drawn from."""

    epoch: int
    step: int
    process: int
    rows: NDArray[np.int64]


class Draws(Sampler[Draw]):
    """The batches of an epoch: `size` specimens at most over all processes, of which this process takes its share.

    All batches differ by one specimen at most, so every process has as many steps, and no batch is nearly empty.
    """

    def __init__(self, specimens: int, size: int, *, seed: int | None, process: int = 0, processes: int = 1) -> None:
        """Shuffle by `seed` and epoch, or keep the order if it is None."""
        self._specimens = specimens
        self._steps = steps_of(specimens, size)
        self._seed = seed
        self._process, self._processes = process, processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; Lightning does."""
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
    """A subset by draws; augmented if it has a seed."""

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
        """Hand another process the files of the arrays instead of the arrays."""
        return _reopened_specimens, (*without_arrays(self._subset), self._seed)


def _reopened_specimens(subset: Subset, files: dict[str, MappedFile], seed: int | None) -> Specimens:
    return Specimens(reopened(subset, files), seed)


class SpecimenData(pl.LightningDataModule):
    """Training specimens, shuffled and augmented, and validation specimens as they are."""

    def __init__(self, train: Subset, validation: Subset, *, batch: int, seed: int, workers: int = 0) -> None:
        super().__init__()
        self._train, self._validation = train, validation
        self._batch, self._seed, self._workers = batch, seed, workers

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the next epoch."""
        return self._loader(self._train, self._seed)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of all validation specimens, in order."""
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
            # A generator of its own: else the loader would draw from the one that dropout uses.
            generator=torch.Generator(),
        )


def steps_of(specimens: int, size: int) -> int:
    """Batches of an epoch."""
    return math.ceil(specimens / size)
