"""What a centre's controls look like to one model, and the centre's specimens relative to them.

Wild types are most of what a centre sends, and animals, holders and machines differ between centres. Scores and
features are therefore referred to the controls of the same centre: recentred and rescaled, and whitened (typical
variation normalisation: Ando, McLean and Berndl, bioRxiv 2017, 161422). While controls are few, their statistics are
shrunk towards a prior: those of all centres, and in the end those of training.

Features come from the served graph, whitened by training's normal specimens. Training's own statistics are therefore
mean zero and the identity as covariance.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.decision.arrays import Matrix, Numbers, Vector

LOCATION_STRENGTH: Final = 2.0
"""How many controls the prior counts for in centres and means: the variance within a centre over that between."""
SCALE_STRENGTH: Final = 20.0
"""The same for the scales of scores: a scale of few animals is mostly noise."""
CLIPPED: Final = 3.0
"""Deviations of features beyond this many robust standard deviations are clipped: a control may be a mutant."""
LARGEST_RATIO: Final = 2.0
"""Scores are rescaled by at most this factor, and at least by its inverse."""
FOLDS: Final = 5
"""Each fifth of the controls is measured against the others, to know how far controls usually are."""
FEWEST: Final = 8
"""Fewer controls than this do not make a reference: it fits nobody but them."""
_NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_SMALLEST: Final = 1e-3


class ReferenceStatistics(BaseModel):
    """Statistics of `n` control specimens in the outputs of one model version.

    `score_centre` and `score_scale` [14] are median and robust standard deviation of the uncalibrated logits,
    `feature_mean` [F] and `feature_covariance` [F, F] those of the features. `typical_distance` is the median distance
    (`distances`) of a control that was left out. `n` counts the controls themselves, without what the prior adds.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    n: Annotated[int, Field(ge=0)]
    score_centre: Vector
    score_scale: Vector
    feature_mean: Vector
    feature_covariance: Matrix
    typical_distance: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _fits_together(self) -> ReferenceStatistics:
        if self.score_centre.shape != self.score_scale.shape or (self.score_scale <= 0).any():
            msg = "score_scale must have one positive number for each of score_centre"
            raise ValueError(msg)
        if self.feature_covariance.shape[0] != len(self.feature_mean):
            msg = "feature_covariance must have a row for each of feature_mean"
            raise ValueError(msg)
        return self

    @property
    def sufficient(self) -> bool:
        """Whether the controls are enough to judge by them alone whether a specimen is familiar."""
        return self.n >= FEWEST


def estimate(scores: Numbers, features: Numbers, prior: ReferenceStatistics) -> ReferenceStatistics:
    """Estimate the statistics of controls from scores [n, 14] and features [n, F], shrunk towards the prior.

    The order of the controls does not matter. Without controls the result is the prior with `n` 0. Chain it to shrink
    in steps: all centres towards training, a centre towards all centres, one sex or strain towards its centre.
    """
    order = np.lexsort(features.T)
    scores, features = scores[order], features[order]
    found = _shrunk(scores, features, prior)
    distance = _left_out_distance(scores, features, prior)
    return found.model_copy(update={"typical_distance": distance})


def _shrunk(scores: Numbers, features: Numbers, prior: ReferenceStatistics) -> ReferenceStatistics:
    return shrink(measure(scores, features), prior) if len(scores) else prior.model_copy(update={"n": 0})


def measure(scores: Numbers, features: Numbers) -> ReferenceStatistics:
    """Measure scores [n, 14] and features [n, F] of at least one control alone, with nothing added."""
    centre = np.median(scores, axis=0)
    mean, deviations = _robust(features)
    return ReferenceStatistics(
        n=len(scores),
        score_centre=centre,
        score_scale=np.maximum(_NORMAL * np.median(np.abs(scores - centre), axis=0), _SMALLEST),
        feature_mean=mean,
        feature_covariance=ledoit_wolf(deviations),
    )


def shrink(own: ReferenceStatistics, prior: ReferenceStatistics) -> ReferenceStatistics:
    """Combine statistics with a prior: the weight of the own ones is n / (n + strength).

    This is the posterior mean of a normal location whose prior is worth `LOCATION_STRENGTH` animals. Scales are
    averaged as logarithms. The covariance has as many free directions as features, so its prior counts for F animals.
    """
    location = own.n / (own.n + LOCATION_STRENGTH)
    scale = own.n / (own.n + SCALE_STRENGTH)
    shape = own.n / (own.n + len(own.feature_mean))
    return ReferenceStatistics(
        n=own.n,
        score_centre=location * own.score_centre + (1 - location) * prior.score_centre,
        score_scale=np.exp(scale * np.log(own.score_scale) + (1 - scale) * np.log(prior.score_scale)),
        feature_mean=location * own.feature_mean + (1 - location) * prior.feature_mean,
        feature_covariance=shape * own.feature_covariance + (1 - shape) * prior.feature_covariance,
        typical_distance=prior.typical_distance,
    )


def _robust(features: Numbers) -> tuple[Numbers, Numbers]:
    """Return the robust mean [F] and the clipped deviations [n, F] of features [n, F]."""
    median = np.median(features, axis=0)
    spread = np.maximum(_NORMAL * np.median(np.abs(features - median), axis=0), _SMALLEST)
    limit = CLIPPED * spread
    clipped = np.clip(features - median, -limit, limit)
    shift = clipped.mean(axis=0)
    return median + shift, clipped - shift


def ledoit_wolf(deviations: Numbers) -> Numbers:
    """Return the covariance [F, F] of deviations [n, F] from their mean, shrunk towards a multiple of the identity.

    The amount of shrinkage minimises the expected squared error (Ledoit and Wolf, J. Multivariate Anal. 2004, 88:365).
    In features whitened by training the identity is training's own covariance.
    """
    count, width = deviations.shape
    sample = deviations.T @ deviations / count
    level = np.trace(sample) / width
    identity = np.eye(width)
    spread = ((sample - level * identity) ** 2).sum()
    squares = deviations**2
    noise = ((squares.T @ squares).sum() / count - (sample**2).sum()) / count
    amount = min(max(noise / spread, 0.0), 1.0) if spread > 0 else 1.0
    result: Numbers = (1 - amount) * sample + amount * level * identity
    return result + _SMALLEST * identity


def recentre(scores: Numbers, reference: ReferenceStatistics, training: ReferenceStatistics) -> Numbers:
    """Move scores [n, 14] so that the reference's controls look like training's normal specimens.

    The result is on training's scale, so calibrations and thresholds made there apply.
    """
    ratio = np.clip(training.score_scale / reference.score_scale, 1 / LARGEST_RATIO, LARGEST_RATIO)
    moved: Numbers = training.score_centre + (scores - reference.score_centre) * ratio
    return moved


def whiten(features: Numbers, reference: ReferenceStatistics) -> Numbers:
    """Return features [n, F] relative to the controls: these have mean zero and the identity as covariance."""
    factor = np.linalg.cholesky(reference.feature_covariance)
    white: Numbers = np.linalg.solve(factor, (features - reference.feature_mean).T).T
    return white


def distances(features: Numbers, reference: ReferenceStatistics) -> Numbers:
    """Return the Mahalanobis distance [n] of features [n, F] to the controls, per square root of a feature."""
    white = whiten(features, reference)
    result: Numbers = np.sqrt((white**2).mean(axis=1))
    return result


def relative_distances(features: Numbers, reference: ReferenceStatistics) -> Numbers:
    """Return distances [n] in units of that of a usual control: 1 is as far as every second control."""
    result: Numbers = distances(features, reference) / reference.typical_distance
    return result


def _left_out_distance(scores: Numbers, features: Numbers, prior: ReferenceStatistics) -> float:
    """Return the median distance of controls to references from the other folds; the prior's for very few controls."""
    if len(features) < FEWEST:
        return prior.typical_distance
    fold = np.arange(len(features)) % FOLDS
    each = [
        distances(features[fold == one], _shrunk(scores[fold != one], features[fold != one], prior))
        for one in range(FOLDS)
    ]
    return float(np.median(np.concatenate(each)))
