"""The last convolutional stages whose heat is shown.

The paper explains calls by Grad-CAM on the last convolutional stage. Decision: in the ConvNeXt-driven backbone two
layers are shown. Its last stage sees both views bridged into one image, so that its heat is one map for both and cannot
say in which view the evidence lies; the front end's last convolution sees each view by itself. The autoencoder reads
the three channels together: its code gives one map for both views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from training.models.autoencoder import AutoencoderDriven
from training.models.convnext import ConvNeXtDriven


@dataclass(frozen=True)
class Layer:
    """A layer whose output [n, channels, h, w] is explained; `per_view`: its rows are DV and LAT of n/2 specimens."""

    key: str
    title: str
    module: nn.Module
    per_view: bool


def layers_of(backbone: nn.Module) -> tuple[Layer, ...]:
    """Layers of a backbone, the last convolutional stage at the end; raises TypeError for an unknown backbone."""
    if isinstance(backbone, ConvNeXtDriven):
        network: Any = backbone.convnext
        return (
            Layer("front-end", "front end", backbone.front_end, per_view=True),
            Layer("last-stage", "last ConvNeXt stage", network.stages[-1], per_view=False),
        )
    if isinstance(backbone, AutoencoderDriven):
        return (Layer("code", "encoder's code", backbone.encoder, per_view=False),)
    msg = f"no layers are known for a {type(backbone).__name__}"
    raise TypeError(msg)
