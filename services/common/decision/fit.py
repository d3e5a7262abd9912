"""Fits the parameters of a set of versions on validation specimens that no member was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.common.decision.arrays import Numbers
from services.common.decision.calibration import Platt, fit_platt, fit_stack, shift_prevalence, sigmoid
from services.common.decision.familiarity import (
    OUTLANDISH,
    FamiliarityCard,
    distance_from_controls,
    distance_from_training,
    quantiles,
)
from services.common.decision.reference import ReferenceStatistics, distances, estimate, measure, recentre
from services.common.decision.set_card import (
    IMPC_PREVALENCE,
    LABELS,
    Mask,
    MemberOutputs,
    SetCard,
    SetMember,
    coherent,
)

MISSING: Final = 255
"""Value of an unknown label: neither positive nor negative."""
LEAST_SENSITIVITY: Final = 0.85
"""Level 1 is called at a threshold that at least this share of abnormal validation specimens reach."""
UNCERTAIN_HALF_WIDTH: Final = 0.05
PARTS: Final = 2
"""A specimen's controls come from the other half of its centre, so that no normal specimen is its own control."""
DEFAULT_THRESHOLD: Final = 0.5
"""Of a label that no validation specimen has, or that all have."""

Rows = NDArray[np.intp]


class SetVersion(NamedTuple):
    """A model and its version."""

    model: str
    version: int


class ValidationSet(NamedTuple):
    """Validation specimens: `labels` uint8 [n, 14] of 0, 1 and `MISSING`, and `centres` [n]."""

    labels: NDArray[np.uint8]
    centres: Sequence[str]

    @property
    def normal(self) -> Mask:
        """Specimens [n] known to be normal."""
        mask: Mask = self.labels[:, 0] == 0
        return mask

    def scored(self, column: int) -> Mask:
        """Specimens [n] that a label is fitted on: for levels 2 and 3 abnormal ones."""
        known: Mask = self.labels[:, column] != MISSING
        return known if column == 0 else known & (self.labels[:, 0] == 1)


class _Group(NamedTuple):
    """Specimens of one centre, and the members' references for them."""

    rows: Rows
    references: tuple[ReferenceStatistics, ...]


def fit_set(
    versions: Sequence[SetVersion],
    outputs: Sequence[MemberOutputs],
    validation: ValidationSet,
    stated_prevalence: float = IMPC_PREVALENCE,
) -> SetCard:
    """Fit stacking, calibration, thresholds and familiarity of a set from its members' outputs for the specimens.

    Every specimen is referred to other controls of its centre, as it is when the set serves.
    """
    training = [_training(own, validation.normal) for own in outputs]
    groups = _groups(outputs, training, validation)
    recentred = _recentred(outputs, training, groups)
    each = [_calibrations(scores, validation) for scores in recentred]
    calibrated = np.stack(
        [scores * _column(own, "scale") + _column(own, "shift") for scores, own in zip(recentred, each, strict=True)]
    )
    weights = _weights(calibrated, validation)
    pooled = np.einsum("mnl,ml->nl", calibrated, weights)
    final = _calibrations(pooled, validation)
    logits = pooled * _column(final, "scale") + _column(final, "shift")
    known = validation.scored(0)
    fitted = float((validation.labels[known, 0] == 1).mean())
    logits[:, 0] = shift_prevalence(logits[:, 0], fitted, stated_prevalence)
    return SetCard(
        members=tuple(map(_member, versions, outputs, training, each, weights)),
        scale=_column(final, "scale"),
        shift=_column(final, "shift"),
        fitted_prevalence=fitted,
        stated_prevalence=stated_prevalence,
        thresholds=_thresholds(coherent(sigmoid(logits)), validation, fitted, stated_prevalence),
        uncertain_half_width=UNCERTAIN_HALF_WIDTH,
        familiarity=_familiarity(outputs, groups),
        specimens=len(validation.labels),
    )


def _member(
    version: SetVersion,
    own: MemberOutputs,
    training: ReferenceStatistics,
    calibration: Sequence[Platt],
    weights: Numbers,
) -> SetMember:
    return SetMember(
        model=version.model,
        version=version.version,
        features=own.features.shape[1],
        score_centre=training.score_centre,
        score_scale=training.score_scale,
        typical_distance=training.typical_distance,
        scale=_column(calibration, "scale"),
        shift=_column(calibration, "shift"),
        weights=weights,
    )


def _training(own: MemberOutputs, normal: Mask) -> ReferenceStatistics:
    """Return the statistics of normal specimens in scores; in features those that the graph gives them."""
    width = own.features.shape[1]
    found = measure(own.scores[normal], own.features[normal])
    whitened = found.model_copy(update={"n": 0, "feature_mean": np.zeros(width), "feature_covariance": np.eye(width)})
    return whitened.model_copy(update={"typical_distance": float(np.median(distances(own.features[normal], whitened)))})


def _groups(
    outputs: Sequence[MemberOutputs], training: Sequence[ReferenceStatistics], validation: ValidationSet
) -> list[_Group]:
    """Divide each centre's specimens in two; the normal ones of each part are the controls of the other."""
    centres = np.array(validation.centres)
    groups = []
    for centre in sorted(set(validation.centres)):
        here = np.flatnonzero(centres == centre)
        for part in range(PARTS):
            rows, others = here[part::PARTS], np.delete(here, np.s_[part::PARTS])
            controls = others[validation.normal[others]]
            references = tuple(
                estimate(own.scores[controls], own.features[controls], prior)
                for own, prior in zip(outputs, training, strict=True)
            )
            groups.append(_Group(rows, references))
    return groups


def _recentred(
    outputs: Sequence[MemberOutputs], training: Sequence[ReferenceStatistics], groups: Sequence[_Group]
) -> list[Numbers]:
    """Return each member's scores [n, 14], referred to its controls."""
    recentred = [own.scores.copy() for own in outputs]
    for rows, references in groups:
        for scores, reference, prior in zip(recentred, references, training, strict=True):
            scores[rows] = recentre(scores[rows], reference, prior)
    return recentred


def _calibrations(logits: Numbers, validation: ValidationSet) -> list[Platt]:
    return [
        fit_platt(logits[rows, column], (validation.labels[rows, column] == 1).astype(np.float64))
        for column, rows in ((column, validation.scored(column)) for column in range(LABELS))
    ]


def _column(calibrations: Sequence[Platt], name: str) -> Numbers:
    return np.array([getattr(one, name) for one in calibrations])


def _weights(calibrated: Numbers, validation: ValidationSet) -> Numbers:
    """Return the members' weights [m, 14] from their calibrated logits [m, n, 14]."""
    columns = [(column, validation.scored(column)) for column in range(LABELS)]
    each = [
        fit_stack(calibrated[:, rows, column].T, (validation.labels[rows, column] == 1).astype(np.float64))
        for column, rows in columns
    ]
    return np.column_stack(each)


def _thresholds(served: Numbers, validation: ValidationSet, fitted: float, stated: float) -> Numbers:
    """Return the thresholds [14] with the largest Matthews correlation at the stated prevalence.

    That of level 1 is lowered, if need be, until it finds `LEAST_SENSITIVITY` of the abnormal specimens.
    """
    abnormal = validation.labels[:, 0] == 1
    weight = np.where(abnormal, stated / fitted, (1 - stated) / (1 - fitted))
    found = []
    for column in range(LABELS):
        rows = validation.labels[:, column] != MISSING
        found.append(_best(served[rows, column], validation.labels[rows, column] == 1, weight[rows]))
    if abnormal.any():
        found[0] = min(found[0], float(np.quantile(served[abnormal, 0], 1 - LEAST_SENSITIVITY)))
    return np.array(found)


def _best(probabilities: Numbers, truth: Mask, weight: Numbers) -> float:
    """Return the threshold between two probabilities [n] with the largest weighted Matthews correlation."""
    order = np.argsort(-probabilities, kind="stable")
    sorted_, positive, negative = probabilities[order], (weight * truth)[order], (weight * ~truth)[order]
    hits, alarms = np.cumsum(positive)[:-1], np.cumsum(negative)[:-1]
    all_positive, all_negative = positive.sum(), negative.sum()
    if not all_positive or not all_negative:
        return DEFAULT_THRESHOLD
    misses, rejections = all_positive - hits, all_negative - alarms
    product = (hits + alarms) * (misses + rejections) * all_positive * all_negative
    coefficient = (hits * rejections - alarms * misses) / np.sqrt(np.maximum(product, np.finfo(float).tiny))
    coefficient[sorted_[:-1] == sorted_[1:]] = -1
    best = int(np.argmax(coefficient))
    return float((sorted_[best] + sorted_[best + 1]) / 2)


def _familiarity(outputs: Sequence[MemberOutputs], groups: Sequence[_Group]) -> FamiliarityCard:
    features = [own.features for own in outputs]
    judged = [one for one in groups if all(each.sufficient for each in one.references)] or groups
    centre = [distance_from_controls([own[one.rows] for own in features], one.references) for one in judged]
    return FamiliarityCard(
        training=quantiles(np.max([own.unfamiliar for own in outputs], axis=0)),
        centre=quantiles(np.concatenate(centre)),
        outlandish=OUTLANDISH * float(distance_from_training(features).max()),
    )
