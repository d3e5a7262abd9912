"""Radiographs with one YOLO box per vertebra, brought through intake's code like any other picture.

A folder holds pictures and, for each, a text file of the same name: one line `class x y width height` per vertebra, the
box's centre and size as shares of the picture's width and height (https://docs.ultralytics.com/datasets/detect/).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.preprocessing import VIEW_SIDE
from services.intake.settings import Limits
from services.intake.standardise import StandardView, standardise
from training.simulation.bone_truth import view_to_picture

BOXES: Final = ".txt"
PICTURES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm")

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class AnnotatedView:
    """A dorsoventral view uint8 [448, 448] and its vertebrae.

    `centres` float64 [n, 2] are x and y in [-1, 1] from edge to edge of the view, `heights` [n] those of the boxes in
    the same unit.
    """

    name: str
    pixels: NDArray[np.uint8]
    centres: NDArray[np.float64]
    heights: NDArray[np.float64]


def read_boxes(path: Path) -> Boxes:
    """Return the boxes of a file, float64 [n, 4]: x, y, width, height in [0, 1].

    Raises Rejected `boxes_damaged` for a line that is not five numbers, or a box that is not inside the picture.
    """
    boxes = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.split()
        try:
            values = [float(value) for value in fields]
        except ValueError:
            values = []
        if len(values) != 5 or not all(0 <= value <= 1 for value in values[1:]):
            message = f"{path.name}, line {number}: expected `class x y width height` with shares of the picture"
            raise Rejected("boxes_damaged", message, file=path.name, line=number)
        boxes.append(values[1:])
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def annotated_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder that have boxes, by name; raises Rejected `no_annotations` if there are none."""
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.with_suffix(BOXES).exists()
    )
    if not found:
        message = f"{folder} holds no picture with a box file of the same name ({BOXES})"
        raise Rejected("no_annotations", message, folder=str(folder))
    return found


def read_view(picture: Path, limits: Limits) -> AnnotatedView:
    """Standardise a dorsoventral picture and warp its boxes along; raises Rejected with intake's reason."""
    standard = standardise(picture.read_bytes(), "DV", limits)
    boxes = read_boxes(picture.with_suffix(BOXES))
    size = np.array([float(str(standard.provenance[name])) for name in ("columns", "rows")])
    return AnnotatedView(picture.stem, standard.pixels, *_in_view(standard, boxes, size))


def _in_view(standard: StandardView, boxes: Boxes, size: NDArray[np.float64]) -> tuple[Boxes, Boxes]:
    to_picture = view_to_picture(standard.provenance, VIEW_SIDE)
    inverse = np.linalg.inv(np.vstack([to_picture, [0, 0, 1]]))
    pixels = (boxes[:, :2] * size - 0.5) @ inverse[:2, :2].T + inverse[:2, 2]
    scale = float(np.sqrt(abs(np.linalg.det(inverse[:2, :2]))))
    unit = 2 / VIEW_SIDE
    return (pixels + 0.5) * unit - 1, boxes[:, 3] * size[1] * scale * unit
