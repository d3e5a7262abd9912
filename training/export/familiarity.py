"""The outputs of a served graph that the decision layer reads: `scores`, `features`, `unfamiliar`, and `counts`.

`features` are 64 numbers, whitened by training's normal specimens: 63 principal components of the input of the heads,
and the length of what these leave out, which strangers make longer (Wang et al., ViM, CVPR 2022, arXiv:2203.10807). The
squared length of `features` is therefore the Mahalanobis distance from the normal specimens. `unfamiliar` is the share
of validation specimens whose unfamiliarity is lower; the unfamiliarity is the largest of this distance and of the
backbone's own signals, each as a standard score of its logarithm.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.common.decision.set_card import MemberOutputs
from services.registry.validation import ValidationOutputs, tensor_id
from training.datasets.store import Subset
from training.models.output import Output, ServedBackbone, unit_range

FEATURES: Final = 64
KNOTS: Final = 401
"""Quantiles of unfamiliarity in the graph: `unfamiliar` has steps of a quarter of a per cent between them."""
_COMPONENTS: Final = FEATURES - 1
_SMALLEST: Final = 1e-6
_NORMAL: Final = 1.4826
_BATCH: Final = 32

Array = NDArray[np.float64]


class FamiliarityLayer(nn.Module):
    """Constants that turn a backbone's features and signals into `features` [n, 64] and `unfamiliar` [n, 1]."""

    centre: Tensor
    directions: Tensor
    scale: Tensor
    residual: Tensor
    signal_centre: Tensor
    signal_scale: Tensor
    knots: Tensor

    def __init__(self, inputs: int, signals: int) -> None:
        super().__init__()
        shapes = {
            "centre": (inputs,),
            "directions": (inputs, _COMPONENTS),
            "scale": (_COMPONENTS,),
            "residual": (2,),
            "signal_centre": (1 + signals,),
            "signal_scale": (1 + signals,),
            "knots": (KNOTS,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def whitened(self, features: Tensor) -> Tensor:
        """Standardised features [n, inputs] to whitened ones [n, 64]."""
        centred = features - self.centre
        along = centred @ self.directions
        left = (centred**2).sum(dim=1, keepdim=True) - (along**2).sum(dim=1, keepdim=True)
        length = (left.clamp(min=0) + _SMALLEST).log()
        return torch.cat([along * self.scale, (length - self.residual[0]) * self.residual[1]], dim=1)

    def unfamiliarity(self, whitened: Tensor, signals: Tensor) -> Tensor:
        """Whitened features [n, 64] and the backbone's signals [n, k] to the unfamiliarity [n, 1]."""
        distance = (whitened**2).mean(dim=1, keepdim=True)
        logarithms = (torch.cat([distance, signals], dim=1).clamp(min=0) + _SMALLEST).log()
        return ((logarithms - self.signal_centre) * self.signal_scale).amax(dim=1, keepdim=True)

    def share(self, unfamiliarity: Tensor) -> Tensor:
        """Unfamiliarity [n, 1] to the share [n, 1] of validation specimens below it, linear between the knots."""
        low, high = self.knots[:-1], self.knots[1:]
        return ((unfamiliarity - low) / (high - low)).clamp(0, 1).mean(dim=1, keepdim=True)


class DescribedOutputs(NamedTuple):
    """A served graph's outputs, in their order; probabilities as in `training.models.heads.HeadOutputs`.

    `counts` is an output of multiview backbones only.
    """

    level1: Tensor
    level2: Tensor
    level3: Tensor
    scores: Tensor
    features: Tensor
    unfamiliar: Tensor
    counts: Tensor | None = None


class DescribedBackbone(ServedBackbone):
    """A served backbone with the outputs of the decision layer; `counts` is whether the backbone has that output."""

    def __init__(self, served: ServedBackbone, familiarity: FamiliarityLayer, *, counts: bool = False) -> None:
        super().__init__(served.backbone, served.calibration)
        self.familiarity = familiarity
        names = DescribedOutputs._fields
        self.outputs = names if counts else names[:-1]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Compute all outputs, in the order of `outputs`."""
        pixels = unit_range(image)
        output: Output = self.backbone(pixels)
        whitened = self.familiarity.whitened(standardised(self.backbone, output))
        unfamiliarity = self.familiarity.unfamiliarity(whitened, signals(output, pixels))
        described = (*self.probabilities(output), output.logits, whitened, self.familiarity.share(unfamiliarity))
        return described if output.counts is None else (*described, output.counts)


def standardised(backbone: nn.Module, output: Output) -> Tensor:
    """Return the features [n, inputs] as the heads read them."""
    features: Tensor = backbone.get_submodule("standardise")(output.features)
    return features


def signals(output: Output, pixels: Tensor) -> Tensor:
    """Return the backbone's own signals [n, k]: those it gives, or an autoencoder's mean squared error, or none."""
    if output.signals is not None:
        return output.signals
    if output.reconstruction is None:
        return output.logits[:, :0]
    return ((output.reconstruction - pixels) ** 2).mean(dim=(1, 2, 3)).unsqueeze(1)


class _Described(NamedTuple):
    """Of n specimens: logits [n, 14], standardised features [n, inputs] and signals [n, k]; `counts` if it has any."""

    logits: Array
    features: Array
    signals: Array
    counts: bool


def describe(served: ServedBackbone, train: Subset, validation: Subset) -> tuple[DescribedBackbone, ValidationOutputs]:
    """Give a trained backbone the outputs of the decision layer, and return these for the validation specimens.

    Components come from the normal specimens of `train`, everything else from `validation`: these were not trained on,
    so their features lie as those of new specimens do.
    """
    normal, held_out = _describe(served.backbone, _normal(train)), _describe(served.backbone, validation)
    familiarity = _fit(normal, held_out, validation.labels[:, 0] == 0)
    whitened = familiarity.whitened(_tensor(held_out.features))
    share = familiarity.share(familiarity.unfamiliarity(whitened, _tensor(held_out.signals)))
    tensors = (image for images in validation.batches(_BATCH) for image in images)
    outputs = ValidationOutputs(
        tuple(tensor_id(tensor) for tensor in tensors),
        validation.centres,
        validation.labels,
        MemberOutputs(held_out.logits, _float(whitened), _float(share)[:, 0]),
    )
    return DescribedBackbone(served, familiarity, counts=held_out.counts).eval(), outputs


def _fit(normal: _Described, held_out: _Described, quiet: NDArray[np.bool_]) -> FamiliarityLayer:
    """Fit the constants; `quiet` [n] are the normal specimens among those held out."""
    familiarity = FamiliarityLayer(normal.features.shape[1], normal.signals.shape[1])
    _set_components(familiarity, normal.features)
    lengths = _float(familiarity.whitened(_tensor(held_out.features)))[quiet, -1]
    familiarity.residual.copy_(torch.tensor([lengths.mean(), 1 / max(lengths.std(), _SMALLEST)]))
    whitened = familiarity.whitened(_tensor(held_out.features))
    _set_signals(familiarity, _float(whitened)[quiet], held_out.signals[quiet])
    reached = _float(familiarity.unfamiliarity(whitened, _tensor(held_out.signals)))
    familiarity.knots.copy_(_tensor(_rising(np.quantile(reached, np.linspace(0, 1, KNOTS)))))
    return familiarity.eval()


def _set_components(familiarity: FamiliarityLayer, features: Array) -> None:
    centre = features.mean(axis=0)
    _, lengths, directions = np.linalg.svd(features - centre, full_matrices=False)
    count = min(_COMPONENTS, int((lengths > 1e-3 * lengths[0]).sum()))
    # A direction's sign is arbitrary: fix it, so that equal specimens give equal constants.
    signs = np.sign(directions[np.arange(count), np.abs(directions[:count]).argmax(axis=1)])
    familiarity.centre.copy_(_tensor(centre))
    familiarity.directions[:, :count] = _tensor((directions[:count] * signs[:, None]).T)
    familiarity.scale[:count] = _tensor(np.sqrt(len(features) - 1) / lengths[:count])
    # Until the lengths are known, the last feature is the logarithm itself.
    familiarity.residual.copy_(torch.tensor([0.0, 1.0]))


def _set_signals(familiarity: FamiliarityLayer, whitened: Array, signals: Array) -> None:
    values = np.column_stack([(whitened**2).mean(axis=1), signals])
    logarithms = np.log(np.maximum(values, 0) + _SMALLEST)
    centre = np.median(logarithms, axis=0)
    spread = _NORMAL * np.median(np.abs(logarithms - centre), axis=0)
    familiarity.signal_centre.copy_(_tensor(centre))
    familiarity.signal_scale.copy_(_tensor(1 / np.maximum(spread, 1e-3)))


def _rising(values: Array) -> Array:
    """Make values [n] strictly rising, so that the graph never divides by zero."""
    steps = np.maximum(np.diff(values), 1e-4)
    return np.concatenate([values[:1], values[0] + np.cumsum(steps)])


def _normal(subset: Subset) -> Subset:
    rows = np.flatnonzero(subset.labels[:, 0] == 0)
    centres = tuple(subset.centres[row] for row in rows.tolist())
    return replace(subset, rows=subset.rows[rows], labels=subset.labels[rows], centres=centres)


def _describe(backbone: nn.Module, subset: Subset) -> _Described:
    backbone.eval()
    each: list[tuple[Array, Array, Array]] = []
    counts = False
    with torch.inference_mode():
        for images in subset.batches(_BATCH):
            pixels = unit_range(torch.from_numpy(images))
            output: Output = backbone(pixels)
            counts = output.counts is not None
            values = output.logits, standardised(backbone, output), signals(output, pixels)
            each.append((_float(values[0]), _float(values[1]), _float(values[2])))
    logits, features, own = (np.concatenate(column) for column in zip(*each, strict=True))
    return _Described(logits, features, own, counts)


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _float(values: Tensor) -> Array:
    return np.asarray(values.detach().double().numpy())
