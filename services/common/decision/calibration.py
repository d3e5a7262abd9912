"""Calibrated probabilities of one label: logistic fits, stacking of several models, and shifts of the prevalence.

Everything works on logits of one label [n] and its truth [n] of 0 and 1. In the binary case, bias-corrected temperature
scaling (Alexandari, Kundaje and Shrikumar, ICML 2020, arXiv:1901.06852) is Platt's scaling, and that is what makes the
maximum-likelihood estimate of a new prevalence (Saerens, Latinne and Decaestecker, Neural Comput. 2002, 14:21) sound.
"""

from typing import Final, NamedTuple

import numpy as np

from services.common.decision.arrays import Numbers

CLIP: Final = 1e-6
"""Smallest probability whose logit is used."""
SMALLEST_SCALE: Final = 0.05
"""A scale of zero or less would reverse the ranking; a label without evidence becomes nearly constant."""
RIDGE: Final = 0.02
"""Pulls the weights of the members towards each other: with few positives, equal weights are hard to beat."""
_STEPS: Final = 50
_STACKING_STEPS: Final = 3000
_EM_STEPS: Final = 1000
_TOLERANCE: Final = 1e-9
_STACKING_TOLERANCE: Final = 1e-6


def sigmoid(logits: Numbers) -> Numbers:
    """Return the probabilities of logits of any shape, without overflow."""
    result: Numbers = 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))
    return result


def logit(probabilities: Numbers | float) -> Numbers:
    """Return the logits of probabilities of any shape, which are clipped to `CLIP` from 0 and 1."""
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), CLIP, 1 - CLIP)
    result: Numbers = np.log(clipped) - np.log1p(-clipped)
    return result


class Platt(NamedTuple):
    """Scale and shift of logits: probability = sigmoid(scale * logit + shift)."""

    scale: float
    shift: float


IDENTITY: Final = Platt(1.0, 0.0)


def fit_platt(logits: Numbers, truth: Numbers) -> Platt:
    """Fit scale and shift on logits [n] and truth [n]; the identity if truth has one class only.

    Newton's method on Platt's smoothed targets, which keep few positives from driving the scale to infinity (Platt,
    Probabilistic outputs for support vector machines, 1999).
    """
    positives = float(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return IDENTITY
    targets = np.where(truth > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    middle, spread = float(logits.mean()), float(logits.std()) or 1.0
    design = np.column_stack([(logits - middle) / spread, np.ones(len(logits))])
    slope, constant = _newton(design, targets)
    scale = slope / spread
    if scale >= SMALLEST_SCALE:
        return Platt(scale, constant - slope * middle / spread)
    return Platt(SMALLEST_SCALE, float(logit(float(targets.mean()))) - SMALLEST_SCALE * middle)


def _newton(design: Numbers, targets: Numbers) -> tuple[float, float]:
    """Minimise the logistic loss of a design [n, 2]; halves a step that does not lower it."""
    parameters = np.array([1.0, float(logit(float(targets.mean())))])
    loss = _loss(design @ parameters, targets)
    for _ in range(_STEPS):
        predicted = sigmoid(design @ parameters)
        gradient = design.T @ (predicted - targets)
        curvature = design.T @ (design * (predicted * (1 - predicted))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while (new := _loss(design @ (parameters - step), targets)) > loss and np.abs(step).max() > _TOLERANCE:
            step = step / 2
        parameters, improved, loss = parameters - step, loss - new, new
        if improved < _TOLERANCE:
            break
    return float(parameters[0]), float(parameters[1])


def _loss(logits: Numbers, targets: Numbers) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def fit_stack(logits: Numbers, truth: Numbers) -> Numbers:
    """Return non-negative weights [m] with sum 1 of the logits [n, m] of m members of a set, for truth [n].

    Stacking minimises the logistic loss of the pooled logit (Wolpert, Neural Networks 1992, 5:241; non-negative:
    Breiman, Machine Learning 1996, 24:49), with a ridge towards equal weights. Members are compared on their common
    scale: calibrate each before. Equal weights if truth has one class only.
    """
    count, members = logits.shape
    equal = np.full(members, 1 / members)
    if members == 1 or truth.min() == truth.max():
        return equal
    weights, shift = equal.copy(), 0.0
    rate = 1 / (((logits**2).sum() + count) / (4 * count) + RIDGE)
    for _ in range(_STACKING_STEPS):
        error = (sigmoid(logits @ weights + shift) - truth) / count
        gradient = logits.T @ error + RIDGE * (weights - weights.mean())
        moved = np.maximum(weights - rate * gradient, 0.0)
        shift -= rate * error.sum()
        change, weights = np.abs(moved - weights).max(), moved
        if change < _STACKING_TOLERANCE:
            break
    total = weights.sum()
    return weights / total if total > 0 else equal


def shift_prevalence(logits: Numbers, fitted: float, stated: float) -> Numbers:
    """Move calibrated logits [n] from the prevalence at which they were fitted to a stated one, both in (0, 1).

    The odds of a class change by the ratio of the prior odds, as long as the classes themselves look the same
    (Saerens et al. 2002).
    """
    moved: Numbers = logits + logit(stated) - logit(fitted)
    return moved


def estimate_prevalence(logits: Numbers, fitted: float) -> float:
    """Return the most likely prevalence among unlabelled specimens, from logits [n] calibrated at prevalence `fitted`.

    Expectation maximisation (Saerens et al. 2002); the likelihood is concave, so the result does not depend on the
    start. Without specimens it is `fitted`.
    """
    if not len(logits):
        return fitted
    prevalence = fitted
    for _ in range(_EM_STEPS):
        new = float(sigmoid(shift_prevalence(logits, fitted, prevalence)).mean())
        change, prevalence = abs(new - prevalence), min(max(new, CLIP), 1 - CLIP)
        if change < _TOLERANCE:
            break
    return prevalence
