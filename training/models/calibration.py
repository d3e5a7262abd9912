"""Platt's calibration per label: probability = sigmoid(scale * logit + shift), fitted on validation specimens.

Source: Platt, Probabilistic outputs for support vector machines, 1999. This is the only calibration in the project.
"""

import hashlib
from typing import Final

import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER

SMALLEST_SCALE: Final = 0.05
"""A scale of zero or less would reverse the ranking; a label without evidence becomes nearly constant."""


class Calibration(nn.Module):
    """Scale and shift per logit, float32 [14] in the order of `LABEL_ORDER`; the identity until fitted."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(len(LABEL_ORDER)))
        self.register_buffer("shift", torch.zeros(len(LABEL_ORDER)))

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrate logits [n, 14]; the result has the same shape."""
        return logits * self.scale + self.shift

    def fit(self, logits: Tensor, labels: Tensor, scored: Tensor) -> None:
        """Fit each label on logits [n, 14], labels of 0 and 1 [n, 14] and a mask of the labels to use [n, 14].

        A label with only one class keeps the identity.
        """
        for column in range(len(LABEL_ORDER)):
            rows = scored[:, column].bool()
            truth = labels[rows, column].float()
            if 0 < truth.sum() < len(truth):
                self.scale[column], self.shift[column] = _platt(logits[rows, column], truth)

    def digest(self) -> str:
        """Return the SHA-256 of scales and shifts, which is part of a call's identity."""
        values = torch.cat([self.scale, self.shift]).double().cpu().numpy()
        return hashlib.sha256(values.tobytes()).hexdigest()


def _platt(logits: Tensor, truth: Tensor) -> tuple[float, float]:
    positives, negatives = truth.sum(), (1 - truth).sum()
    # Platt's targets keep a label with few positives from driving the scale to infinity.
    targets = torch.where(truth > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2)).double()
    values = logits.detach().double()
    parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimiser.zero_grad()
        value = nn.functional.binary_cross_entropy_with_logits(values * parameters[0] + parameters[1], targets)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    scale, shift = parameters.tolist()
    if scale >= SMALLEST_SCALE:
        return scale, shift
    prior = targets.mean()
    return SMALLEST_SCALE, float(torch.logit(prior) - SMALLEST_SCALE * values.mean())
