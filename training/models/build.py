"""Backbones by name."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from training.models.autoencoder import AutoencoderDriven
from training.models.configuration import SIZES
from training.models.convnext import ConvNeXtDriven

BACKBONES: Final = ("convnext", "cae")
"""Names of the two backbones, here and in Triton."""

_BONES: Final = ", evidence of altered bones joined"


def build_backbone(name: str, size: str) -> nn.Module:
    """Make backbone `convnext` or `cae` in one of `SIZES`; raises KeyError for another size."""
    sizes = SIZES[size]
    backbone: nn.Module = ConvNeXtDriven(sizes.convnext) if name == "convnext" else AutoencoderDriven(sizes.cae)
    # Channels last: depthwise convolutions train twice as fast on a CPU (73 against 144 ms a specimen).
    return backbone.to(memory_format=torch.channels_last)


def architecture(name: str, size: str) -> str:
    """Describe a backbone in words for its model card."""
    sizes = SIZES[size]
    if name == "cae":
        cae = sizes.cae
        bones = _BONES if cae.bone_width else ""
        code = f"code 56x56x{cae.widths[1]}, pooled to {cae.grid}x{cae.grid}"
        return f"convolutional autoencoder {cae.widths}, {code}{bones}"
    convnext = sizes.convnext
    if convnext.bridge == "tensor":
        return f"{convnext.convnext} on the fused tensor"
    bones = f"{_BONES}, of the whole views and of the trunk enlarged" if convnext.bone_width else ""
    return f"EfficientNet-Lite0 to block 3b, {convnext.bridge} bridge x{convnext.enlarge}, {convnext.convnext}{bones}"
