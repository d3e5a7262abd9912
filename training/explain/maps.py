"""Heat of chosen labels on chosen images: Grad-CAM of each layer, and what the bone head itself says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.explain.grad_cam import Heat, Images, Rows, grad_cam, layers_of
from training.explain.localisation import altered_channel
from training.models.output import Output

BATCH: Final = 32
_SAID: Final = 28
"""Cells a side of what the bone heads say, in the whole view."""


@dataclass(frozen=True)
class HeatMap:
    """Heat float32 [n, maps, h, w] from one source; `key` names files, `title` is for people."""

    key: str
    title: str
    heat: Heat


def heat_maps(backbone: nn.Module, images: Images, rows: Rows, columns: Rows) -> tuple[HeatMap, ...]:
    """Heat of label `columns[n]` on image `rows[n]` of uint8 [all, side, side, 3], from each source.

    Sources are Grad-CAM of the layers that are shown and, of a backbone that learnt where altered bones lie, the
    probability that it gives each place of being altered for the label, in the whole views and in the trunk's window.
    """
    backbone.eval()
    names = [(f"grad-cam-{layer.key}", f"Grad-CAM, {layer.title}") for layer in layers_of(backbone)]
    parts = list(_batches(backbone, images, rows, columns))
    if len(parts[0]) > len(names):
        names.append(("bone-head", "bone head"))
    heats = [np.concatenate(of_source) for of_source in zip(*parts, strict=True)]
    return tuple(HeatMap(key, title, heat) for (key, title), heat in zip(names, heats, strict=True))


def _batches(backbone: nn.Module, images: Images, rows: Rows, columns: Rows) -> Iterator[list[Heat]]:
    layers = layers_of(backbone)
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        heats, output = grad_cam(backbone, layers, images[rows[part]], columns[part])
        if output.trunk is not None:
            places = output.trunk.places.detach()
            heats = [
                _of_window(heat, places) if layer.in_window else heat for layer, heat in zip(layers, heats, strict=True)
            ]
        said = _said(output, columns[part])
        yield heats if said is None else [*heats, said]


def _said(output: Output, columns: Rows) -> Heat | None:
    """What the bone heads say of each one's label: probability [n, 2, 28, 28], the larger where two see a place."""
    channels = torch.tensor([altered_channel(int(column)) for column in columns])
    found: list[Tensor] = []
    if output.bones is not None:
        whole = _of_channels(output.bones, channels)
        found.append(functional.interpolate(whole, size=(_SAID, _SAID), mode="nearest"))
    if output.trunk is not None:
        found.append(_on_views(_of_channels(output.trunk.bones, channels), output.trunk.places.detach()))
    return torch.stack(found).amax(dim=0).numpy() if found else None


def _of_channels(bones: Tensor, channels: Tensor) -> Tensor:
    """Bone logits [n, 2, channels, h, w] to probabilities [n, 2, h, w] of the channel that each one asks for."""
    return torch.sigmoid(bones.detach()[torch.arange(len(bones)), :, channels]).float()


def _of_window(heat: Heat, places: Tensor) -> Heat:
    """Heat [n, maps, h, w] of the trunk's window to the views [n, 2, 28, 28]; a map for both lies in each of them."""
    cells = functional.adaptive_avg_pool2d(torch.from_numpy(heat), (places.shape[1], places.shape[2]))
    return _on_views(cells.expand(-1, 2, -1, -1), places).numpy()


def _on_views(said: Tensor, places: Tensor) -> Tensor:
    """Put the window's cells [n, 2, h, w] where they lie in the views [n, 2, 28, 28]; no cell is smaller than these."""
    cell = ((places.flatten(0, 2) + 1) / 2 * _SAID).long().clamp(0, _SAID - 1)
    view = torch.arange(len(places)).repeat_interleave(places.shape[1] * places.shape[2])
    inside = (places.flatten(0, 2).abs() < 1).all(dim=1)
    index = (view * _SAID + cell[:, 1]) * _SAID + cell[:, 0]
    views = torch.zeros(len(places) * _SAID**2)
    views.scatter_reduce_(0, index[inside], said.reshape(-1)[inside], "amax")
    return views.reshape(-1, 2, _SAID, _SAID)
