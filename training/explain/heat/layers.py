"""The last convolutional stages whose heat is shown.

The paper explains calls by Grad-CAM on the last convolutional stage. Decision: in the ConvNeXt-driven backbone three
layers are shown. Its last stage sees both views bridged into one image, so that its heat is one map for both and cannot
say in which view the evidence lies; the front ends' last convolutions see each view by itself, one the whole of it, one
the trunk's window (`training.models.trunk`). Where it reads the fused tensor itself it has the last stage alone. The
autoencoder reads its channels together: its code gives one map for both views, of the whole and of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from training.models.autoencoder import AutoencoderDriven
from training.models.convnext import ConvNeXtDriven


@dataclass(frozen=True)
class Layer:
    """A layer whose output [n, channels, h, w] is explained.

    `per_view`: its rows are DV and LAT of n/2 specimens. `in_window`: its places are those of the trunk's window.
    """

    key: str
    title: str
    module: nn.Module
    per_view: bool
    in_window: bool = False


def layers_of(backbone: nn.Module) -> tuple[Layer, ...]:
    """Layers of a backbone in the order in which it runs them; raises TypeError for an unknown backbone."""
    if isinstance(backbone, ConvNeXtDriven):
        network: Any = backbone.convnext
        layers = [Layer("last-stage", "last ConvNeXt stage", network.stages[-1], per_view=False)]
        if backbone.front_end is not None:
            layers.insert(0, Layer("front-end", "front end", backbone.front_end, per_view=True))
        if backbone.trunk is not None:
            layers.append(Layer("trunk", "front end, trunk", backbone.trunk.front_end, per_view=True, in_window=True))
        return tuple(layers)
    if isinstance(backbone, AutoencoderDriven):
        layers = [Layer("code", "code", backbone.code, per_view=False)]
        if backbone.trunk is not None:
            layers.append(Layer("trunk", "code, trunk", backbone.trunk.code, per_view=False, in_window=True))
        return tuple(layers)
    msg = f"no layers are known for a {type(backbone).__name__}"
    raise TypeError(msg)
