"""Calibrate a trained backbone on validation specimens and judge it on test specimens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.data.store import Subset
from training.evaluation.metrics import Figures, figures
from training.evaluation.predictions import Numbers
from training.evaluation.thresholds import choose_thresholds
from training.fit.predict import predict
from training.models.calibration import Calibration
from training.models.hierarchy import coherent


@dataclass(frozen=True)
class Judged:
    """Calibration and thresholds (from validation specimens) and figures (on test specimens) of one backbone.

    `given_abnormal` and `served` are its probabilities of the test specimens, [n, 14] in the order of `LABEL_ORDER`:
    levels 2 and 3 given abnormal, and as served.
    """

    calibration: Calibration
    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    figures: Figures


def judge(backbone: nn.Module, validation: Subset, test: Subset) -> Judged:
    """Calibrate, choose thresholds, and compute the figures."""
    logits, labels = predict(backbone, validation), torch.from_numpy(validation.labels)
    calibration = Calibration()
    calibration.fit(logits, labels, scored_labels(labels))
    thresholds = choose_thresholds(_served(calibration, logits), validation.labels)
    test_logits = predict(backbone, test)
    with torch.inference_mode():
        given_abnormal = torch.sigmoid(calibration(test_logits)).double().numpy()
    served = _served(calibration, test_logits)
    found = figures(given_abnormal, served, test.labels, test.centres, thresholds)
    return Judged(calibration, thresholds, given_abnormal, served, found)


def consensus(judged: Sequence[Judged]) -> tuple[Numbers, Numbers, tuple[float, ...]]:
    """Mean probabilities [n, 14] given abnormal and as served, and mean thresholds, of all backbones."""
    return (
        np.mean([one.given_abnormal for one in judged], axis=0),
        np.mean([one.served for one in judged], axis=0),
        tuple(np.mean([one.thresholds for one in judged], axis=0).tolist()),
    )


def judge_consensus(judged: Sequence[Judged], test: Subset) -> Figures:
    """Compute the figures of the call: mean probability of all backbones against their mean threshold."""
    given_abnormal, served, thresholds = consensus(judged)
    return figures(given_abnormal, served, test.labels, test.centres, thresholds)


def scored_labels(labels: Tensor) -> Tensor:
    """Mask [n, 14] of what counts: level 1 everywhere, levels 2 and 3 on abnormal specimens."""
    mask = labels[:, :1].bool().expand(-1, labels.shape[1]).clone()
    mask[:, 0] = True
    return mask


def _served(calibration: Calibration, logits: Tensor) -> Numbers:
    with torch.inference_mode():
        return torch.cat(list(coherent(calibration(logits))), dim=1).double().numpy()
