"""What a multiview backbone can do, on validation specimens: calls with and without evidence, landmarks, counts."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.metrics.figures import level_means
from training.metrics.ranking import LEVELS
from training.models.multiview.backbone import SIDE
from training.models.multiview.landmarks import COUNTED, FoundLandmarks, rows_of
from training.models.multiview.window import TRUNK_ROWS
from training.models.output import Output
from training.train.stream.losses import structural_similarity, views_of
from training.train.stream.specimens import DrawnBatch

_HALF_SIDE = SIDE / 2
"""Pixels of a 224-pixel tensor per unit of a view's coordinates."""


class ValidationFigures:
    """Collects batches; `finish` returns figures over all of them and starts again.

    `auroc_without_evidence_level{1,2,3}`: with the evidence of altered bones set to its mean. `landmark_error` and
    `whole_landmark_error`: mean distance in pixels of a 224-pixel tensor, of the trunk's landmarks in the window, and
    of all landmarks in the whole view. `window_error`: share of the trunk's landmarks outside the window.
    `count_error_vertebrae` and `count_error_ribs`: mean absolute error of the counts. `validity`: mean window validity.
    `ssim`: of an autoencoder.
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, Tensor]] = []

    def add(self, backbone: Any, output: Output, batch: DrawnBatch) -> None:
        """Add the output for a batch."""
        if output.landmarks is None or output.features is None or output.counts is None or output.signals is None:
            msg = "only a multiview backbone has landmarks, features, counts and signals"
            raise ValueError(msg)
        whole, trunk = output.landmarks
        points, present = batch.points.flatten(0, 1), batch.present.flatten(0, 1)
        rows = {
            "labels": batch.labels,
            "with": torch.sigmoid(output.logits.float()),
            "without": torch.sigmoid(backbone.classify(backbone.without_evidence(output.features))),
            "landmark_error": _distances(trunk, points, present)[:, TRUNK_ROWS].flatten(),
            "whole_landmark_error": _distances(whole, points, present).flatten(),
            "window_error": _outside(trunk, points, present),
            "counts": (output.counts - true_counts(batch.present)).abs(),
            "validity": 1 - output.signals[:, 0],
        }
        if output.reconstruction is not None:
            rows["ssim"] = structural_similarity(output.reconstruction.clamp(0, 1), views_of(batch.images))
        self._rows.append({name: value.detach().float().cpu() for name, value in rows.items()})

    def finish(self) -> tuple[dict[str, float], NDArray[np.uint8], NDArray[np.float32]]:
        """Return the figures, the labels uint8 [n, 14] and the uncalibrated probabilities [n, 14]."""
        together = {name: torch.cat([one[name] for one in self._rows]) for name in self._rows[0]}
        self._rows.clear()
        labels = together.pop("labels").to(torch.uint8).numpy()
        probabilities, without = together.pop("with").numpy(), together.pop("without").numpy()
        counts = together.pop("counts")
        means = level_means(labels, without, without)
        figures = {f"auroc_without_evidence_level{level}": mean for level, mean in zip(LEVELS, means, strict=True)}
        figures |= {
            "count_error_vertebrae": float(counts[:, :4].mean()),
            "count_error_ribs": float(counts[:, 4:].mean()),
        }
        figures |= {name: float(values.nanmean()) for name, values in together.items()}
        return figures, labels, probabilities


def true_counts(present: Tensor) -> Tensor:
    """Return the true counts [n, 6] of landmarks that at least one view shows, from present [n, 2, landmarks]."""
    shown = present.any(dim=1).float()
    return torch.stack([shown[:, rows_of(names)].sum(dim=1) for names in COUNTED], dim=1)


def _distances(found: FoundLandmarks, points: Tensor, present: Tensor) -> Tensor:
    """Distances [m, landmarks] in pixels of a 224-pixel tensor; NaN where the landmark is absent."""
    distance = (found.points - points).square().sum(dim=2).sqrt() * _HALF_SIDE
    return torch.where(present, distance, torch.nan)


def _outside(trunk: FoundLandmarks, points: Tensor, present: Tensor) -> Tensor:
    """Share [m] of the trunk's landmarks that are farther than a cell from every cell of the window."""
    cell = (trunk.places[:, 1] - trunk.places[:, 0]).square().sum(dim=1).sqrt()
    nearest = torch.cdist(points[:, TRUNK_ROWS], trunk.places).amin(dim=2) / cell[:, None]
    shown = present[:, TRUNK_ROWS]
    return ((nearest > 1) & shown).sum(dim=1) / shown.sum(dim=1)
