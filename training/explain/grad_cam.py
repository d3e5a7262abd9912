"""Grad-CAM (Selvaraju et al., ICCV 2017, arXiv:1610.02391): which places of a layer's map speak for a label.

The last convolutional stages whose heat is shown.

The paper explains calls by Grad-CAM on the last convolutional stage. Decision: in the ConvNeXt-driven backbone three
layers are shown. Its last stage sees both views bridged into one image, so that its heat is one map for both and cannot
say in which view the evidence lies; the front ends' last convolutions see each view by itself, one the whole of it, one
the trunk's window (`training.models.trunk`). Where it reads the fused tensor itself it has the last stage alone. The
autoencoder reads its channels together: its code gives one map for both views, of the whole and of the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.models.output import Backbone, ExplainedLayer, Output
from training.models.serving import unit_range


def layers_of(backbone: nn.Module) -> tuple[ExplainedLayer, ...]:
    """Layers of a backbone in the order in which it runs them; raises TypeError for an unknown backbone."""
    if isinstance(backbone, Backbone):
        return backbone.explained_layers()
    msg = f"no layers are known for a {type(backbone).__name__}"
    raise TypeError(msg)


Heat = NDArray[np.float32]
Images = NDArray[np.uint8]
Rows = NDArray[np.int64]


def grad_cam(
    backbone: nn.Module, layers: Sequence[ExplainedLayer], images: Images, columns: Rows
) -> tuple[list[Heat], Output]:
    """Heat of one label for each image, in each layer, and the backbone's output; the backbone is in evaluation mode.

    `images` are uint8 [n, side, side, 3], `columns` [n] the label of each in the order of `LABEL_ORDER`. Heat is
    float32 [n, maps, h, w], zero or greater, in units of the label's logit: maps are DV and LAT for a layer that sees
    each view by itself, else one for both. A label that nothing in the layer speaks for has no heat anywhere.
    """
    with _kept_outputs(layers) as kept:
        output: Output = backbone(unit_range(torch.from_numpy(images)))
        chosen = output.logits[torch.arange(len(images)), torch.from_numpy(columns)]
        gradients = torch.autograd.grad(chosen.sum(), kept)
    return [_heat(one.detach(), gradient, len(images)) for one, gradient in zip(kept, gradients, strict=True)], output


def _heat(output: Tensor, gradient: Tensor, images: int) -> Heat:
    weight = gradient.mean(dim=(2, 3), keepdim=True)
    heat = torch.relu((weight * output).sum(dim=1))
    return heat.reshape(images, -1, *heat.shape[1:]).float().numpy()


@contextmanager
def _kept_outputs(layers: Sequence[ExplainedLayer]) -> Iterator[list[Tensor]]:
    """Keep the layers' outputs, in the order in which the network runs them, and let them take a gradient."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # Behind frozen layers nothing asks for a gradient yet.
        kept.append(output if output.requires_grad else output.requires_grad_())

    handles = [layer.module.register_forward_hook(keep) for layer in layers]
    try:
        with torch.enable_grad():
            yield kept
    finally:
        for handle in handles:
            handle.remove()
