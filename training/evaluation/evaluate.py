"""Calibrate a trained backbone on validation specimens and judge it on test specimens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

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
    levels 2 and 3 given abnormal, and as served. `others` are the same two of further sets of specimens, by name.
    """

    calibration: Calibration
    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    figures: Figures
    others: Mapping[str, tuple[Numbers, Numbers]] = field(default_factory=dict)


def judge(
    backbone: nn.Module, validation: Subset, test: Subset, others: Mapping[str, Subset] = MappingProxyType({})
) -> Judged:
    """Calibrate, choose thresholds, and compute the figures; `others` are only looked at, such as unseen centres."""
    logits = predict(backbone, validation), predict(backbone, test)
    return judge_logits(*logits, validation, test, {name: predict(backbone, one) for name, one in others.items()})


def judge_logits(
    validation_logits: Tensor,
    test_logits: Tensor,
    validation: Subset,
    test: Subset,
    others: Mapping[str, Tensor] = MappingProxyType({}),
) -> Judged:
    """Judge uncalibrated logits [n, 14], whatever made them."""
    labels = torch.from_numpy(validation.labels)
    calibration = Calibration()
    calibration.fit(validation_logits, labels, scored_labels(labels))
    _, served = _probabilities(calibration, validation_logits)
    thresholds = choose_thresholds(served, validation.labels)
    given_abnormal, served = _probabilities(calibration, test_logits)
    found = figures(given_abnormal, served, test.labels, test.centres, thresholds)
    elsewhere = {name: _probabilities(calibration, one) for name, one in others.items()}
    return Judged(calibration, thresholds, given_abnormal, served, found, elsewhere)


@dataclass(frozen=True)
class Consensus:
    """Mean probabilities [n, 14] and mean thresholds of several backbones, named as in `Judged`."""

    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    others: Mapping[str, tuple[Numbers, Numbers]]


def consensus(judged: Sequence[Judged]) -> Consensus:
    """Mean probabilities given abnormal and as served, and mean thresholds, of all backbones."""
    shared = set.intersection(*(set(one.others) for one in judged))
    means = {name: np.mean([one.others[name] for one in judged], axis=0) for name in sorted(shared)}
    return Consensus(
        thresholds=tuple(np.mean([one.thresholds for one in judged], axis=0).tolist()),
        given_abnormal=np.mean([one.given_abnormal for one in judged], axis=0),
        served=np.mean([one.served for one in judged], axis=0),
        others={name: (mean[0], mean[1]) for name, mean in means.items()},
    )


def judge_consensus(judged: Sequence[Judged], test: Subset) -> Figures:
    """Compute the figures of the call: mean probability of all backbones against their mean threshold."""
    mean = consensus(judged)
    return figures(mean.given_abnormal, mean.served, test.labels, test.centres, mean.thresholds)


def scored_labels(labels: Tensor) -> Tensor:
    """Mask [n, 14] of what counts: level 1 everywhere, levels 2 and 3 on abnormal specimens."""
    mask = labels[:, :1].bool().expand(-1, labels.shape[1]).clone()
    mask[:, 0] = True
    return mask


def _probabilities(calibration: Calibration, logits: Tensor) -> tuple[Numbers, Numbers]:
    """Calibrated probabilities [n, 14]: levels 2 and 3 given abnormal, and as served."""
    with torch.inference_mode():
        calibrated = calibration(logits)
        served = torch.cat(list(coherent(calibrated)), dim=1)
    return torch.sigmoid(calibrated).double().numpy(), served.double().numpy()
