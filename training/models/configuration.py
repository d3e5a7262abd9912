"""Sizes of the two backbones: `small` trains on two CPU cores, `full` has those of the paper (section 4).

In `small-tensor` the ConvNeXt of `small` reads the fused tensor itself. All use the same code; only these values
differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Bridge = Literal["bilinear", "subpixel", "tensor"]
"""How the front end's map becomes an image for the ConvNeXt; with `tensor` the fused tensor is the image, and there is
no front end. See `training.models.convnext`."""


@dataclass(frozen=True)
class ConvNeXtSize:
    """Of the ConvNeXt-driven backbone.

    The first `frozen_blocks` (at most 2) of the EfficientNet that reads each view keep their ImageNet weights: they see
    edges and spots, are the same for every picture, and cost most. `enlarge` is how many pixels a side the bridge
    makes of a cell of the map: the ConvNeXt has a stride-4 stem and so loses nothing at 4 (112 pixels of a 28x28 map);
    the paper has 224, which is 8.

    `bone_width` is that of the heads that learn where bones and altered bones lie, in the whole picture and in the
    trunk's window (`training.models.trunk`), and hand what they find to the heads of the labels, with a linear layer
    past these; 0 leaves all of that out (docs/models.md). `feature_dropout` is of what h1 reads.

    With the bridge `tensor` there is no EfficientNet: `frozen_blocks` and `enlarge` count nothing, and there can be no
    bone heads.
    """

    frozen_blocks: int
    convnext: str
    convnext_from_imagenet: bool
    bridge: Bridge
    enlarge: int
    bone_width: int
    feature_dropout: float
    grid_channels: int
    dense: int


@dataclass(frozen=True)
class AutoencoderSize:
    """Of the CAE-driven backbone.

    `widths` are the channels of the two convolutions; the second is the code's depth (128 in the paper).
    The heads read the code pooled to a `grid` x `grid` of means, with each channel's mean and standard deviation
    (decision: the paper flattens 56x56x128, which would make 401,408 inputs to a dense layer). `bone_width` as in
    `ConvNeXtSize`.
    """

    widths: tuple[int, int]
    grid: int
    bone_width: int
    dense: int
    dropout: float


@dataclass(frozen=True)
class ModelSizes:
    """One size of each backbone."""

    convnext: ConvNeXtSize
    cae: AutoencoderSize


_SMALL: Final = ModelSizes(
    convnext=ConvNeXtSize(
        frozen_blocks=2,
        convnext="convnext_atto",
        convnext_from_imagenet=False,
        bridge="subpixel",
        enlarge=4,
        bone_width=64,
        feature_dropout=0.2,
        grid_channels=16,
        dense=64,
    ),
    cae=AutoencoderSize(widths=(8, 128), grid=4, bone_width=64, dense=64, dropout=0.5),
)
_FULL: Final = ModelSizes(
    convnext=ConvNeXtSize(
        frozen_blocks=0,
        convnext="convnext_base",
        convnext_from_imagenet=True,
        bridge="bilinear",
        enlarge=8,
        bone_width=0,
        feature_dropout=0.0,
        grid_channels=32,
        dense=128,
    ),
    cae=AutoencoderSize(widths=(64, 128), grid=7, bone_width=0, dense=256, dropout=0.5),
)
_SMALL_TENSOR: Final = replace(
    _SMALL, convnext=replace(_SMALL.convnext, frozen_blocks=0, bridge="tensor", enlarge=1, bone_width=0)
)
SIZES: Final = {"small": _SMALL, "small-tensor": _SMALL_TENSOR, "full": _FULL}
