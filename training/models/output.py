"""The contract of every backbone: what it returns, and what training and explanation use of it.

A backbone as Triton serves it: raw tensors in, calibrated and consistent probabilities out.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from training.models.calibration import Calibration
from training.models.heads import HeadOutputs, coherent_probabilities


class ServedBackbone(nn.Module):
    """uint8 [n, side, side, 3] to the probabilities of the three levels; it normalises the images itself."""

    def __init__(self, backbone: nn.Module, calibration: Calibration) -> None:
        super().__init__()
        self.backbone = backbone
        self.calibration = calibration

    def forward(self, image: Tensor) -> HeadOutputs:
        """Compute the probabilities."""
        output: Output = self.backbone(unit_range(image))
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
    image [n, 3, side, side] in [0, 1]. `bones` are logits [n, 2, channels, cells, cells] of the positions of bones and
    altered bones in both views, in the order of `training.datasets.bone_truth.CHANNELS`. `trunk` holds the same for the
    trunk's window.
    """

    logits: Tensor
    reconstruction: Tensor | None = None
    bones: Tensor | None = None
    trunk: TrunkBones | None = None


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
