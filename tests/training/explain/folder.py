"""A small run folder as `xray train models` leaves it, with only an untrained autoencoder."""

import json
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch

from services.common.labels import LABEL_ORDER, LEVEL3, PARENTS
from services.common.preprocessing import VIEW_SIDE
from tests.training.evaluation.cohort import CENTRES, origin
from training.datasets.arrays import Labels
from training.datasets.recipe import Recipe, part_of
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen
from training.evaluation.parquet import save
from training.metrics.predictions import Abnormality, Predictions
from training.models.registry import build_backbone
from training.simulation.bone_truth import CHANNELS, SIDE
from training.train.checkpoint import FINAL, LAST, Epoch, path_of

SPECIMENS = 30
TENSOR_SIDE = 64
EPOCHS = (
    Epoch(2.0, 1.9, (0.5, 0.5, 0.5), 30.0),
    Epoch(1.5, 1.6, (0.7, 0.6, 0.5), 31.0),
    Epoch(1.2, 1.7, (0.7,) * 3, 29.0),
)


def make_run(folder: Path) -> Path:
    """Write the folder; every specimen is in the test part."""
    labels = _labels()
    names = tuple(islice((f"S{number}" for number in count() if part_of(f"S{number}") == "test"), SPECIMENS))
    _training_set(folder / "data", names, labels)
    torch.manual_seed(1)
    weights = {f"backbone.{key}": value for key, value in build_backbone("cae", "small").state_dict().items()}
    (folder / "cae").mkdir()
    torch.save({"state_dict": weights}, path_of(folder / "cae", FINAL))
    torch.save({"run": {}, "epochs": [asdict(epoch) for epoch in EPOCHS]}, path_of(folder / "cae", LAST))
    save(_predictions(names, labels), folder / "predictions-cae.parquet")
    clock = {"configuration": "small", "specimens": {"train": 70, "test": SPECIMENS}, "epochs": {"cae": 3}}
    (folder / "metrics.json").write_text(json.dumps({**clock, "minutes": {"data": 4.5, "cae": 2.0}}), encoding="utf-8")
    return folder


def _labels() -> Labels:
    """The first half abnormal, each with one level-3 label, its parent, and level 1."""
    labels = np.zeros((SPECIMENS, len(LABEL_ORDER)), dtype=np.uint8)
    for row in range(SPECIMENS // 2):
        label = LEVEL3[row % len(LEVEL3)]
        for name in ("Abnormal", PARENTS[label][0], label):
            labels[row, LABEL_ORDER.index(name)] = 1
    return labels


def _training_set(folder: Path, names: tuple[str, ...], labels: Labels) -> None:
    store = SetFolder(folder, Recipe(specimens=SPECIMENS, first_seed=500, side=TENSOR_SIDE))
    random = np.random.default_rng(4)
    for index, name in enumerate(names):
        tensor = random.integers(0, 90, size=(TENSOR_SIDE, TENSOR_SIDE, 3), dtype=np.uint8)
        bones = np.zeros((2, len(CHANNELS), SIDE, SIDE), dtype=np.uint8)
        bones[:, 0, :, 12:16] = 255
        if labels[index, 0]:
            tensor[20:30, 20:40] = 240
            bones[:, CHANNELS.index("altered") :, 10:13, 12:16] = 200
        centre = CENTRES[index % len(CENTRES)]
        views = np.zeros((2, VIEW_SIDE, VIEW_SIDE), dtype=np.uint8)
        store.add(
            StoredSpecimen(index, name, centre, tuple(labels[index].tolist()), ""),
            SpecimenArrays(tensor, views, bones),
        )


def _predictions(names: tuple[str, ...], labels: Labels) -> Predictions:
    """In a different order from the training set's."""
    order = np.random.default_rng(9).permutation(SPECIMENS)
    probabilities = np.random.default_rng(2).random(labels.shape)
    findings = tuple((Abnormality("kyphosis", 0.7),) if labels[row, 0] else () for row in order)
    return Predictions(
        origin=origin("cae", config="small"),
        specimens=tuple(names[row] for row in order),
        centres=tuple(CENTRES[row % len(CENTRES)] for row in order),
        severity=np.where(labels[order, 0] == 1, 0.7, np.nan),
        labels=labels[order],
        known=np.ones(labels.shape, dtype=np.bool_),
        given_abnormal=probabilities,
        served=probabilities / 2,
        findings=findings,
    )
