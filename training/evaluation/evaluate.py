"""Calibrate a trained backbone on validation specimens and judge it on test specimens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor, nn

from services.common.hierarchy import consensus as consensus_of
from services.common.hierarchy import pooled
from training.datasets.missing import scored
from training.datasets.store import Subset
from training.evaluation.predictions import Numbers
from training.evaluation.thresholds import choose_thresholds
from training.evaluation.weight import consensus_weight
from training.metrics.figures import Figures, figures
from training.models.calibration import Calibration
from training.models.hierarchy import coherent
from training.train.predict import predict


@dataclass(frozen=True)
class Judged:
    """Calibration and thresholds (from validation specimens) and figures (on test specimens) of one backbone.

    `weight` is its weight in the consensus (`training.evaluation.weight`).
    `given_abnormal` and `served` are its probabilities of the test specimens, [n, 14] in the order of `LABEL_ORDER`:
    levels 2 and 3 given abnormal, and as served. `others` are the same two of further sets of specimens, by name.
    """

    calibration: Calibration
    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    figures: Figures
    weight: float
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
    *,
    calibrated: bool = True,
) -> Judged:
    """Judge uncalibrated logits [n, 14], whatever made them; not `calibrated`, they are taken at their word."""
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
    return Judged(calibration, thresholds, given_abnormal, served, found, weight, elsewhere)


@dataclass(frozen=True)
class Consensus:
    """Pooled probabilities [n, 14] and thresholds of several backbones, named as in `Judged`."""

    thresholds: tuple[float, ...]
    given_abnormal: Numbers
    served: Numbers
    others: Mapping[str, tuple[Numbers, Numbers]]


def consensus(judged: Sequence[Judged]) -> Consensus:
    """Probabilities given abnormal and as served, and thresholds, of all backbones pooled by their weights."""
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


def judge_consensus(called: Consensus, test: Subset) -> Figures:
    """Compute the figures of the call: pooled probabilities of all backbones against their pooled thresholds."""
    return figures(called.given_abnormal, called.served, test.labels, test.centres, called.thresholds)


def _probabilities(calibration: Calibration, logits: Tensor) -> tuple[Numbers, Numbers]:
    """Calibrated probabilities [n, 14]: levels 2 and 3 given abnormal, and as served."""
    with torch.inference_mode():
        calibrated = calibration(logits)
        served = torch.cat(list(coherent(calibrated)), dim=1)
    return torch.sigmoid(calibrated).double().numpy(), served.double().numpy()
