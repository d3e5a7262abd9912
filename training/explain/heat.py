"""Explanation heat maps: Grad-CAM of each shown layer, and the output of the bone heads.

Grad-CAM (Selvaraju et al., ICCV 2017, arXiv:1610.02391) shows which places of a layer's feature map support a label.
The paper explains calls by Grad-CAM on the last convolutional stage. Decision: in the ConvNeXt-driven backbone three
layers are shown. Its last stage sees both views bridged into one image, so its heat is one map for both and cannot
show which view holds the evidence. The last convolutions of the front ends see each view separately: one the whole
view, one the trunk's window (`training.models.trunk`). A backbone that reads the fused tensor itself has the last stage
alone. The autoencoder reads its channels together: its code gives one map for both views, of the whole view and of the
window.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.models.output import Backbone, ExplainedLayer, Output, unit_range
from training.simulation.bone_truth import altered_channel

Heat = NDArray[np.float32]
Images = NDArray[np.uint8]
Rows = NDArray[np.int64]

BATCH: Final = 32
_CELLS: Final = 28
"""Cells per side of a view in the bone heads' heat."""


@dataclass(frozen=True)
class HeatMap:
    """Heat float32 [n, maps, h, w] from one source; `key` identifies the source, `title` is its display name."""

    key: str
    title: str
    heat: Heat


def layers_of(backbone: nn.Module) -> tuple[ExplainedLayer, ...]:
    """Layers of a backbone in the order in which it runs them; raises TypeError for an unknown backbone."""
    if isinstance(backbone, Backbone):
        return backbone.explained_layers()
    msg = f"no layers are known for a {type(backbone).__name__}"
    raise TypeError(msg)


def heat_maps(backbone: nn.Module, images: Images, rows: Rows, columns: Rows) -> tuple[HeatMap, ...]:
    """Heat of label `columns[n]` on image `rows[n]` of uint8 [all, side, side, 3], from each source.

    The sources are Grad-CAM of the shown layers and, for a backbone with bone heads, the probability that it gives each
    place of being altered for the label, in the whole views and in the trunk's window.
    """
    backbone.eval()
    names = [(f"grad-cam-{layer.key}", f"Grad-CAM, {layer.title}") for layer in layers_of(backbone)]
    parts = list(_batches(backbone, images, rows, columns))
    if len(parts[0]) > len(names):
        names.append(("bone-head", "bone head"))
    heats = [np.concatenate(of_source) for of_source in zip(*parts, strict=True)]
    return tuple(HeatMap(key, title, heat) for (key, title), heat in zip(names, heats, strict=True))


def grad_cam(
    backbone: nn.Module, layers: Sequence[ExplainedLayer], images: Images, columns: Rows
) -> tuple[list[Heat], Output]:
    """Heat of one label for each image, in each layer, and the backbone's output; the backbone is in evaluation mode.

    `images` are uint8 [n, side, side, 3]; `columns` [n] are the labels as positions in `LABEL_ORDER`. Heat is float32
    [n, maps, h, w], zero or greater, in units of the label's logit. There are two maps (DV and LAT) for a layer that
    sees each view separately, otherwise one for both. A label that nothing in the layer supports has zero heat.
    """
    with _captured_outputs(layers) as captured:
        output: Output = backbone(unit_range(torch.from_numpy(images)))
        chosen = output.logits[torch.arange(len(images)), torch.from_numpy(columns)]
        gradients = torch.autograd.grad(chosen.sum(), captured)
    heats = [_heat(one.detach(), gradient, len(images)) for one, gradient in zip(captured, gradients, strict=True)]
    return heats, output


def _heat(output: Tensor, gradient: Tensor, images: int) -> Heat:
    weight = gradient.mean(dim=(2, 3), keepdim=True)
    heat = torch.relu((weight * output).sum(dim=1))
    return heat.reshape(images, -1, *heat.shape[1:]).float().numpy()


@contextmanager
def _captured_outputs(layers: Sequence[ExplainedLayer]) -> Iterator[list[Tensor]]:
    """Collect the layers' outputs in the order in which the network runs them, with gradients enabled."""
    captured: list[Tensor] = []

    def capture(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # The output of frozen layers does not require a gradient by default.
        captured.append(output if output.requires_grad else output.requires_grad_())

    handles = [layer.module.register_forward_hook(capture) for layer in layers]
    try:
        with torch.enable_grad():
            yield captured
    finally:
        for handle in handles:
            handle.remove()


def _batches(backbone: nn.Module, images: Images, rows: Rows, columns: Rows) -> Iterator[list[Heat]]:
    layers = layers_of(backbone)
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        heats, output = grad_cam(backbone, layers, images[rows[part]], columns[part])
        if output.trunk is not None:
            places = output.trunk.places.detach()
            heats = [
                _window_in_views(heat, places) if layer.in_window else heat
                for layer, heat in zip(layers, heats, strict=True)
            ]
        bone_heat = _bone_head_heat(output, columns[part])
        yield heats if bone_heat is None else [*heats, bone_heat]


def _bone_head_heat(output: Output, columns: Rows) -> Heat | None:
    """Probability [n, 2, 28, 28] of the bone heads for each image's label; the larger one where both see a place."""
    channels = torch.tensor([altered_channel(int(column)) for column in columns])
    found: list[Tensor] = []
    if output.bones is not None:
        whole = _probabilities(output.bones, channels)
        found.append(functional.interpolate(whole, size=(_CELLS, _CELLS), mode="nearest"))
    if output.trunk is not None:
        found.append(_in_views(_probabilities(output.trunk.bones, channels), output.trunk.places.detach()))
    return torch.stack(found).amax(dim=0).numpy() if found else None


def _probabilities(bones: Tensor, channels: Tensor) -> Tensor:
    """Probabilities [n, 2, h, w] of one channel per specimen, from bone logits [n, 2, channels, h, w]."""
    return torch.sigmoid(bones.detach()[torch.arange(len(bones)), :, channels]).float()


def _window_in_views(heat: Heat, places: Tensor) -> Heat:
    """Heat [n, maps, h, w] of the trunk's window, placed in the views [n, 2, 28, 28]; one map for both is in each."""
    cells = functional.adaptive_avg_pool2d(torch.from_numpy(heat), (places.shape[1], places.shape[2]))
    return _in_views(cells.expand(-1, 2, -1, -1), places).numpy()


def _in_views(values: Tensor, places: Tensor) -> Tensor:
    """Place the window's cells [n, 2, h, w] in the views [n, 2, 28, 28]; no window cell is smaller than a view cell."""
    cell = ((places.flatten(0, 2) + 1) / 2 * _CELLS).long().clamp(0, _CELLS - 1)
    view = torch.arange(len(places)).repeat_interleave(places.shape[1] * places.shape[2])
    inside = (places.flatten(0, 2).abs() < 1).all(dim=1)
    index = (view * _CELLS + cell[:, 1]) * _CELLS + cell[:, 0]
    views = torch.zeros(len(places) * _CELLS**2)
    views.scatter_reduce_(0, index[inside], values.reshape(-1)[inside], "amax")
    return views.reshape(-1, 2, _CELLS, _CELLS)
