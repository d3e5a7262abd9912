"""The simulator's bone truth: which bones each place of a view shows, and which of them are altered.

Pretraining reads it (docs/models.md), and the evaluation of explanation heat maps. Nothing in serving does.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2
from services.common.observations import call_vector
from services.intake.crop import Crop, ViewAxes
from training.simulation.abnormalities.catalogue import GROUP
from training.simulation.imaging.projection import bone_map
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.imaging.rays import Grid
from training.simulation.specimen import SimulatedSpecimen

Maps = NDArray[np.uint8]

SIDE: Final = 56
"""Cells per side: twice the resolution of the front end's map of the whole picture, about that of its trunk map."""
_FINE: Final = 4 * SIDE
"""Pixels per side of the grid that is averaged to cells."""
LEAST_COVER: Final = 10
"""A cell of which less than 10/255 is bone does not count as bone."""
_LIMBS: Final = ("humerus", "ulna", "radius", "femur", "tibia", "fibula")
_BOTH: Final = ("L", "R")
REGIONS: Final[dict[str, tuple[str, ...]]] = {
    "cervical": tuple(f"C{n}" for n in range(1, 8)),
    "thoracic": tuple(f"T{n}" for n in range(1, 15)),
    "lumbar": tuple(f"L{n}" for n in range(1, 8)),
    "sacral": tuple(f"S{n}" for n in range(1, 6)),
    "caudal": tuple(f"Ca{n}" for n in range(1, 33)),
    "ribs": ("sternum", *(f"rib {side}{n}" for side in _BOTH for n in range(1, 15))),
    "skull": ("cranium", "snout", "teeth", "zygomatic arch", "mandible"),
    "girdles": tuple(f"{name} {side}" for side in _BOTH for name in ("scapula", "clavicle", "pelvis")),
    "limbs": tuple(f"{name} {side}" for side in _BOTH for name in _LIMBS),
    "paws": tuple(f"{name} {side}" for side in _BOTH for name in ("forepaw", "hindpaw")),
}
KINDS: Final = tuple(kind for kind, group in GROUP.items() if group in LEVEL2)
"""Kinds of abnormality that set one of the thirteen labels. Lesions of one kind look alike; a label covers several."""
CHANNELS: Final = (
    *REGIONS,
    "altered",
    *(f"altered: {label}" for label in CALL_LABELS),
    *(f"altered by {kind}" for kind in KINDS),
)
"""Names of a view's maps, in order."""


def bone_truth(radiograph: Radiograph, specimen: SimulatedSpecimen, provenance: Mapping[str, JsonValue]) -> Maps:
    """Share of each cell that the bones cover, uint8 [channels, 56, 56], in the standardised view of one picture.

    0 is none and 255 the whole cell; a cell that a bone only touches is at least 1. `provenance` is that of the
    StandardView: it describes how the picture was rotated and cropped.
    """
    groups = [*REGIONS.values(), *_altered(specimen)]
    named = [number for number, group in enumerate(groups) if group]
    to_picture = view_to_picture(provenance, _FINE)
    maps = bone_map(radiograph.mouse, _view_grid(radiograph, to_picture), [groups[number] for number in named])
    maps &= _exposed(radiograph, to_picture)
    cells = np.zeros((len(groups), SIDE, SIDE), dtype=np.uint8)
    factor = _FINE // SIDE
    whole = maps.view(np.uint8).reshape(len(named), SIDE, factor, _FINE).sum(axis=2, dtype=np.uint8)
    count = whole.reshape(len(named), SIDE, SIDE, factor).sum(axis=3, dtype=np.uint16)
    cells[named] = (count * 255 + factor**2 - 1) // factor**2  # rounded up
    return cells


def _view_grid(radiograph: Radiograph, to_picture: NDArray[np.float64]) -> Grid:
    """Rays through the pixels of the view rather than of the picture; `to_picture` is from the view's pixels."""
    rays = radiograph.grid
    zoom = np.array(radiograph.mask.shape[::-1]) / (rays.width, rays.height)
    size = float(np.hypot(*to_picture[:, 0]))
    axes = rays.axes.copy()
    axes[:, :2] = rays.axes[:, :2] @ to_picture[:, :2] / size
    corner = (to_picture @ np.array([-0.5, -0.5, 1.0]) + 0.5) / zoom * rays.step
    return Grid(axes, rays.origin + rays.axes[:, :2] @ corner, size * rays.step / float(zoom[0]), _FINE, _FINE)


def _exposed(radiograph: Radiograph, to_picture: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels of the view [224, 224] that show the exposed field of the picture."""
    field = radiograph.collimated
    index = np.arange(_FINE)
    x, y = (to_picture[axis, 0] * index + to_picture[axis, 1] * index[:, None] + to_picture[axis, 2] for axis in (0, 1))
    inside = (x > field.left - 1) & (x < field.right) & (y > field.top - 1) & (y < field.bottom)
    return np.asarray(inside, dtype=np.bool_)


def altered_cells(bones: Maps, column: int) -> NDArray[np.bool_]:
    """Cells [2, side, side] of the bones that set a label (level 1: that any finding altered).

    `bones` is one specimen's truth uint8 [2, channels, side, side], `column` the label's position in `LABEL_ORDER`.
    """
    return np.asarray(bones[:, altered_channel(column)] >= LEAST_COVER)


def altered_channel(column: int) -> int:
    """Channel of the bone truth with the bones behind a label, given by its position in `LABEL_ORDER`."""
    return CHANNELS.index("altered" if column == 0 else f"altered: {LABEL_ORDER[column]}")


def bone_cells(bones: Maps) -> NDArray[np.bool_]:
    """Cells [2, side, side] of any bone, from one specimen's truth uint8 [2, channels, side, side]."""
    return np.asarray((bones[:, : len(REGIONS)] >= LEAST_COVER).any(axis=1))


def _altered(specimen: SimulatedSpecimen) -> list[tuple[str, ...]]:
    """Altered parts of all findings, of the findings behind each label, and of each kind that sets a label."""
    by_label: list[tuple[str, ...]] = []
    for column in range(len(CALL_LABELS)):
        chosen = [finding for finding in specimen.findings if call_vector(finding.parameter_ids)[column]]
        by_label.append(tuple(part for finding in chosen for part in finding.parts))
    by_kind = [
        tuple(
            part
            for finding in specimen.findings
            if finding.kind == kind and finding.parameter_ids
            for part in finding.parts
        )
        for kind in KINDS
    ]
    return [specimen.altered_parts, *by_label, *by_kind]


def view_to_picture(provenance: Mapping[str, JsonValue], side: int) -> NDArray[np.float64]:
    """Affine [2, 3] from the pixels of a view of `side` pixels to those of the picture (`StandardView.provenance`)."""
    turn = np.radians(float(str(provenance["rotation_degrees"])))
    right = np.array([np.cos(turn), np.sin(turn)])
    down = np.array([-right[1], right[0]]) * (-1 if provenance["flipped"] else 1)
    centre = np.asarray(provenance["crop_centre"], dtype=np.float64)
    return Crop(centre, float(str(provenance["crop_side"])), ViewAxes(right, down)).to_picture(side)
