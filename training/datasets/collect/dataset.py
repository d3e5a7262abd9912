"""A dataset on disk, as training reads it.

    images.npy           uint8 [n, side, side, 3], one row per specimen, memory-mapped
    manifest.parquet     the same rows: part, labels and their sources (`training.datasets.collect.write`)
    evaluation.parquet   the fixed evaluation set on which models are judged
    dataset.json         digest and counts (`Description`)

A dataset is never changed; other tensors or labels make another dataset in its own folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.errors import Rejected
from services.common.events.base import Sha256
from services.common.labels import LABEL_ORDER
from training.datasets.arrays import MISSING
from training.datasets.store import Images, Subset


class LabelCount(BaseModel):
    """Number of specimens of a dataset for which a label is positive, negative or unknown."""

    model_config = ConfigDict(frozen=True)

    positives: int = Field(ge=0)
    negatives: int = Field(ge=0)
    missing: int = Field(ge=0)


class EvaluationCount(BaseModel):
    """The fixed evaluation set on which models of a dataset are judged.

    `generation` counts how often it has grown, `digest` is the SHA-256 of its specimens, `waiting` counts
    labelled specimens of the test part that are not in it yet, `relabelled` those of its specimens whose labels have
    changed since they joined.
    """

    model_config = ConfigDict(frozen=True)

    generation: int = Field(ge=1)
    digest: Sha256
    specimens: int = Field(ge=1)
    waiting: int = Field(ge=0)
    relabelled: int = Field(ge=0)


class Description(BaseModel):
    """`dataset.json`: counts of what a dataset contains and what was left out.

    `digest` is the SHA-256 over every specimen's tensor, labels and part, the preprocessing version and the evaluation
    set. `specimens` counts by part, `centres` by centre, `labels` by name of `LABEL_ORDER`, `label_sources` the labels
    by source, `left_out` specimens by reason.
    """

    model_config = ConfigDict(frozen=True)

    digest: Sha256
    preprocessing_version: str
    tensor_side: int = Field(ge=32)
    specimens: dict[str, int]
    centres: dict[str, int]
    labels: dict[str, LabelCount]
    label_sources: dict[str, int]
    evaluation: EvaluationCount
    left_out: dict[str, int]
    conflicts: dict[str, int]


IMAGES: Final = "images.npy"
MANIFEST: Final = "manifest.parquet"
EVALUATION: Final = "evaluation.parquet"
DESCRIPTION: Final = "dataset.json"
FILES: Final = (IMAGES, MANIFEST, EVALUATION, DESCRIPTION)

Learnt = Literal["train", "validation"]
"""Parts that training reads; specimens of the test part are used once they are in the evaluation set."""


@dataclass(frozen=True)
class Dataset:
    """One version of the training data; all arrays follow the rows of the manifest, sorted by specimen.

    `images` is uint8 [n, side, side, 3], `labels` uint8 [n, 14] of 0, 1 and `MISSING` in the order of `LABEL_ORDER`,
    `specimens`, `centres` and `parts` have length n, `evaluated` bool [n] marks the fixed evaluation set.
    """

    folder: Path
    description: Description
    images: Images
    specimens: tuple[str, ...]
    centres: tuple[str, ...]
    parts: tuple[str, ...]
    labels: NDArray[np.uint8]
    evaluated: NDArray[np.bool_]

    @classmethod
    def read(cls, folder: Path) -> Dataset:
        """Open the dataset in a folder; the images stay on disk.

        Raises Rejected: `no_dataset` where a file is missing, `dataset_damaged` where the files do not agree.
        """
        absent = [name for name in FILES if not (folder / name).is_file()]
        if absent:
            message = (
                f"{folder} holds no complete dataset, without {', '.join(absent)}: make one with `xray train collect`"
            )
            raise Rejected("no_dataset", message, missing=absent)
        description = _opened(folder, DESCRIPTION, lambda path: Description.model_validate_json(path.read_bytes()))
        images = _opened(folder, IMAGES, lambda path: np.load(path, mmap_mode="r"))
        table = _opened(folder, MANIFEST, pq.read_table)
        dataset: Dataset = _opened(folder, MANIFEST, lambda _path: cls(folder, description, images, **_columns(table)))
        side = description.tensor_side
        expected = (sum(description.specimens.values()), side, side, 3)
        if images.shape != expected or len(dataset.specimens) != len(images) or images.dtype != np.uint8:
            message = f"{folder}: {IMAGES}, {MANIFEST} and {DESCRIPTION} do not match: remove the folder, collect again"
            raise Rejected("dataset_damaged", message, images=list(images.shape), expected=list(expected))
        return dataset

    @property
    def digest(self) -> str:
        """SHA-256 over every specimen's tensor, labels and part, the preprocessing version and the evaluation set."""
        return self.description.digest

    @property
    def preprocessing_version(self) -> str:
        """The preprocessing version of all tensors."""
        return self.description.preprocessing_version

    def subset(self, part: Learnt) -> Subset:
        """The specimens for training, or those for calibration and thresholds."""
        return self._subset(np.array(self.parts) == part)

    def evaluation(self) -> Subset:
        """The fixed evaluation set: all datasets use the same specimens until it is grown on command."""
        return self._subset(self.evaluated)

    def _subset(self, chosen: NDArray[np.bool_]) -> Subset:
        rows = np.flatnonzero(chosen)
        return Subset(self.images, None, rows, self.labels[rows], tuple(self.centres[row] for row in rows.tolist()))


def _columns(table: pa.Table) -> dict[str, Any]:
    labels = [_label(table.column(f"label.{label}")) for label in LABEL_ORDER]
    return {
        "specimens": tuple(table.column("specimen").to_pylist()),
        "centres": tuple(table.column("centre").to_pylist()),
        "parts": tuple(table.column("split").to_pylist()),
        "labels": np.stack(labels, axis=1),
        "evaluated": table.column("evaluation").to_numpy().astype(np.bool_),
    }


def _label(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    return np.array([MISSING if value is None else int(value) for value in column.to_pylist()], dtype=np.uint8)


def _opened(folder: Path, name: str, opener: Callable[[Path], Any]) -> Any:
    try:
        return opener(folder / name)
    except (ValidationError, ValueError, KeyError, EOFError, pa.ArrowException) as error:
        message = f"{folder / name} cannot be read ({error}): remove the dataset and collect it again"
        raise Rejected("dataset_damaged", message, file=name) from None
