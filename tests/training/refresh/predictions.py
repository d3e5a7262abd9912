"""Predictions of models that depend on a known part of the truth."""

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.refresh.gate import ModelPrediction

Labels = NDArray[np.uint8]


def labels_of(specimens: int, seed: int) -> Labels:
    """Half are abnormal; each of their labels is random."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, size=(specimens, len(LABEL_ORDER)), dtype=np.uint8)
    labels[:, 0] = np.arange(specimens) % 2
    labels[labels[:, 0] == 0] = 0
    return labels


def flipped(labels: Labels, share: float = 1.0) -> Labels:
    """Flip level 1 of a share of `labels_of`'s specimens; those that become abnormal get labels."""
    others = np.roll(labels_of(len(labels), seed=4), 1, axis=0)
    chosen = np.random.default_rng(3).uniform(size=len(labels)) < share
    changed = labels.copy()
    changed[chosen] = others[chosen]
    changed[chosen, 0] = 1 - labels[chosen, 0]
    changed[changed[:, 0] == 0] = 0
    return changed


def prediction_of(labels: Labels, strength: float, seed: int = 0, threshold: float = 0.5) -> ModelPrediction:
    """A model whose output is the truth, weighted by `strength`, plus noise from the seed."""
    noise = np.random.default_rng(seed).uniform(size=labels.shape)
    served = np.clip(strength * labels + (1 - strength) * noise, 0, 1)
    return ModelPrediction(served, (threshold,) * len(LABEL_ORDER))
