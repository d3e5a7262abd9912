"""Batches of simulated specimens, drawn by worker processes while the network trains.

Specimen number k of a stream has the seed `first_seed + k`, whichever process draws it, so a batch depends on the
stream's first seed, its epoch and its step only: a resumed run sees what an uninterrupted one would have seen. Where
intake rejects a specimen, the next seed of a separate range takes its place, so all batches have the same size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from services.common.atomic import atomic
from services.common.errors import Fatal
from training.train.batches import steps_per_epoch


@dataclass(frozen=True)
class DrawnSpecimen:
    """One specimen as networks learn from it.

    `tensor` is uint8 [side, side, 3]; `labels` uint8 [14] of 0, 1 and `training.datasets.arrays.MISSING`; `bones` uint8
    [2, channels, 56, 56] (`training.simulation.bone_truth`). `points` float32 [2, landmarks, 2] are the landmarks of DV
    and LAT, x and y in [-1, 1] from edge to edge of the view; `present` bool [2, landmarks].
    """

    tensor: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    bones: NDArray[np.uint8]
    points: NDArray[np.float32]
    present: NDArray[np.bool_]


DrawSpecimen = Callable[[int], DrawnSpecimen | None]
"""Draws the specimen of a seed; None if intake rejects it. It must be picklable, so that workers can draw."""


class DrawnBatch(NamedTuple):
    """The arrays of `DrawnSpecimen` for n specimens; labels are float32."""

    images: Tensor
    labels: Tensor
    bones: Tensor
    points: Tensor
    present: Tensor


_ATTEMPTS: Final = 20
_SPARE_SEEDS: Final = 1 << 40
"""Distance from a rejected seed to the one that replaces it: no stream and no set is that long."""


def draw_accepted(draw: DrawSpecimen, seed: int) -> DrawnSpecimen:
    """Draw the specimen of a seed, or the one that replaces it; raises Fatal if intake rejects all that are tried."""
    for attempt in range(_ATTEMPTS):
        specimen = draw(seed + attempt * _SPARE_SEEDS)
        if specimen is not None:
            return specimen
    msg = f"intake rejected {_ATTEMPTS} specimens in place of seed {seed}: the simulation does not fit intake's limits"
    raise Fatal(msg)


def batch_of(specimens: list[DrawnSpecimen]) -> DrawnBatch:
    """Stack specimens into a batch."""
    names = ("tensor", "labels", "bones", "points", "present")
    arrays = [torch.from_numpy(np.stack([getattr(one, name) for one in specimens])) for name in names]
    return DrawnBatch(arrays[0], arrays[1].float(), *arrays[2:])


class StreamSteps(Sampler[int]):
    """The numbers of the batches of an epoch, counted from the start of the stream.

    The number of finished epochs is asked for when an iteration starts. Lightning's own way, `set_epoch`, comes too
    late in a resumed run: worker processes have then drawn their first batches.
    """

    def __init__(self, steps: int, finished: Callable[[], int]) -> None:
        self._steps, self._finished = steps, finished

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[int]:
        first = self._finished() * self._steps
        return iter(range(first, first + self._steps))


class DrawnBatches(Dataset[DrawnBatch]):
    """The batches of a stream, by number."""

    def __init__(self, draw: DrawSpecimen, first_seed: int, size: int) -> None:
        self._draw, self._first_seed, self._size = draw, first_seed, size

    def __getitem__(self, number: int) -> DrawnBatch:
        first = self._first_seed + number * self._size
        return batch_of([draw_accepted(self._draw, seed) for seed in range(first, first + self._size)])


class StoredBatches(Dataset[DrawnBatch]):
    """A batch of all specimens, in batches of a size."""

    def __init__(self, all_specimens: DrawnBatch, size: int) -> None:
        self._all, self._size = all_specimens, size

    def __len__(self) -> int:
        return steps_per_epoch(len(self._all.images), self._size)

    def __getitem__(self, number: int) -> DrawnBatch:
        if number >= len(self):
            raise IndexError(number)
        rows = slice(number * self._size, (number + 1) * self._size)
        return DrawnBatch(*(array[rows] for array in self._all))


class StreamData(pl.LightningDataModule):
    """The stream to train on, `steps` batches per epoch, and the fixed specimens to validate on.

    `finished` returns the number of finished epochs.
    """

    def __init__(
        self,
        stream: DrawnBatches,
        validation: DrawnBatch,
        finished: Callable[[], int],
        *,
        batch: int,
        steps: int,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self._stream, self._validation, self._finished = stream, validation, finished
        self._batch, self._steps, self._workers = batch, steps, workers

    def train_dataloader(self) -> DataLoader[DrawnBatch]:
        """Return the batches of the next epoch."""
        return drawing_loader(self._stream, StreamSteps(self._steps, self._finished), self._workers)

    def val_dataloader(self) -> DataLoader[DrawnBatch]:
        """Return the batches of all validation specimens, in order."""
        batches = StoredBatches(self._validation, self._batch)
        return drawing_loader(batches, range(len(batches)), workers=0)


def drawing_loader(batches: Dataset[DrawnBatch], numbers: Any, workers: int) -> DataLoader[DrawnBatch]:
    """Return a loader that draws batches in worker processes, in the order of their numbers."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread if workers else None,
        # Not fork: a forked child of a process with torch or OpenCV threads may hang.
        multiprocessing_context="spawn" if workers else None,
        # A separate generator: otherwise the loader would use that of dropout.
        generator=torch.Generator(),
    )


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)


def stored_set(path: Path, make: Callable[[], DrawnBatch]) -> DrawnBatch:
    """Return the specimens in a file; if it does not exist, make them and write it, completely or not at all."""
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as part:
            torch.save(made._asdict(), part)
    return DrawnBatch(**torch.load(path, map_location="cpu", weights_only=True))


OnDrawn = Callable[[int, int], None]
"""Called with the number of specimens that are drawn, and the total."""
_SET_BATCH: Final = 4


def draw_set(
    draw: DrawSpecimen, first_seed: int, count: int, *, workers: int = 0, on_drawn: OnDrawn | None = None
) -> DrawnBatch:
    """Draw `count` specimens, a multiple of 4, to validate on."""
    parts: list[DrawnBatch] = []
    for part in drawing_loader(DrawnBatches(draw, first_seed, _SET_BATCH), range(count // _SET_BATCH), workers):
        parts.append(part)
        if on_drawn is not None:
            on_drawn(len(parts) * _SET_BATCH, count)
    return DrawnBatch(*(torch.cat(arrays) for arrays in zip(*parts, strict=True)))
