"""Synthetic predictions: probabilities of a chosen quality on drawn labels; no model, no picture."""

from dataclasses import replace
from typing import Any

import numpy as np

from services.common.labels import LABEL_ORDER, LEVEL2, LEVEL3, PARENTS
from training.datasets.arrays import Labels
from training.metrics.decisions import parent_columns
from training.metrics.predictions import Numbers, PredictionOrigin, Predictions

CENTRES = ("BCM", "JAX", "UC Davis", "WTSI")


def origin(model: str = "convnext", views: str = "MV", seed: int = 1, config: str = "small") -> PredictionOrigin:
    fields: dict[str, Any] = {"model": model, "config": config, "input": views, "seed": seed}
    prevalence = {name: (0.5,) * len(LABEL_ORDER) for name in CENTRES[:3]}
    return PredictionOrigin(**fields, thresholds=(0.5,) * len(LABEL_ORDER), training_prevalence=prevalence)


def drawn_labels(count: int, seed: int) -> Labels:
    """Half abnormal, each with one level-3 label, sometimes two, and their parents."""
    random = np.random.default_rng(seed)
    labels = np.zeros((count, len(LABEL_ORDER)), dtype=np.uint8)
    for row in range(count // 2):
        for label in random.choice(LEVEL3, size=random.integers(1, 3), replace=False):
            parent = PARENTS[label][0]
            for name in ("Abnormal", parent, label):
                labels[row, LABEL_ORDER.index(name)] = 1
    assert labels[:, 1 : 1 + len(LEVEL2)].any(axis=1).sum() == count // 2
    return labels


def predictions(quality: float = 2, specimens: int = 400, noise_seed: int = 1, **changes: Any) -> Predictions:
    """Probabilities whose logits are shifted by `quality` where a label is positive; coherent down the hierarchy."""
    labels = drawn_labels(specimens, seed=0)
    random = np.random.default_rng((noise_seed, 5))
    given: Numbers = 1 / (1 + np.exp(quality / 2 - quality * labels + random.normal(size=labels.shape)))
    served = given.copy()
    for column in range(1, len(LABEL_ORDER)):
        served[:, column] *= served[:, 0]
        served[:, column] = np.minimum(served[:, column], served[:, parent_columns(column)].max(axis=1))
    made = Predictions(
        origin=origin(),
        specimens=tuple(f"S{number:05d}" for number in range(specimens)),
        centres=tuple(CENTRES[number % len(CENTRES)] for number in range(specimens)),
        severity=np.where(labels[:, 0] == 1, random.uniform(0.4, 1, specimens), np.nan),
        labels=labels,
        known=np.ones(labels.shape, dtype=np.bool_),
        given_abnormal=given,
        served=served,
    )
    return replace(made, **changes)
