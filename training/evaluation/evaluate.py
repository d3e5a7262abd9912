"""Calibrate a trained backbone on validation specimens and judge it on test specimens.

Validation specimens also give one threshold per label, and the backbone's weight in the consensus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.common.hierarchy import consensus as consensus_of
from services.common.hierarchy import pooled
from services.common.labels import LABEL_ORDER
from training.datasets.arrays import known, scored
from training.datasets.store import Subset
from training.metrics.figures import BackboneMetrics, figures
from training.metrics.predictions import Numbers
from training.models.heads import coherent_probabilities
from training.models.output import Calibration, unit_range

DEFAULT: Final = 0.5
"""Threshold of a label that no validation specimen has, or that all have."""


def choose_thresholds(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> tuple[float, ...]:
    """Return the 14 thresholds with the largest Matthews correlation, for probabilities and labels [n, 14].

    Each is chosen on the specimens whose label is known. This coefficient weighs both kinds of error at any prevalence
    (Chicco and Jurman, BMC Genomics 2020, 21:6).
    """
    columns = [(column, known(labels[:, column])) for column in range(len(LABEL_ORDER))]
    return tuple(_best(probabilities[rows, column], labels[rows, column]) for column, rows in columns)


def _best(scores: NDArray[np.float64], truth: NDArray[np.uint8]) -> float:
    if not len(truth) or truth.min() == truth.max():
        return DEFAULT
    values = np.unique(scores)
    candidates = (values[1:] + values[:-1]) / 2
    if not len(candidates):
        return DEFAULT
    coefficients = [matthews(scores >= candidate, truth) for candidate in candidates]
    return round(float(candidates[int(np.argmax(coefficients))]), 6)


def matthews(called: NDArray[np.bool_], truth: NDArray[np.uint8]) -> float:
    """Matthews correlation coefficient of calls and truth, in [-1, 1]; 0 if either has only one class."""
    if called.min() == called.max() or truth.min() == truth.max():
        return 0.0
    return float(np.corrcoef(called.astype(np.float64), truth.astype(np.float64))[0, 1])


LEAST: Final = 0.01
"""Weight of an uninformative backbone; above 0, so that a consensus always has a weight."""
_CLIP: Final = 1e-6


def consensus_weight(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    """Share, in 0..1, of the labels' uncertainty that probabilities [n, 14] remove; at least `LEAST`.

    One minus the logarithmic loss divided by the loss of predicting the prevalence: the proportion of entropy explained
    (Kent, Biometrika 1983, 70:163), averaged over labels with both classes. Each backbone is measured separately, so
    any two versions can be served together.
    """
    columns = [(column, known(labels[:, column])) for column in range(labels.shape[1])]
    each = [(probabilities[rows, column], labels[rows, column]) for column, rows in columns]
    explained = [
        1 - _loss(predicted, truth) / _loss(np.full(len(truth), truth.mean()), truth)
        for predicted, truth in each
        if len(truth) and truth.min() != truth.max()
    ]
    return round(max(float(np.mean(explained)), LEAST), 4) if explained else LEAST


def _loss(probabilities: NDArray[np.float64], truth: NDArray[np.uint8]) -> float:
    clipped = np.clip(probabilities, _CLIP, 1 - _CLIP)
    return float(-np.mean(np.where(truth == 1, np.log(clipped), np.log1p(-clipped))))


_BATCH = 32


def predict(backbone: nn.Module, subset: Subset) -> Tensor:
    """Return the uncalibrated logits [n, 14] of a subset, in float32."""
    backbone.eval()
    with torch.inference_mode():
        logits = [backbone(unit_range(torch.from_numpy(batch))).logits for batch in subset.batches(_BATCH)]
    return torch.cat(logits).clone()


@dataclass(frozen=True)
class EvaluatedBackbone:
    """Calibration and thresholds (from validation specimens) and figures (on test specimens) of one backbone.

    `weight` is its weight in the consensus (`consensus_weight`). `given_abnormal` and `served` are its probabilities
    for the test specimens, [n, 14] in the order of `LABEL_ORDER`: levels 2 and 3 given abnormal, and as served.
    `others` has the same two arrays for further sets of specimens, by name.
    """

    calibration: Calibration
    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    figures: BackboneMetrics
    weight: float
    others: Mapping[str, tuple[Numbers, Numbers]] = field(default_factory=dict)


def judge(
    backbone: nn.Module, validation: Subset, test: Subset, others: Mapping[str, Subset] = MappingProxyType({})
) -> EvaluatedBackbone:
    """Calibrate, choose thresholds, and compute the figures; `others` are further sets to predict, by name."""
    logits = predict(backbone, validation), predict(backbone, test)
    return judge_logits(*logits, validation, test, {name: predict(backbone, one) for name, one in others.items()})


def judge_logits(
    validation_logits: Tensor,
    test_logits: Tensor,
    validation: Subset,
    test: Subset,
    others: Mapping[str, Tensor] = MappingProxyType({}),
    *,
    calibrated: bool = True,
) -> EvaluatedBackbone:
    """Judge logits [n, 14], whatever made them; calibrate them first unless `calibrated` is False."""
    labels = torch.from_numpy(validation.labels)
    calibration = Calibration()
    if calibrated:
        calibration.fit(validation_logits, labels, torch.from_numpy(scored(validation.labels)))
    _, served = _probabilities(calibration, validation_logits)
    thresholds = choose_thresholds(served, validation.labels)
    weight = consensus_weight(served, validation.labels)
    given_abnormal, served = _probabilities(calibration, test_logits)
    found = figures(given_abnormal, served, test.labels, test.centres, thresholds)
    elsewhere = {name: _probabilities(calibration, one) for name, one in others.items()}
    return EvaluatedBackbone(calibration, thresholds, given_abnormal, served, found, weight, elsewhere)


@dataclass(frozen=True)
class Consensus:
    """Pooled probabilities [n, 14] and thresholds of several backbones, named as in `EvaluatedBackbone`."""

    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    others: Mapping[str, tuple[Numbers, Numbers]]


def consensus(judged: Sequence[EvaluatedBackbone]) -> Consensus:
    """Pool the probabilities and thresholds of all backbones by their weights."""
    shared = set.intersection(*(set(one.others) for one in judged))
    weights = [one.weight for one in judged]
    return Consensus(
        thresholds=tuple(pooled([one.thresholds for one in judged], weights).tolist()),
        given_abnormal=pooled([one.given_abnormal for one in judged], weights),
        served=consensus_of([one.served for one in judged], weights),
        others={
            name: (
                pooled([one.others[name][0] for one in judged], weights),
                consensus_of([one.others[name][1] for one in judged], weights),
            )
            for name in sorted(shared)
        },
    )


def judge_consensus(called: Consensus, test: Subset) -> BackboneMetrics:
    """Compute the figures of the consensus: pooled probabilities against pooled thresholds."""
    return figures(called.given_abnormal, called.served, test.labels, test.centres, called.thresholds)


def _probabilities(calibration: Calibration, logits: Tensor) -> tuple[Numbers, Numbers]:
    """Calibrated probabilities [n, 14]: levels 2 and 3 given abnormal, and as served."""
    with torch.inference_mode():
        calibrated = calibration(logits)
        served = torch.cat(list(coherent_probabilities(calibrated)), dim=1)
    return torch.sigmoid(calibrated).double().numpy(), served.double().numpy()
