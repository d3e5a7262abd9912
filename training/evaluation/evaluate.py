"""Calibrate a trained backbone on validation specimens and judge it on test specimens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.store import Subset
from training.evaluation.metrics import Figures, figures
from training.evaluation.thresholds import choose_thresholds
from training.fit.predict import predict
from training.models.calibration import Calibration
from training.models.hierarchy import coherent


@dataclass(frozen=True)
class Judged:
    """Calibration and thresholds (from validation specimens) and figures (on test specimens) of one backbone."""

    calibration: Calibration
    thresholds: tuple[float, ...]
    figures: Figures


def judge(backbone: nn.Module, validation: Subset, test: Subset) -> Judged:
    """Calibrate, choose thresholds, and compute the figures."""
    logits, labels = predict(backbone, validation), torch.from_numpy(validation.labels)
    calibration = Calibration()
    calibration.fit(logits, labels, scored_labels(labels))
    thresholds = choose_thresholds(_served(calibration, logits), validation.labels)
    test_logits = predict(backbone, test)
    return Judged(
        calibration,
        thresholds,
        figures(test_logits.double().numpy(), _served(calibration, test_logits), test.labels, test.centres, thresholds),
    )


def scored_labels(labels: Tensor) -> Tensor:
    """Mask [n, 14] of what counts: level 1 everywhere, levels 2 and 3 on abnormal specimens."""
    mask = labels[:, :1].bool().expand(-1, labels.shape[1]).clone()
    mask[:, 0] = True
    return mask


def _served(calibration: Calibration, logits: Tensor) -> NDArray[np.float64]:
    with torch.inference_mode():
        return torch.cat(list(coherent(calibration(logits))), dim=1).double().numpy()
