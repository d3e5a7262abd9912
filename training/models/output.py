"""The output of every backbone: what it returns, its calibration, and the model as Triton serves it.

A served backbone takes raw tensors and returns calibrated and consistent probabilities. The only calibration in the
project is Platt's, per label: probability = sigmoid(scale * logit + shift), fitted on validation specimens. Source:
Platt, Probabilistic outputs for support vector machines, 1999.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from training.models.heads import HeadOutputs, coherent_probabilities
from training.models.multiview.landmarks import FoundLandmarks

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


class ServedBackbone(nn.Module):
    """uint8 [n, side, side, 3] to the probabilities of the three levels; it normalises the images itself.

    `outputs` are the names of its outputs, in their order.
    """

    def __init__(self, backbone: nn.Module, calibration: Calibration) -> None:
        super().__init__()
        self.backbone = backbone
        self.calibration = calibration
        self.outputs: tuple[str, ...] = HeadOutputs._fields

    def forward(self, image: Tensor) -> HeadOutputs:
        """Compute the probabilities."""
        return self.probabilities(self.backbone(unit_range(image)))

    def probabilities(self, output: "Output") -> HeadOutputs:
        """Compute the probabilities from the backbone's output."""
        return coherent_probabilities(self.calibration(output.logits))


def unit_range(image: Tensor) -> Tensor:
    """Turn uint8 [n, side, side, 3] into float32 [n, 3, side, side] in [0, 1].

    The cast comes first because TensorRT rejects any other operation on a uint8 tensor.
    """
    return image.to(torch.float32).permute(0, 3, 1, 2) / 255


HEADS: Final = ("heads", "shortcut", "level1", "level2", "level3", "level2_output", "level3_output")
"""Names of a backbone's children that are heads: everything behind `standardise`. A backbone has some of them."""


class TrunkBones(NamedTuple):
    """Bone logits [n, 2, channels, h, w] of the trunk's window of both views, and the positions of the window's cells.

    `places` is [2n, h, w, 2] in the views' coordinates, for `training.models.trunk.sample_at`.
    """

    bones: Tensor
    places: Tensor


class Output(NamedTuple):
    """Logits [n, 14] in the order of `LABEL_ORDER`, and outputs that are trained on but do not serve.

    The logits of levels 2 and 3 are conditional on the specimen being abnormal. `reconstruction` is an autoencoder's
    image [n, 3, side, side] in [0, 1], or [n, 2, 224, 224] of the two views. `bones` are logits
    [n, 2, channels, cells, cells] of the positions of bones and altered bones in both views, in the order of
    `training.simulation.bone_truth.CHANNELS`. `trunk` holds the same for the trunk's window.

    `features` [n, features] are the input of `standardise`. The others come from multiview backbones only: `landmarks`
    of the whole views and of the windows; `counts` [n, 6] (`training.models.multiview.landmarks.COUNTS`); `signals`
    [n, k], how unfamiliar the specimen is (window invalidity in [0, 1], reconstruction error); and `attention`
    [n, heads, 14, cells] of the label queries to the cells of both whole views, then of both windows.
    """

    logits: Tensor
    reconstruction: Tensor | None = None
    bones: Tensor | None = None
    trunk: TrunkBones | None = None
    features: Tensor | None = None
    landmarks: tuple[FoundLandmarks, FoundLandmarks] | None = None
    counts: Tensor | None = None
    signals: Tensor | None = None
    attention: Tensor | None = None


@dataclass(frozen=True)
class ExplainedLayer:
    """A layer whose output [n, channels, h, w] is explained with Grad-CAM.

    `per_view`: its n rows are DV and LAT of n/2 specimens. `in_window`: its map covers the trunk's window instead of
    the whole view.
    """

    key: str
    title: str
    module: nn.Module
    per_view: bool
    in_window: bool = False


class Backbone(nn.Module):
    """Base class of all backbones: float32 images [n, 3, side, side] in [0, 1] to an `Output`.

    A backbone has a child `standardise`, which receives the features [n, features] of each specimen, and behind it the
    heads, as children named in `HEADS`. A child whose name contains `front_end` has its own learning rate.
    """

    standardise: nn.Sequential

    def classify(self, features: Tensor) -> Tensor:
        """Turn features [n, features], before standardisation, into the 14 logits [n, 14]."""
        raise NotImplementedError

    def explained_layers(self) -> tuple[ExplainedLayer, ...]:
        """Return the layers to explain with Grad-CAM, in the order in which the network runs them."""
        raise NotImplementedError
