"""A refresh that takes seconds: tiny networks of the real kinds, and specimens whose labels are faint patches."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from services.common.events.base import digest
from services.common.labels import LABEL_ORDER, PARENTS
from services.common.preprocessing import TENSOR_SIDE, VERSION
from tests.training.refresh.predictions import flipped, labels_of
from training.datasets.collect.dataset import (
    DESCRIPTION,
    EVALUATION,
    IMAGES,
    MANIFEST,
    Dataset,
    Description,
    EvaluationCount,
    LabelCount,
)
from training.evaluation.evaluate import judge
from training.export.version import VersionOrigin, export_version
from training.models.autoencoder import AutoencoderDriven, AutoencoderSize
from training.models.output import Backbone, ServedBackbone
from training.models.registry import BACKBONES, build_backbone
from training.models.spec import BackbonePlan
from training.train.configuration import REFRESHES
from training.train.heads import features_of, fit_heads

SIZE: Final = "tiny"
PARTS: Final = ("train",) * 160 + ("validation",) * 60 + ("test",) * 120
FIRST: Final = 12
_PLAN: Final = BackbonePlan(epochs=2, patience=2, batch=10, learning_rate=1e-3, weight_decay=0.01)
_AUTOENCODER: Final = AutoencoderSize(widths=(4, 8), grid=7, bone_width=0, dense=64, dropout=0.0)
_PATCH: Final = 32
_SHARE: Final = 0.8
"""Share of the specimens with a part's label that also have one of its kinds."""
_FAINT: Final = 14
"""Grey levels of a patch, in noise of 40."""

Labels = NDArray[np.uint8]
Images = NDArray[np.uint8]


def allow_tiny() -> None:
    """Let this process build and refresh networks of the size `tiny`: two small autoencoders.

    A ConvNeXt's front end alone would take most of the time of every test that trains.
    """
    if SIZE in REFRESHES:
        return
    REFRESHES[SIZE] = replace(REFRESHES["small"], name="refresh-tiny", size=SIZE)
    for name, spec in BACKBONES.items():

        def build(size: Any, usual: Callable[[Any], Backbone] = spec.build) -> Backbone:
            return AutoencoderDriven(_AUTOENCODER) if size is _AUTOENCODER else usual(size)

        def describe(size: Any, usual: Callable[[Any], str] = spec.describe) -> str:
            return "tiny autoencoder" if size is _AUTOENCODER else usual(size)

        BACKBONES[name] = replace(
            spec,
            sizes=spec.sizes | {SIZE: _AUTOENCODER},
            plans=spec.plans | {"refresh-tiny": _PLAN},
            build=build,
            describe=describe,
        )


def specimens(count: int, seed: int) -> tuple[Images, Labels]:
    """Noise; each label of a specimen brightens its own patch. No label occurs without its parent."""
    random = np.random.default_rng(seed)
    labels = labels_of(count, seed)
    for label, parents in PARENTS.items():
        part = labels[:, [LABEL_ORDER.index(parent) for parent in parents]].any(axis=1)
        labels[:, LABEL_ORDER.index(label)] = part & (random.uniform(size=count) < _SHARE)
    images = random.integers(60, 100, size=(count, TENSOR_SIDE, TENSOR_SIDE, 3), dtype=np.uint8)
    for column in range(len(LABEL_ORDER)):
        top, left = (1 + column // 5) * _PATCH, (1 + column % 5) * _PATCH
        images[labels[:, column] == 1, top : top + _PATCH, left : left + _PATCH] += np.uint8(_FAINT)
    return images, labels


def write_dataset(folder: Path, images: Images, labels: Labels, parts: tuple[str, ...]) -> Dataset:
    """Write a dataset as `xray train collect` does; its test part is the evaluation set."""
    folder.mkdir(parents=True)
    np.save(folder / IMAGES, images)
    names = [f"mouse-{number}" for number in range(len(labels))]
    columns = {
        "specimen": names,
        "centre": ["JAX" if number % 3 else "BCM" for number in range(len(labels))],
        "split": parts,
        "evaluation": [part == "test" for part in parts],
        **{f"label.{name}": labels[:, column].astype(bool) for column, name in enumerate(LABEL_ORDER)},
    }
    pq.write_table(pa.table(columns), folder / MANIFEST)
    pq.write_table(pa.table({"specimen": [name for name, part in zip(names, parts, strict=True) if part == "test"]}),
                   folder / EVALUATION)  # fmt: skip
    description = Description(
        digest=digest("tiny", json.dumps(labels.tolist()), list(parts)),
        preprocessing_version=VERSION,
        tensor_side=TENSOR_SIDE,
        specimens={part: parts.count(part) for part in set(parts)},
        centres={},
        labels={name: LabelCount(positives=0, negatives=0, missing=0) for name in LABEL_ORDER},
        label_sources={},
        evaluation=EvaluationCount(
            generation=1, digest=digest("tiny"), specimens=parts.count("test"), waiting=0, relabelled=0
        ),
        left_out={},
        conflicts={},
    )
    (folder / DESCRIPTION).write_text(description.model_dump_json())
    return Dataset.read(folder)


def make_dataset(folder: Path) -> Dataset:
    """A dataset from which the tiny networks learn all levels."""
    images, labels = specimens(len(PARTS), seed=11)
    return write_dataset(folder, images, labels, PARTS)


def poisoned(dataset: Dataset, folder: Path) -> Dataset:
    """The training specimens with flipped labels; those of the evaluation set are unchanged."""
    learnt = np.array(dataset.parts) != "test"
    labels = np.where(learnt[:, None], flipped(dataset.labels), dataset.labels)
    return write_dataset(folder, dataset.images, labels, dataset.parts)


def write_first_version(repository: Path, name: str, version: int, dataset: Dataset) -> None:
    """Export a version that was trained on the first few specimens only; a refresh gets all of them."""
    train, validation = dataset.subset("train"), dataset.subset("validation")
    few = replace(train, rows=train.rows[:FIRST], labels=train.labels[:FIRST], centres=train.centres[:FIRST])
    torch.manual_seed(1)
    backbone = build_backbone(name, SIZE)
    learnt, checked = (features_of(backbone, part) for part in (few, validation))
    fit_heads(backbone, build_backbone(name, SIZE), learnt, checked, seed=1)
    judged = judge(backbone, validation, dataset.evaluation())
    export_version(
        ServedBackbone(backbone, judged.calibration), judged, dataset.evaluation(), name=name, version=version,
        size=SIZE, origin=VersionOrigin("few", "few specimens", "for a test", ()), repository=repository,
        target="onnxruntime",
    )  # fmt: skip
