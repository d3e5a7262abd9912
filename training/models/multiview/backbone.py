"""A backbone that reads each view by its own pass of shared weights and fuses late.

    view [224]  -> stem -> cells -> landmarks, bones -+-> label queries -> heads -> 14 logits
                              |                       |
                 window from landmarks -> trunk -> stem -> cells -> landmarks, bones

No network layer ever sees DV and LAT as channels of one picture. What a real picture can confirm (landmarks) and what
only the simulator knows (altered bones) are learnt as additional tasks from the same cells. In training the evidence of
altered bones is hidden from the heads of half of the specimens, so that the other features must carry the result.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.common.labels import LABEL_ORDER
from training.models.heads import EVIDENCE, evidence
from training.models.multiview.cells import VIEWS, CellReader, by_specimen, kind_of_picture
from training.models.multiview.landmarks import (
    FoundLandmarks,
    LandmarkHead,
    expected_counts,
    joint_presence,
    whole_places,
)
from training.models.multiview.queries import LabelHeads, LabelQueries
from training.models.multiview.window import (
    CELL,
    COLUMNS,
    ROWS,
    TRUNK_ROWS,
    TrunkWindow,
    in_window,
    place_window,
    shaken,
    window_grid,
    window_validity,
)
from training.models.output import Backbone, ExplainedLayer, Output, TrunkBones
from training.models.trunk import cell_centres, normalise_contrast, sample_at
from training.simulation.bone_truth import CHANNELS
from training.simulation.landmarks import LANDMARKS

SIDE: Final = 224
"""Pixels per side of a whole view as the network reads it; tensors of higher resolution serve the trunk's window."""
GEOMETRY: Final = 64
"""Numbers that describe where the landmarks are."""
_RARE: Final = -4.0
_GUIDED: Final = 0.5
"""Share of training specimens whose window is placed by the true landmarks."""


@dataclass(frozen=True)
class MultiviewSize:
    """Dimensions: `width` of a cell, ConvNeXt blocks at an eighth and a sixteenth of the resolution, attention `heads`.

    `feature_dropout` applies to the input of the label heads; `evidence_dropout` is the share of training specimens
    whose evidence of altered bones is replaced by its mean.
    """

    width: int
    fine_blocks: int
    coarse_blocks: int
    heads: int = 4
    feature_dropout: float = 0.2
    evidence_dropout: float = 0.5

    def describe(self) -> str:
        """Describe what follows the stem, for a model card."""
        blocks = f"{self.fine_blocks} and {self.coarse_blocks} ConvNeXt blocks of {self.width} and {2 * self.width}"
        return f"{blocks} channels, landmarks, bones, and a query per label with {self.heads} heads"


class LandmarkTruth(NamedTuple):
    """True landmarks of n specimens: `points` float32 [n, 2, landmarks, 2], x and y in [-1, 1] of each view.

    `present` bool [n, 2, landmarks] is False for those that a view does not show.
    """

    points: Tensor
    present: Tensor


class EvidenceDropout(nn.Module):
    """Sets the last `columns` of standardised features to their mean, which is 0, for a share of training specimens."""

    def __init__(self, columns: int, share: float) -> None:
        super().__init__()
        self._columns, self._share = columns, share

    def forward(self, features: Tensor) -> Tensor:
        """[n, features] to the same shape; unchanged outside training."""
        if not self.training:
            return features
        kept = torch.rand(len(features), 1, device=features.device) >= self._share
        return torch.cat([features[:, : -self._columns], features[:, -self._columns :] * kept], dim=1)


class MultiviewBackbone(Backbone):
    """Reads DV and LAT, channels 0 and 1 of [n, 3, side, side], with `stem`; `side` is 224 or a multiple of it."""

    def __init__(self, stem: Any, size: MultiviewSize) -> None:
        super().__init__()
        width = size.width
        self.stem = stem
        self.reader = CellReader(stem.channels, width, size.fine_blocks, size.coarse_blocks)
        self.whole_kind = kind_of_picture(width)
        self.trunk_kind = kind_of_picture(width, (ROWS // CELL, COLUMNS // CELL))
        self.whole_cells, self.trunk_cells = nn.Identity(), nn.Identity()  # where explanations look
        self.whole_landmarks, self.trunk_landmarks = LandmarkHead(width), LandmarkHead(width)
        self.whole_bones, self.trunk_bones = _bone_head(width), _bone_head(width)
        self.queries = LabelQueries(width, size.heads)
        numbers = VIEWS * 3 * len(LANDMARKS)
        self.geometry = nn.Sequential(
            nn.BatchNorm1d(numbers), nn.Linear(numbers, 2 * GEOMETRY), nn.GELU(), nn.Linear(2 * GEOMETRY, GEOMETRY)
        )
        shared = GEOMETRY + 2 * EVIDENCE
        features = width * len(LABEL_ORDER) + shared
        self.standardise = nn.Sequential(
            nn.BatchNorm1d(features, affine=False),
            nn.Dropout(size.feature_dropout),
            EvidenceDropout(2 * EVIDENCE, size.evidence_dropout),
        )
        self.heads = LabelHeads(width, shared)

    def forward(self, image: Tensor, truth: LandmarkTruth | None = None) -> Output:
        """Compute the output for float32 [n, 3, side, side] in [0, 1].

        In training `truth` places the window of some specimens; it has no other effect.
        """
        views = image[:, :VIEWS].flatten(0, 1)[:, None]
        whole = _pooled(views)
        code = self.stem.encode(whole)
        cells = self.whole_cells(self.reader(self.stem.maps(code), self.whole_kind))
        found = self.whole_landmarks(cells, whole_places(*cells.shape[2:]).to(cells))
        window = self._window(found, truth)
        grid = window_grid(window)
        trunk = normalise_contrast(sample_at(views, grid))
        near = self.trunk_cells(self.reader(self.stem.maps(self.stem.encode(trunk)), self.trunk_kind))
        places = cell_centres(grid)
        closer = self.trunk_landmarks(near, places)
        vectors, attention = self.queries(torch.cat([_tokens(cells), _tokens(near)], dim=1))
        bones, trunk_bones = (by_specimen(head(c)) for head, c in ((self.whole_bones, cells), (self.trunk_bones, near)))
        joined = [
            vectors.flatten(1),
            self.geometry(_geometry(found, closer, window)),
            evidence(bones),
            evidence(trunk_bones),
        ]
        features = torch.cat(joined, dim=1)
        rebuilt = self.stem.rebuild(code)
        return Output(
            logits=self.classify(features),
            reconstruction=None if rebuilt is None else by_specimen(rebuilt).squeeze(2),
            bones=bones,
            trunk=TrunkBones(trunk_bones, places),
            features=features,
            landmarks=(found, closer),
            counts=expected_counts(joint_presence(closer.presence)),
            signals=_signals(window_validity(found[2:4], closer[2:4], window), whole, rebuilt),
            attention=attention,
        )

    def classify(self, features: Tensor) -> Tensor:
        """Turn features [n, features], before standardisation, into the 14 logits [n, 14]."""
        logits: Tensor = self.heads(self.standardise(features))
        return logits

    def without_evidence(self, features: Tensor) -> Tensor:
        """Return features [n, features] with the evidence of altered bones replaced by its mean over the training."""
        normal: Any = self.standardise[0]
        mean = normal.running_mean[-2 * EVIDENCE :].expand(len(features), -1)
        return torch.cat([features[:, : -2 * EVIDENCE], mean], dim=1)

    def explained_layers(self) -> tuple[ExplainedLayer, ...]:
        """Return the cells of the whole views, and those of the trunk's window."""
        return (
            ExplainedLayer("cells", "cells", self.whole_cells, per_view=True),
            ExplainedLayer("trunk", "cells, trunk", self.trunk_cells, per_view=True, in_window=True),
        )

    def _window(self, found: FoundLandmarks, truth: LandmarkTruth | None) -> TrunkWindow:
        # Detached: the window learns from the true landmarks alone, never from what would make a label easier.
        points, weight = found.points.detach(), torch.sigmoid(found.presence.detach())
        if not self.training:
            return place_window(points, weight)
        if truth is not None:
            known = truth.present.flatten(0, 1)[:, TRUNK_ROWS].any(dim=1)
            guided = (torch.rand(len(points), device=points.device) < _GUIDED) & known
            points = torch.where(guided[:, None, None], truth.points.flatten(0, 1), points)
            weight = torch.where(guided[:, None], truth.present.flatten(0, 1).to(weight), weight)
        return shaken(place_window(points, weight))


def _pooled(views: Tensor) -> Tensor:
    """Pool [m, 1, side, side] to 224 pixels per side."""
    factor = views.shape[-1] // SIDE
    return functional.avg_pool2d(views, factor) if factor > 1 else views


def _bone_head(width: int) -> nn.Conv2d:
    head = nn.Conv2d(width, len(CHANNELS), kernel_size=1)
    if head.bias is not None:
        nn.init.constant_(head.bias, _RARE)
    return head


def _tokens(cells: Tensor) -> Tensor:
    """[2n, width, h, w] to [n, 2 * h * w, width]."""
    return by_specimen(cells.flatten(2)).permute(0, 1, 3, 2).flatten(1, 2)


def _geometry(found: FoundLandmarks, closer: FoundLandmarks, window: TrunkWindow) -> Tensor:
    """Return where the landmarks are in the window's coordinates, and whether they are present: [n, 2 * 3 * landmarks].

    Landmarks of the trunk are those of the window, the others those of the whole view.
    """
    of_trunk = torch.zeros(len(LANDMARKS), 1, device=found.points.device)
    of_trunk[list(TRUNK_ROWS)] = 1
    points = in_window(closer.points * of_trunk + found.points * (1 - of_trunk), window)
    presence = torch.tanh(closer.presence * of_trunk[:, 0] + found.presence * (1 - of_trunk[:, 0]))
    return by_specimen(torch.cat([points.flatten(1), presence], dim=1)).flatten(1)


def _signals(validity: Tensor, whole: Tensor, rebuilt: Tensor | None) -> Tensor:
    """Return what tells how unfamiliar a specimen is, [n, 1 or 2]: 1 - window validity, reconstruction error.

    The error is the mean squared error of the worse view.
    """
    signals = [1 - validity]
    if rebuilt is not None:
        error = (rebuilt - whole).square().mean(dim=(1, 2, 3))
        signals.append(by_specimen(error).amax(dim=1))
    return torch.stack(signals, dim=1)
