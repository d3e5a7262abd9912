"""Sizes of the two backbones: `small` trains on two CPU cores, `full` is the paper's (section 4).

Both use the same code; only these numbers differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Bridge = Literal["bilinear", "subpixel"]
"""How the front end's 28x28 map becomes an image for the ConvNeXt; see `training.models.bridge`."""


@dataclass(frozen=True)
class ConvNeXtSize:
    """Of the ConvNeXt-driven backbone.

    `image_side` is what the bridge makes and the ConvNeXt reads. The bridge's map is 28x28, so a ConvNeXt with its
    stride-4 stem loses nothing at 112; the paper has 224. `pooled_skip` joins mean and standard deviation of each of
    the front end's channels to the ConvNeXt's features and adds a linear layer past the heads, from these features
    to the logits: with a few thousand specimens and a ConvNeXt from scratch they carry most of the evidence
    (docs/models.md). `feature_dropout` is of what h1 reads.
    """

    convnext: str
    convnext_from_imagenet: bool
    train_front_end: bool
    bridge: Bridge
    image_side: int
    pooled_skip: bool
    feature_dropout: float
    grid_channels: int
    dense: int


@dataclass(frozen=True)
class AutoencoderSize:
    """Of the CAE-driven backbone.

    `widths` are the channels of the two convolutions; the second is the code's depth (128 in the paper).
    The heads read the code pooled to a `grid` x `grid` of means, with each channel's mean and standard deviation
    (decision: the paper flattens 56x56x128, which would make 401,408 inputs to a dense layer).
    """

    widths: tuple[int, int]
    grid: int
    dense: int
    dropout: float


@dataclass(frozen=True)
class ModelSizes:
    """One size of each backbone."""

    convnext: ConvNeXtSize
    cae: AutoencoderSize


SIZES: Final = {
    "small": ModelSizes(
        convnext=ConvNeXtSize(
            convnext="convnext_atto",
            convnext_from_imagenet=False,
            train_front_end=False,
            bridge="bilinear",
            image_side=112,
            pooled_skip=True,
            feature_dropout=0.5,
            grid_channels=16,
            dense=64,
        ),
        cae=AutoencoderSize(widths=(8, 128), grid=4, dense=64, dropout=0.5),
    ),
    "full": ModelSizes(
        convnext=ConvNeXtSize(
            convnext="convnext_base",
            convnext_from_imagenet=True,
            train_front_end=True,
            bridge="bilinear",
            image_side=224,
            pooled_skip=False,
            feature_dropout=0.0,
            grid_channels=32,
            dense=128,
        ),
        cae=AutoencoderSize(widths=(64, 128), grid=7, dense=256, dropout=0.5),
    ),
}
