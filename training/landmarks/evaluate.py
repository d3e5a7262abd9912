"""Compares the vertebrae that a multiview backbone finds with those that a person has marked.

A vertebra is found if a predicted one is within half the height of its box. Each counts once: the closest pairs are
matched first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.fuser.fuse import fuse
from services.intake.settings import Limits
from training.landmarks.annotated import AnnotatedView, annotated_pictures, read_view
from training.models.multiview.backbone import MultiviewBackbone
from training.models.multiview.landmarks import rows_of
from training.models.output import unit_range
from training.simulation.landmarks import LANDMARKS

_PRESENT: Final = 0.5
_NEAR: Final = rows_of(tuple(name for name in LANDMARKS if name[0] in "CTLS" and name[1:].isdigit()))
"""Vertebrae of neck to pelvis, which are read in the trunk's window."""
_TAIL: Final = rows_of(tuple(name for name in LANDMARKS if name.startswith("Ca")))


@dataclass(frozen=True)
class FoundVertebrae:
    """One picture's result: `matched` of `marked` vertebrae, out of `found` ones. `refused` is intake's reason code."""

    name: str
    marked: int = 0
    found: int = 0
    matched: int = 0
    refused: str = ""

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if nothing was found."""
        return 2 * self.matched / max(self.marked + self.found, 1)

    @property
    def count_error(self) -> int:
        """Number of vertebrae found minus the number marked."""
        return self.found - self.marked


def predicted_vertebrae(backbone: MultiviewBackbone, view: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """Return the vertebrae that a backbone finds in a DV view uint8 [448, 448], float64 [n, 2] in [-1, 1].

    The lateral view is black: each view is read by itself, so it has no effect.
    """
    tensor = fuse([view], [np.zeros_like(view)], side)
    backbone.eval()
    with torch.inference_mode():
        output = backbone(unit_range(torch.from_numpy(tensor[None])))
    if output.landmarks is None:
        msg = "a multiview backbone returns landmarks"
        raise RuntimeError(msg)
    whole, trunk = output.landmarks
    points = torch.cat([trunk.points[0, _NEAR], whole.points[0, _TAIL]])
    presence = torch.sigmoid(torch.cat([trunk.presence[0, _NEAR], whole.presence[0, _TAIL]]))
    return points[presence > _PRESENT].double().numpy()


def match(view: AnnotatedView, predicted: NDArray[np.float64]) -> FoundVertebrae:
    """Match predicted vertebrae [n, 2] with the marked ones."""
    distance = np.linalg.norm(view.centres[:, None] - predicted[None], axis=2)
    rows, columns = np.nonzero(distance <= view.heights[:, None] / 2)
    pairs = sorted(zip(distance[rows, columns].tolist(), rows.tolist(), columns.tolist(), strict=True))
    marked, found = set[int](), set[int]()
    for _, row, column in pairs:
        if row not in marked and column not in found:
            marked.add(row)
            found.add(column)
    return FoundVertebrae(view.name, len(view.centres), len(predicted), len(marked))


def evaluate_folder(backbone: MultiviewBackbone, folder: Path, side: int) -> list[FoundVertebrae]:
    """Return the result for each annotated picture of a folder, by name; those that intake rejects have its reason.

    Raises Rejected `no_annotations` and `boxes_damaged`.
    """
    return [_evaluate(backbone, picture, side) for picture in annotated_pictures(folder)]


def _evaluate(backbone: MultiviewBackbone, picture: Path, side: int) -> FoundVertebrae:
    try:
        view = read_view(picture, Limits())
    except Rejected as refusal:
        if refusal.reason == "boxes_damaged":
            raise
        return FoundVertebrae(picture.stem, refused=refusal.reason)
    return match(view, predicted_vertebrae(backbone, view.pixels, side))


def as_text(results: Sequence[FoundVertebrae]) -> str:
    """Write one line per picture, and one for all that intake accepted."""
    lines = [
        f"{one.name}: refused by intake ({one.refused})"
        if one.refused
        else f"{one.name}: F1 {one.f1:.3f}, {one.matched} of {one.marked} found, count error {one.count_error:+d}"
        for one in results
    ]
    accepted = [one for one in results if not one.refused]
    if accepted:
        together = FoundVertebrae(
            "all", *(sum(getattr(one, name) for one in accepted) for name in ("marked", "found", "matched"))
        )
        worst = max(abs(one.count_error) for one in accepted)
        lines.append(f"all {len(accepted)}: F1 {together.f1:.3f}, largest count error {worst}")
    return "\n".join(lines)
